"""The answer in sentences."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from straightline.comparison.evidence import choice_sentence, ridge_sentence
from straightline.comparison.verdict import Bounds, Finding, Reference, Verdict
from straightline.data.schema import Division, Schema
from straightline.families import FAMILIES, Family, family_of
from straightline.families.target import Target
from straightline.formatting import number, percent
from straightline.regression.certificate import Certificate
from straightline.results.files import Variant

OPENINGS = {
    "yes": "Yes, a straight line is enough to predict {}",
    "no": "No, a straight line is not enough to predict {}",
    "undecided": "Undecided whether a straight line is enough to predict {}",
}


def headline(verdict: Verdict, column: str, baseline: str | None = None) -> str:
    """Return the answer for one target as a sentence with its numbers, or that the challenger failed to train.

    `baseline` names the prediction that uses no column, if the name that its family has for it is not exact.
    """
    if verdict.answer == "neither":
        return _neither(verdict, column, baseline or FAMILIES[verdict.family].baseline_name)
    opening = OPENINGS[verdict.answer].format(column)
    if verdict.challengers[verdict.challenger].failed:
        return f"{opening}: {verdict.challenger} failed to train."
    gain = gain_words(
        verdict.relative_gain,
        verdict.relative_gain_interval,
        verdict.confidence,
        verdict.margin,
        len(verdict.challengers),
        verdict.looks,
    )
    candidates = verdict.ledger[verdict.challenger].candidates
    if verdict.answer == "yes" and candidates > 1:
        tried = f"none of {candidates:,} networks, chosen and averaged in each of {verdict.fitted_folds:,} folds"
        return f"{opening}: {tried}, is better by the margin; {verdict.challenger} {gain}."
    return f"{opening}: {verdict.challenger} {gain}."


def _neither(verdict: Verdict, column: str, baseline: str) -> str:
    name = verdict.most_skilled
    skill = verdict.skills[name]
    has_failed = any(verdict.skills[each].finding is Finding.baseline_better for each in verdict.challengers)
    is_certain = not has_failed and all(each.finding is not Finding.undecided for each in verdict.skills.values())
    verb = f"predicts {column}" if is_certain else f"is shown by these {verdict.rows:,} rows to predict {column}"
    gain = gain_words(skill.gain, skill.gain_interval, verdict.confidence, verdict.margin)
    return f"Neither a straight line nor a network {verb}: compared with {baseline}, the best model, {name}, {gain}."


def gain_words(
    gain: float, interval: Bounds, confidence: float, margin: float, challengers: int = 1, looks: int = 1
) -> str:
    """Return by how much a challenger changes the loss, with the interval of this change and the margin.

    `gain`, its interval and `margin` are shares of the baseline's loss.
    """
    level = interval_level(confidence, challengers * looks)
    ends = interval if gain >= 0 else [None if end is None else -end for end in reversed(interval)]
    low, high = map(percent, ends)
    reasons = [f"{challengers} networks are compared"] if challengers > 1 else []
    reasons += [f"the network may stop at {looks} samples"] if looks > 1 else []
    reason = f", since {' and '.join(reasons)}" if reasons else ""
    return (
        f"{'lowers' if gain >= 0 else 'raises'} the loss by {percent(abs(gain))} ({level:.3g} % interval {low} to "
        f"{high}{reason}; margin {100 * margin:.3g} %)"
    )


def interval_level(confidence: float, chances: int) -> float:
    """Return the two-sided level in percent of the interval of a gain. It is higher for several `Verdict.chances`."""
    return 100 * (1 - 2 * (1 - confidence) / max(chances, 1))


def growth_sentences(variants: Sequence[Variant]) -> list[str]:
    """Return a sentence for each network on how many rows it learned from, in a table of more than 250,000 rows."""
    return [growth_sentence(each.model, each.weights["growth"]) for each in variants if "growth" in each.weights]


def growth_sentence(model: str, growth: Mapping[str, Any]) -> str:
    """Return from how many rows a network learned, and what more rows brought (`large/growth.py`)."""
    *_, last = looks = growth["looks"]
    sentence = f"{model} learned from {last['rows']:,} of {growth['rows']:,} rows"
    if last["fall"] is not None:
        verb = "fell" if last["fall"] >= 0 else "rose"
        sentence += f"; from {looks[-2]['rows']:,} to {last['rows']:,} its loss {verb} by {percent(abs(last['fall']))}"
    reasons = {
        "better": "it is better than the line by far, so that more rows would not change the answer",
        "most rows": "larger samples would not fit into memory",
    }
    return f"{sentence}{'; ' + reasons[growth['reason']] if growth['reason'] in reasons else ''}."


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


def weights_sentence(schema: Schema) -> str | None:
    """Return a sentence that names the weights of the rows and their kind, or None if there are none."""
    if schema.weights is None:
        return None
    if schema.weights_are == "frequency":
        return f"Rows are weighted by {schema.weights}: a row counts as so many equal rows (frequency weights)."
    return f"Rows are weighted by {schema.weights}: a row stands for so many rows of a population (sampling weights)."


def offset_sentences(target: Target) -> list[str]:
    """Return a sentence for the exposure and one for the offset of a target, if it has them."""
    found = []
    if target.exposure is not None:
        found.append(
            f"The exposure is {target.exposure}: predictions are proportional to it, and coefficients are those for an "
            "exposure of 1."
        )
    if target.offset is not None:
        found.append(f"The offset is {target.offset}: it is added to the {family_of(target).predictor_name(target)}.")
    return found


def estimate_sentence(target: Target) -> str:
    """Return what a coefficient means."""
    family = family_of(target)
    factor = "; the prediction is then multiplied by the factor, its exponential" if family.has_factors else ""
    return (
        f"An estimate is the change in {family.coefficient_unit(target)} if its term rises by 1 and all others stay"
        f"{factor}."
    )


def inference_sentences(certificate: Certificate, family: Family, is_quasi: bool = False) -> list[str]:
    """Return sentences on how standard errors are computed, and on the dispersion; none for the usual ones.

    `is_quasi` says whether the standard errors of counts allow for the dispersion.
    """
    kind, found = certificate.standard_errors, []
    if kind == family.robust_errors:
        found.append(f"Standard errors are robust ({kind}).")
    elif is_quasi and family.is_count:
        found.append("Standard errors allow for the dispersion (quasi-Poisson).")
    elif kind != "classical":
        found.append(f"Standard errors use the {kind}.")
    if certificate.dispersion is not None and family.variance_unit is not None:
        found.append(
            f"The variance about the predictions is {number(certificate.dispersion, 3)} times the "
            f"{family.variance_unit} (Pearson’s dispersion)."
        )
    return found


def ui_command(root: Path) -> str:
    """Return the command that opens MLflow's UI for the project or the output folder `root`."""
    if (root / "Makefile").exists():
        return "make ui"
    return "straightline ui" if root == Path(".") else f"cd {root} && straightline ui"
