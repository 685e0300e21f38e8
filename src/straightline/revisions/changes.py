"""The differences between two revisions: in the answers, and in the params, data, code and packages behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from straightline.config.composition import flattened
from straightline.revisions import lockfile
from straightline.revisions.lockfile import ABSENT, Stages

# The keys of a verdict that are compared and reported.
REPORTED = (
    "answer",
    "finding",
    "challenger",
    "margin",
    "confidence",
    "relative_gain",
    "relative_gain_interval",
    "mean_loss",
    "losses",
)
# What verdicts without a schema number called their findings.
FORMER_FINDINGS = {
    "neural_better": "challenger_better",
    "regression_better": "baseline_better",
    "regression_enough": "baseline_enough",
}
DOWNSTREAM = {"report", "track"}  # No verdict and no metric depends on these stages.


@dataclass(frozen=True)
class Snapshot:
    """The content of one revision.

    `commit` is None for the workspace. `verdicts` are by target. `params` is the content of params.yaml, `stages`
    that of dvc.lock (empty if there is no such file). `packages` has versions by name.
    """

    revision: str
    commit: str | None
    verdicts: Mapping[str, Mapping[str, Any]]
    params: Mapping[str, Any]
    stages: Stages
    packages: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """A value that differs. A side without a value has ABSENT."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Answer:
    """The REPORTED part of a target's verdict on both sides. It is None if a revision has no verdict."""

    target: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def status(self) -> str:
        """`added`, `removed`, `changed`, `same`, or `numbers` if the same answer has other numbers."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "removed"
        if self.before.get("answer") != self.after.get("answer"):
            return "changed"
        shared = self.before.keys() & self.after.keys()  # Another version of straightline may write other keys.
        return "same" if all(self.before[key] == self.after[key] for key in shared) else "numbers"

    @property
    def losses(self) -> list[Change]:
        """The loss of every model, even if it did not change."""
        before, after = ((side or {}).get("losses") or {} for side in (self.before, self.after))
        return [Change(name, before.get(name, ABSENT), after.get(name, ABSENT)) for name in {**before, **after}]


@dataclass(frozen=True)
class Module:
    """A source file that differs, and the stages that depend on it."""

    path: str
    stages: Sequence[str]

    @property
    def matters(self) -> bool:
        """Whether verdicts and metrics depend on it."""
        return not set(self.stages) <= DOWNSTREAM


@dataclass(frozen=True)
class Difference:
    """All differences between `before` and `after`.

    `metrics` are by file. `params` are the changes in params.yaml, `recorded` those in the params of dvc.lock, with
    which the results were made. `stale` has, by revision, the params that differ between these two files.
    """

    before: Snapshot
    after: Snapshot
    answers: Sequence[Answer]
    metrics: Mapping[str, Sequence[Change]]
    params: Sequence[Change]
    recorded: Sequence[Change]
    data: Sequence[Change]
    code: Sequence[Module]
    packages: Sequence[Change]
    stale: Mapping[str, Sequence[Change]]

    @property
    def are_answers_same(self) -> bool:
        """Whether every target has the same answer on both sides."""
        return all(answer.status in ("same", "numbers") for answer in self.answers)

    @property
    def are_numbers_same(self) -> bool:
        """Whether verdicts and metrics are equal to the last bit."""
        return not self.metrics and all(answer.status == "same" for answer in self.answers)

    @property
    def unlocked(self) -> list[str]:
        """Revisions without dvc.lock. Their data and code are unknown."""
        return [side.revision for side in (self.before, self.after) if not side.stages]

    @property
    def idle_params(self) -> list[str]:
        """Params that differ in params.yaml, but with which the results were not made."""
        made_with = {change.name for change in self.recorded}
        return [] if self.unlocked else [change.name for change in self.params if change.name not in made_with]

    @property
    def is_unexplained(self) -> bool:
        """Whether numbers differ although params, data, code and packages are the same."""
        code = [module for module in self.code if module.matters]
        return not (self.are_numbers_same or self.unlocked or self.recorded or self.data or code or self.packages)


def compare(before: Snapshot, after: Snapshot, metrics: Mapping[str, Sequence[Change]]) -> Difference:
    """Return the differences between two revisions; `metrics` are the changes in each metrics file."""
    old, new = (lockfile.current(side.stages, side.params) for side in (before, after))
    is_known = bool(old and new)
    return Difference(
        before=before,
        after=after,
        answers=[
            Answer(target, _reported(before, target), _reported(after, target))
            for target in {**before.verdicts, **after.verdicts}
        ],
        metrics=metrics,
        params=changes(flattened(before.params), flattened(after.params)),
        recorded=changes(_recorded(old), _recorded(new)) if is_known else [],
        data=changes(lockfile.data(old), lockfile.data(new)) if is_known else [],
        code=_modules(old, new) if is_known else [],
        packages=changes(before.packages, after.packages),
        stale={side.revision: params for side in (before, after) if (params := stale(side))},
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return the changes between two flattened mappings, in the order of their keys."""
    pairs = (Change(name, before.get(name, ABSENT), after.get(name, ABSENT)) for name in {**before, **after})
    return [change for change in pairs if change.before != change.after]


def stale(snapshot: Snapshot) -> list[Change]:
    """Return the params that differ between dvc.lock (before) and params.yaml (after) of one revision."""
    differing: dict[str, Change] = {}
    for stage in lockfile.current(snapshot.stages, snapshot.params).values():
        recorded = lockfile.recorded(stage)
        current = {key: value for key in recorded if (value := lockfile.lookup(snapshot.params, key)) is not ABSENT}
        differing |= {change.name: change for change in changes(flattened(recorded), flattened(current))}
    return list(differing.values())


def _reported(snapshot: Snapshot, target: str) -> dict[str, Any] | None:
    verdict = snapshot.verdicts.get(target)
    if verdict is None:
        return None
    reported = {key: verdict[key] for key in REPORTED if key in verdict}
    if "finding" in reported:
        reported["finding"] = FORMER_FINDINGS.get(reported["finding"], reported["finding"])
    return reported


def _recorded(stages: Stages) -> dict[str, Any]:
    return {key: value for stage in stages.values() for key, value in flattened(lockfile.recorded(stage)).items()}


def _modules(before: Stages, after: Stages) -> list[Module]:
    """Return the modules that differ. Stages that only one side has are ignored."""
    old, new = lockfile.code(before), lockfile.code(after)
    names = dict.fromkeys(name.partition("@")[0] for name in before)
    shared = [name for name in names if any(name == other.partition("@")[0] for other in after)]
    differing = {
        path: [stage for stage in shared if old.get((path, stage)) != new.get((path, stage))]
        for path in sorted({path for path, _ in {**old, **new}})
    }
    return [Module(path, stages) for path, stages in differing.items() if stages]
