"""The answer in sentences."""

from collections.abc import Sequence
from pathlib import Path

from straightline.comparison.evidence import choice_sentence, ridge_sentence
from straightline.comparison.verdict import Bounds, Finding, Reference, Verdict
from straightline.data.schema import Division
from straightline.families import FAMILIES
from straightline.formatting import percent
from straightline.results.files import Variant

OPENINGS = {
    "yes": "Yes, a straight line is enough to predict {}",
    "no": "No, a straight line is not enough to predict {}",
    "undecided": "Undecided whether a straight line is enough to predict {}",
}


def headline(verdict: Verdict, column: str) -> str:
    """Return the answer for one target as a sentence with its numbers, or that the challenger failed to train."""
    if verdict.answer == "neither":
        return _neither(verdict, column)
    opening = OPENINGS[verdict.answer].format(column)
    if verdict.challengers[verdict.challenger].failed:
        return f"{opening}: {verdict.challenger} failed to train."
    challengers = len(verdict.challengers)
    gain = gain_words(
        verdict.relative_gain, verdict.relative_gain_interval, verdict.confidence, verdict.margin, challengers
    )
    candidates, folds = verdict.ledger[verdict.challenger].candidates, verdict.folds * verdict.repeats
    if verdict.answer == "yes" and candidates > 1:
        tried = f"none of {candidates:,} networks, chosen and averaged in each of {folds:,} folds"
        return f"{opening}: {tried}, is better by the margin; {verdict.challenger} {gain}."
    return f"{opening}: {verdict.challenger} {gain}."


def _neither(verdict: Verdict, column: str) -> str:
    name = verdict.most_skilled
    skill = verdict.skills[name]
    has_failed = any(verdict.skills[each].finding is Finding.baseline_better for each in verdict.challengers)
    is_certain = not has_failed and all(each.finding is not Finding.undecided for each in verdict.skills.values())
    verb = f"predicts {column}" if is_certain else f"is shown by these {verdict.rows:,} rows to predict {column}"
    without = FAMILIES[verdict.family].baseline_name
    gain = gain_words(skill.gain, skill.gain_interval, verdict.confidence, verdict.margin)
    return f"Neither a straight line nor a network {verb}: compared with {without}, the best model, {name}, {gain}."


def gain_words(gain: float, interval: Bounds, confidence: float, margin: float, challengers: int = 1) -> str:
    """Return by how much a challenger changes the loss, with the interval of this change and the margin.

    `gain`, its interval and `margin` are shares of the baseline's loss.
    """
    level = interval_level(confidence, challengers)
    ends = interval if gain >= 0 else [None if end is None else -end for end in reversed(interval)]
    low, high = map(percent, ends)
    reason = f", since {challengers} networks are compared" if challengers > 1 else ""
    return (
        f"{'lowers' if gain >= 0 else 'raises'} the loss by {percent(abs(gain))} ({level:.3g} % interval {low} to "
        f"{high}{reason}; margin {100 * margin:.3g} %)"
    )


def interval_level(confidence: float, challengers: int) -> float:
    """Return the two-sided level in percent of the interval of a gain. It is higher for several challengers."""
    return 100 * (1 - 2 * (1 - confidence) / max(challengers, 1))


def selection_sentences(verdict: Verdict) -> list[str]:
    """Return a sentence for each model that was selected from several configs on these rows."""
    return [
        f"{name} is selected from {ledger.configs:,} configs on these rows."
        for name, ledger in verdict.ledger.items()
        if ledger.configs > 1
    ]


def choice_sentences(variants: Sequence[Variant]) -> list[str]:
    """Return a sentence for each averaged network on what it chose in its folds."""
    sentences = (choice_sentence(variant.model, variant.folds) for variant in variants)
    return [sentence for sentence in sentences if sentence is not None]


def ridge_sentences(variants: Sequence[Variant]) -> list[str]:
    """Return a sentence for each regression that is a ridge regression in some folds or in the saved model."""
    sentences = (
        ridge_sentence(variant.model, variant.folds, variant.weights["l2"])
        for variant in variants
        if variant.coefficients is not None
    )
    return [sentence for sentence in sentences if sentence is not None]


def reference_note(reference: Reference) -> str:
    """Return the note below the table of models on the model that is shown for orientation."""
    return f"* {reference.model}: for orientation only, in the first repeat of the folds; it has no part in the answer."


def division_sentence(split: Division) -> str | None:
    """Return a sentence on how rows are divided into training and scored rows, or None if chance divides them."""
    if split.by == "chance":
        return None
    if split.by == "groups":
        return f"Rows of the same {split.column} are never in both training and scored rows."
    order = "in the order of the file" if split.column is None else f"by {split.column}"
    return f"Models train on earlier rows and are scored on later ones, {order}."


def ui_command(root: Path) -> str:
    """Return the command that opens MLflow's UI for the project or the output folder `root`."""
    if (root / "Makefile").exists():
        return "make ui"
    return "straightline ui" if root == Path(".") else f"cd {root} && straightline ui"
