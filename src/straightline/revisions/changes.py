"""What differs between two revisions: the answers, and the params, data, code and packages behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from straightline.config.composition import flattened
from straightline.revisions import lockfile
from straightline.revisions.lockfile import ABSENT, Stages

TOLD = (
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
DOWNSTREAM = {"report", "track"}  # stages that no verdict and no metric depends on


@dataclass(frozen=True)
class Snapshot:
    """What one revision holds.

    `commit` is None for the workspace; `verdicts` are by target, `params` those of params.yaml, `stages` those of
    dvc.lock (empty where there is none), `packages` versions by name.
    """

    revision: str
    commit: str | None
    verdicts: Mapping[str, Mapping[str, Any]]
    params: Mapping[str, Any]
    stages: Stages
    packages: Mapping[str, str]


@dataclass(frozen=True)
class Change:
    """A value that differs; ABSENT where one side has none."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Answer:
    """A target's verdict, as far as it is told: None where a revision has none."""

    target: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None

    @property
    def status(self) -> str:
        """`added`, `removed`, `changed`, `numbers` where the same answer has other numbers, or `same`."""
        if self.before is None or self.after is None:
            return "added" if self.before is None else "removed"
        if self.before.get("answer") != self.after.get("answer"):
            return "changed"
        shared = self.before.keys() & self.after.keys()  # another version of the program may write other keys
        return "same" if all(self.before[key] == self.after[key] for key in shared) else "numbers"

    @property
    def losses(self) -> list[Change]:
        """The loss of every model, of unchanged ones too."""
        before, after = ((side or {}).get("losses") or {} for side in (self.before, self.after))
        return [Change(name, before.get(name, ABSENT), after.get(name, ABSENT)) for name in {**before, **after}]


@dataclass(frozen=True)
class Module:
    """A file of code that differs, and the stages that depend on it."""

    path: str
    stages: Sequence[str]

    @property
    def matters(self) -> bool:
        """Whether verdicts and metrics depend on it."""
        return not set(self.stages) <= DOWNSTREAM


@dataclass(frozen=True)
class Difference:
    """All that differs between `before` and `after`.

    `metrics` are by file. `params` differ in params.yaml, `recorded` in what dvc.lock says the results were made with;
    `stale` are by revision.
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
        """Revisions without a dvc.lock, whose data and code are not known."""
        return [side.revision for side in (self.before, self.after) if not side.stages]

    @property
    def idle_params(self) -> list[str]:
        """Params that differ in params.yaml, but not in what the results were made with."""
        made_with = {change.name for change in self.recorded}
        return [] if self.unlocked else [one.name for one in self.params if one.name not in made_with]

    @property
    def is_unexplained(self) -> bool:
        """Whether numbers differ, though all that is recorded of their making is the same."""
        code = [module for module in self.code if module.matters]
        return not (self.are_numbers_same or self.unlocked or self.recorded or self.data or code or self.packages)


def compare(before: Snapshot, after: Snapshot, metrics: Mapping[str, Sequence[Change]]) -> Difference:
    """Return what differs; `metrics` are the changes of each metrics file."""
    old, new = (lockfile.current(side.stages, side.params) for side in (before, after))
    is_known = bool(old and new)
    return Difference(
        before=before,
        after=after,
        answers=[
            Answer(target, _told(before, target), _told(after, target))
            for target in {**before.verdicts, **after.verdicts}
        ],
        metrics=metrics,
        params=changes(flattened(before.params), flattened(after.params)),
        recorded=changes(_recorded(old), _recorded(new)) if is_known else [],
        data=changes(lockfile.data(old), lockfile.data(new)) if is_known else [],
        code=_modules(old, new) if is_known else [],
        packages=changes(before.packages, after.packages),
        stale={side.revision: found for side in (before, after) if (found := stale(side))},
    )


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """Return what differs between two flattened mappings, in their own order."""
    found = (Change(name, before.get(name, ABSENT), after.get(name, ABSENT)) for name in {**before, **after})
    return [change for change in found if change.before != change.after]


def stale(snapshot: Snapshot) -> list[Change]:
    """Return the params that dvc.lock recorded otherwise than params.yaml has them: recorded, then in params.yaml."""
    found = {}
    for stage in lockfile.current(snapshot.stages, snapshot.params).values():
        then = lockfile.recorded(stage)
        now = {key: value for key in then if (value := lockfile.lookup(snapshot.params, key)) is not ABSENT}
        found.update({change.name: change for change in changes(flattened(then), flattened(now))})
    return list(found.values())


def _told(snapshot: Snapshot, target: str) -> dict[str, Any] | None:
    verdict = snapshot.verdicts.get(target)
    return None if verdict is None else {key: verdict[key] for key in TOLD if key in verdict}


def _recorded(stages: Stages) -> dict[str, Any]:
    return {key: value for stage in stages.values() for key, value in flattened(lockfile.recorded(stage)).items()}


def _modules(before: Stages, after: Stages) -> list[Module]:
    """Return the modules that differ; a stage that only one side has says nothing about code."""
    old, new = lockfile.code(before), lockfile.code(after)
    names = dict.fromkeys(name.partition("@")[0] for name in before)
    both = [name for name in names if any(name == other.partition("@")[0] for other in after)]
    found = {
        path: [stage for stage in both if old.get((path, stage)) != new.get((path, stage))]
        for path in sorted({path for path, _ in {**old, **new}})
    }
    return [Module(path, stages) for path, stages in found.items() if stages]
