"""The differences between two revisions, in sentences."""

import json
from typing import Any

from straightline.revisions.changes import Answer, Change, Difference, Snapshot
from straightline.revisions.lockfile import ABSENT

OTHER_BITS = (
    "Nothing explains the different numbers: params, data, code and packages are the same. "
    "Another type of processor can change the last bits of a number."
)


def headline(difference: Difference) -> str:
    """Return one line with the two revisions and whether their answers are the same."""
    between = f"{_name(difference.before)} -> {_name(difference.after)}"
    if difference.are_answers_same:
        numbers = "and so is every number" if difference.are_numbers_same else "with other numbers"
        return f"{between}: the answers are the same, {numbers}."
    changed = sum(answer.status not in ("same", "numbers") for answer in difference.answers)
    return f"{between}: {changed} of {len(difference.answers)} answers differ."


def _name(snapshot: Snapshot) -> str:
    revision, commit = snapshot.revision, snapshot.commit
    return revision if commit is None or commit.startswith(revision) else f"{revision} ({commit[:7]})"


def answer_line(answer: Answer) -> str:
    """Return one line on a target: its answer before and after, and the models that were added or removed."""
    before, after = ((side or {}).get("answer", "-") for side in (answer.before, answer.after))
    words = {"added": f"added, {after}", "removed": f"removed, was {before}", "changed": f"{before} -> {after}"}
    return f"{answer.target}: {words.get(answer.status, f'{after}, as before')}{_added_and_removed(answer)}"


def _added_and_removed(answer: Answer) -> str:
    if answer.status in ("added", "removed"):
        return ""
    models = {
        "models added": [model.name for model in answer.losses if model.before is ABSENT],
        "models removed": [model.name for model in answer.losses if model.after is ABSENT],
    }
    return "".join(f"; {words}: {', '.join(names)}" for words, names in models.items() if names)


def stale(difference: Difference) -> list[str]:
    """Return a line for each revision with results that were not made with its params.yaml."""
    lines = []
    for side in (difference.before, difference.after):
        keys = ", ".join(_arrow(change) for change in difference.stale.get(side.revision, []))
        if keys and side.commit is None:
            lines.append(f"Note: params.yaml was changed since the last dvc repro: {keys}. Run dvc repro.")
        elif keys:
            lines.append(f"Note: at {side.revision}, other params than those in params.yaml made the results: {keys}.")
    return lines


def _arrow(change: Change) -> str:
    return f"{change.name} {value(change.before)} -> {value(change.after)}"


def why(difference: Difference) -> list[str]:
    """Return lines that explain different numbers: how many params, data files, modules and packages changed.

    Further lines name revisions with unknown data and code, and params without an effect on the results.
    """
    counts = {
        ("param", "params"): len(difference.params) - len(difference.idle_params),
        ("data file", "data"): len(difference.data),
        ("module", "code"): sum(module.matters for module in difference.code),
        ("package", "packages"): len(difference.packages),
    }
    changed = [f"{count} {noun}{'s' if count > 1 else ''}" for (noun, _), count in counts.items() if count]
    same = [name for (_, name), count in counts.items() if not count]
    opening = "What differs nevertheless" if difference.are_numbers_same else "Why"
    lines = [f"{revision}: has no dvc.lock, so its data and code are unknown." for revision in difference.unlocked]
    if changed:
        unchanged = f"; the same: {', '.join(same)}" if same and not difference.unlocked else ""
        lines.append(f"{opening}: {', '.join(changed)}{unchanged}.")
    if difference.idle_params:
        lines.append(f"Params that differ but had no part in these results: {', '.join(difference.idle_params)}.")
    return [*lines, OTHER_BITS] if difference.is_unexplained else lines


def value(setting: Any) -> str:
    """Return a setting as it is written in YAML; `-` if it is absent."""
    return "-" if setting is ABSENT else setting if isinstance(setting, str) else json.dumps(setting, default=str)
