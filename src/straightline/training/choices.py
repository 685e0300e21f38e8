"""What an averaged network chose, and what that took, as columns of folds.csv."""

from straightline.training.averaging import Average


def choice(average: Average) -> dict[str, str | float]:
    """Return the columns `hidden`, `learning_rate`, `l2`, `line` (the share of the line) and `line_l2`, its penalty."""
    network = average.network
    return {
        "hidden": "-".join(map(str, network.hidden)),
        "learning_rate": network.learning_rate,
        "l2": network.l2,
        "line": average.share,
        "line_l2": average.line.penalty,
    }


def effort(average: Average) -> dict[str, int]:
    """Return the columns `networks`, `epochs` and `steps`: the training of all candidates."""
    return {"networks": average.networks, "epochs": average.epochs, "steps": average.steps}
