"""What averaged networks chose, as columns of folds.csv and as a sentence."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

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


def choice_message(averages: Sequence[Average]) -> str:
    """Return a sentence that says what was chosen in how many folds, and the mean share of the line."""
    chosen = [choice(average) for average in averages]
    titles = {"hidden": "", "learning_rate": "learning rate ", "l2": "L2 "}
    words = []
    for key, title in titles.items():
        value, count = Counter(each[key] for each in chosen).most_common(1)[0]
        shown = value if isinstance(value, str) else f"{value:g}"
        words.append(f"{title}{shown} in {count:,} of {len(chosen):,} folds")
    share = float(np.mean([average.share for average in averages]))
    return f"chosen: {', '.join(words)}, share of the line {share:.2f} on average"
