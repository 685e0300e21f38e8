"""`straightline diff`: read two revisions of the repository through DVC, and compare them."""

import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCKFILE_SCHEMA
from dvc.scm import NoSCMError, RevError
from voluptuous import Invalid

from straightline.errors import UserError
from straightline.revisions import terminal
from straightline.revisions.changes import Answer, Change, Difference, Snapshot, compare
from straightline.revisions.lockfile import ABSENT

WORKSPACE = "workspace"  # DVC's name for the files as they are now
PACKAGES = ("requirements.lock", "requirements.txt")
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)


def run(root: Path, before: str, after: str, as_json: bool) -> None:
    """Print the differences between two revisions. A revision is one of git, a DVC experiment, or the workspace.

    Raises UserError if there is no git and DVC repository, if a revision is unknown, or if it has no verdicts.
    """
    with _repository(root) as repo:
        snapshots = _snapshot(repo, before), _snapshot(repo, after)
        difference = compare(*snapshots, _metrics(repo, before, after))
    if as_json:
        print(json.dumps(as_dict(difference), indent=1, allow_nan=False, default=str))
    else:
        terminal.show(difference)


def as_dict(difference: Difference) -> dict[str, Any]:
    """Return the content of `straightline diff --json`. A side without a value lacks the key of that value."""
    return {
        "before": _revision(difference.before),
        "after": _revision(difference.after),
        "answers_same": difference.are_answers_same,
        "numbers_same": difference.are_numbers_same,
        "unexplained": difference.is_unexplained,
        "answers": {answer.target: _answer(answer) for answer in difference.answers},
        "metrics": {path: _sides(changes) for path, changes in difference.metrics.items()},
        "params": _sides(difference.params),
        "idle_params": difference.idle_params,
        "data": _sides(difference.data),
        "code": {module.path: list(module.stages) for module in difference.code},
        "packages": _sides(difference.packages),
        "stale": {revision: _sides(changes) for revision, changes in difference.stale.items()},
        "unlocked": difference.unlocked,
    }


@contextmanager
def _repository(root: Path) -> Iterator[Repo]:
    logging.getLogger("dvc").setLevel(logging.ERROR)  # Its warnings would only repeat the errors raised here.
    try:
        with Repo(str(root)) as repo:
            if repo.scm.no_commits:
                raise UserError(f"{root.resolve()}: git has no commit yet to compare with; run `git commit` first")
            yield repo
    except NotDvcRepoError:
        raise UserError(f"{root.resolve()}: is in no DVC repository; go to the project's folder") from None
    except NoSCMError:
        remedy = "run `git init`, then `dvc config core.no_scm false`"
        raise UserError(
            f"{root.resolve()}: DVC does not use a git repository, so there are no revisions; {remedy}"
        ) from None
    except DvcException as error:
        raise UserError(f"{root.resolve()}: DVC cannot read it: {_line(error)}") from None


def _snapshot(repo: Repo, revision: str) -> Snapshot:
    try:
        with repo.switch(revision) as commit:
            verdicts = {Path(path).stem: _verdict(repo, revision, path) for path in _verdicts(repo)}
            if not verdicts:
                remedy = "run `dvc repro`" if commit == WORKSPACE else "choose one committed after `dvc repro`"
                raise UserError(f"{revision}: has no verdicts/*.json; {remedy}")
            return Snapshot(
                revision=revision,
                commit=None if commit == WORKSPACE else commit,
                verdicts=verdicts,
                params=_yaml(repo, revision, "params.yaml"),
                stages=_stages(repo, revision),
                packages=_packages(repo),
            )
    except RevError as error:
        known = "a commit, branch or tag (`git log --oneline`), or an experiment (`dvc exp list`)"
        raise UserError(f"{revision}: {_line(error)}; give {known}") from None


def _verdicts(repo: Repo) -> list[str]:
    paths = repo.fs.find(repo.fs.join(repo.root_dir, "verdicts"))
    return sorted(path for path in paths if path.endswith(".json") and not Path(path).name.startswith("."))


def _verdict(repo: Repo, revision: str, path: str) -> Mapping[str, Any]:
    place = f"verdicts/{Path(path).name}"
    try:
        return _mapping(json.loads(_text(repo, place)), revision, place)
    except ValueError as error:
        raise _unreadable(revision, place, error) from None


def _yaml(repo: Repo, revision: str, place: str) -> Mapping[str, Any]:
    try:
        return _mapping(yaml.safe_load(_text(repo, place)) or {}, revision, place)
    except (ValueError, yaml.YAMLError) as error:
        raise _unreadable(revision, place, error) from None


def _stages(repo: Repo, revision: str) -> Mapping[str, Any]:
    lock = _yaml(repo, revision, "dvc.lock")
    try:
        return COMPILED_LOCKFILE_SCHEMA(lock).get("stages", {}) if lock else {}
    except Invalid as error:
        raise _unreadable(revision, "dvc.lock", error) from None


def _mapping(value: Any, revision: str, place: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _unreadable(revision, place, f"expected a mapping, got {type(value).__name__}")
    return value


def _packages(repo: Repo) -> dict[str, str]:
    """Return the pinned version of each package; all versions if they differ between platforms."""
    versions: dict[str, list[str]] = {}
    for place in PACKAGES:
        for name, version in PINNED.findall(_text(repo, place)):
            versions.setdefault(name, []).append(version)
    return {name: ", ".join(pins) for name, pins in versions.items()}


def _text(repo: Repo, place: str) -> str:
    """Return the text of a file at the revision that `repo` is switched to; empty if there is no such file."""
    path = repo.fs.join(repo.root_dir, *place.split("/"))
    return repo.fs.read_text(path, encoding="utf-8") if repo.fs.exists(path) else ""


def _metrics(repo: Repo, before: str, after: str) -> dict[str, list[Change]]:
    """Return the changes that `dvc metrics diff` reports, sorted by file and metric."""
    result = repo.metrics.diff(a_rev=before, b_rev=after)
    for revision, error in result.get("errors", {}).items():
        if isinstance(error, Exception):
            raise _unreadable(revision, "dvc.yaml", error)
    return {path: _sorted(values) for path, values in sorted(result.get("diff", {}).items())}


def _sorted(values: Mapping[str, Mapping[str, Any]]) -> list[Change]:
    """Return the changes, `baseline.*` last. DVC reports a metric that a side lacks as None; here it is ABSENT."""
    sides = {
        name: [ABSENT if value[side] is None else value[side] for side in ("old", "new")]
        for name, value in values.items()
    }
    return [Change(name, *sides[name]) for name in sorted(sides, key=lambda name: (name.count("."), name))]


def _unreadable(revision: str, place: str, reason: object) -> UserError:
    remedy = "choose another revision"
    if revision == WORKSPACE:
        remedy = "run `straightline repair`" if place == "dvc.lock" else "correct it, or run `dvc repro`"
    return UserError(f"{revision}: {place}: unreadable ({_line(reason)[:200]}); {remedy}")


def _line(reason: object) -> str:
    return " ".join(str(reason).split())


def _revision(snapshot: Snapshot) -> dict[str, Any]:
    return {"revision": snapshot.revision, "commit": snapshot.commit}


def _sides(changes: Sequence[Change]) -> dict[str, dict[str, Any]]:
    both = {change.name: {"before": change.before, "after": change.after} for change in changes}
    return {name: {side: value for side, value in sides.items() if value is not ABSENT} for name, sides in both.items()}


def _answer(answer: Answer) -> dict[str, Any]:
    return {"status": answer.status, "before": answer.before, "after": answer.after}
