"""`straightline diff`: which answers changed between two revisions, and why."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from rich.console import Console

from straightline.commands import diff
from straightline.config.composition import flattened
from straightline.errors import UserError
from straightline.revisions import terminal
from straightline.revisions.changes import Change, Snapshot, changes, compare, stale
from straightline.revisions.lockfile import ABSENT, code, current, data
from straightline.stages import compare as compare_stage
from tests.conftest import ROOT
from tests.fake_project import write_project
from tests.repository import Repository

PARAMS = {
    "targets": {"y": {"family": "gaussian"}},
    "models": {"regression": {}, "neural": {"hidden": [16]}},
    "data": {"path": "own.csv"},
    "verdict": {"margin": 0.05, "ladder": None},
    "tracking": {"live": False},
}
VERDICT = {
    "answer": "no",
    "finding": "challenger_better",
    "challenger": "neural",
    "margin": 0.05,
    "relative_gain": 0.5,
    "relative_gain_interval": [0.4, None],
    "losses": {"regression": 2.0, "neural": 1.0},
}


def dep(path: str, digest: str) -> dict[str, str]:
    return {"path": path, "md5": digest}


STAGES: dict[str, Any] = {
    "data": {
        "deps": [dep("own.csv", "t1"), dep("src/straightline/tables.py", "a1")],
        "params": {"params.yaml": {"data": {"path": "own.csv"}}},
        "outs": [dep("data/train.parquet", "d1")],
    },
    "train@y-regression": {"deps": [dep("data/train.parquet", "d1"), dep("src/straightline/fit.py", "b1")]},
    "train@y-neural": {
        "deps": [dep("src/straightline/fit.py", "b1")],
        "params": {"params.yaml": {"models.neural": {"hidden": [16]}}},
    },
    "compare": {"params": {"params.yaml": {"verdict": PARAMS["verdict"]}}},
    "report": {"deps": [dep("src/straightline/page.py", "c1")]},
}


def snapshot(**given: Any) -> Snapshot:
    values = {
        "commit": None,
        "verdicts": {"y": VERDICT},
        "params": PARAMS,
        "stages": STAGES,
        "packages": {"keras": "3"},
    }
    return Snapshot(**({"revision": "workspace"} | values | given))


OLD = snapshot(revision="main", commit="0123456789")


def altered(values: Any, dotted: str, value: Any) -> Any:
    """Return a copy of nested mappings with another value at a dotted key."""
    copy = json.loads(json.dumps(values))
    *parents, last = dotted.split(".")
    place = copy
    for parent in parents:
        place = place[parent]
    place[last] = value
    return copy


def restaged(stage: str, path: str, digest: str, kind: str = "deps") -> Any:
    """Return STAGES in which a stage has another digest of `path`."""
    entries = [dep(one["path"], digest if one["path"] == path else one["md5"]) for one in STAGES[stage][kind]]
    return STAGES | {stage: STAGES[stage] | {kind: entries}}


def text(difference: Any) -> str:
    console = Console(width=120, highlight=False)
    with console.capture() as captured:
        console.print(terminal.printed(difference))
    return captured.get()


def test_the_same_is_said_plainly() -> None:
    difference = compare(OLD, snapshot(), {})
    assert difference.are_answers_same
    assert difference.are_numbers_same
    assert not difference.is_unexplained
    assert text(difference) == (
        "main (0123456) -> workspace: the answers are the same, and so is every number.\ny: no, as before\n"
    )


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        ({"y": VERDICT | {"answer": "yes"}}, "changed"),
        ({"y": VERDICT | {"relative_gain": 0.5000000001}}, "numbers"),
        ({"y": VERDICT | {"advice": "of another version"}}, "same"),
        ({"y": VERDICT | {"confidence": 0.95}}, "same"),
        ({"y": {"answer": "no"}}, "same"),
        ({}, "removed"),
    ],
)
def test_the_status_of_an_answer(verdicts: Any, status: str) -> None:
    difference = compare(OLD, snapshot(verdicts=verdicts), {})
    assert [answer.status for answer in difference.answers] == [status]
    assert difference.are_answers_same == (status in ("same", "numbers"))
    assert text(difference)


def test_targets_and_models_that_come_and_go() -> None:
    losses = {"regression": 2.0, "wide": 0.5}
    verdicts = {"y": VERDICT | {"losses": losses}, "z": VERDICT}
    difference = compare(OLD, snapshot(verdicts=verdicts), {})
    printed = text(difference)
    assert "1 of 2 answers differ" in printed
    assert "y: no, as before; models added: wide; models removed: neural" in printed
    assert "z: added, no" in printed
    assert difference.answers[0].losses == [
        Change("regression", 2.0, 2.0),
        Change("neural", 1.0, ABSENT),
        Change("wide", ABSENT, 0.5),
    ]


def test_the_verdict_before_and_after() -> None:
    after = VERDICT | {"answer": "yes", "finding": "baseline_enough", "relative_gain": 0.25}
    lines = text(compare(OLD, snapshot(verdicts={"y": after}), {})).splitlines()
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines if line.startswith("│")]
    assert "y: no -> yes" in lines
    assert ["finding", "neural better", "regression enough", ""] in rows
    gain = ["relative gain (interval)", "50.0 % (40.0 % to unbounded)", "25.0 % (40.0 % to unbounded)", "-0.25"]
    assert gain in rows
    assert ["loss of regression", "2", "2", ""] in rows


def test_a_param_is_the_reason_where_the_results_were_made_with_it() -> None:
    params = altered(PARAMS, "verdict.margin", 0.5)
    stages = altered(STAGES, "compare.params", {"params.yaml": {"verdict": params["verdict"]}})
    verdicts = {"y": VERDICT | {"margin": 0.5}}
    difference = compare(OLD, snapshot(verdicts=verdicts, params=params, stages=stages), {})
    assert difference.params == [Change("verdict.margin", 0.05, 0.5)]
    assert not difference.idle_params
    assert not difference.stale
    assert not difference.is_unexplained
    assert "Why: 1 param; the same: data, code, packages." in text(difference)


def test_a_param_that_no_stage_ran_with_is_no_reason() -> None:
    """Neither one of tracking nor one that was changed since the last dvc repro."""
    params = altered(altered(PARAMS, "tracking.live", True), "verdict.ladder", ["regression"])
    after = snapshot(params=params, verdicts={"y": VERDICT | {"relative_gain": 0.51}})
    difference = compare(OLD, after, {})
    assert difference.idle_params == ["verdict.ladder", "tracking.live"]
    assert difference.is_unexplained
    printed = " ".join(text(difference).split())
    assert 'params.yaml was changed since the last dvc repro: verdict.ladder null -> ["regression"]' in printed
    assert "had no part in these results: verdict.ladder, tracking.live." in printed
    assert "Another type of processor" in printed


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        (restaged("data", "own.csv", "t2"), "Why: 1 data file; the same: params, code, packages."),
        (restaged("data", "data/train.parquet", "d2", "outs"), "Why: 1 data file;"),
        (
            restaged("train@y-neural", "src/straightline/fit.py", "b2"),
            "Why: 1 module; the same: params, data, packages.",
        ),
        (restaged("report", "src/straightline/page.py", "c2"), "Another type of processor"),
        (STAGES, "Another type of processor"),
        ({}, "workspace: has no dvc.lock"),
    ],
)
def test_what_explains_other_numbers(stages: Any, reason: str) -> None:
    metrics = {"metrics/y-neural.json": [Change("loss", 1.0, 1.0 + 2**-52), Change("baseline.loss", ABSENT, 3)]}
    difference = compare(OLD, snapshot(stages=stages), metrics)
    printed = text(difference)
    assert reason in printed
    assert difference.is_unexplained == ("Another type" in reason)
    assert "+2.2e-16" in printed


def test_packages_explain_too() -> None:
    difference = compare(OLD, snapshot(packages={"keras": "4"}), {"m.json": [Change("loss", 1, 2)]})
    assert difference.packages == [Change("keras", "3", "4")]
    assert not difference.is_unexplained


def test_modules_are_named_by_stage() -> None:
    stages = restaged("train@y-neural", "src/straightline/fit.py", "b2") | {"evaluate": STAGES["report"]}
    (module,) = compare(OLD, snapshot(stages=stages), {}).code
    assert (module.path, module.stages, module.matters) == ("src/straightline/fit.py", ["train"], True)


def test_what_a_lock_says() -> None:
    gone = STAGES | {"train@y-gone": {}, "train@x-neural": {}}
    assert current(gone, PARAMS) == STAGES
    assert data(STAGES) == {"own.csv": "t1", "data/train.parquet": "d1"}
    assert code(STAGES)["src/straightline/fit.py", "train"] == {"b1"}


def test_null_is_not_absent() -> None:
    assert changes({"a": None, "b": 1}, {"b": 1, "c": None}) == [Change("a", None, ABSENT), Change("c", ABSENT, None)]
    assert flattened({"a": {"b": {"c": 1}, "d": []}, "e": {}}) == {"a.b.c": 1, "a.d": [], "e": {}}


def test_stale_params_that_came_or_went() -> None:
    params = altered(PARAMS, "models", {"regression": {}, "neural": {"depth": 2}})
    assert stale(replace(OLD, params=params)) == [
        Change("models.neural.hidden", [16], ABSENT),
        Change("models.neural.depth", ABSENT, 2),
    ]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """A git and DVC repository of made-up results, with dvc.lock as DVC itself writes it, and nothing trained."""
    root = tmp_path_factory.mktemp("repository")
    for name in ("conf", "src/straightline", ".dvc/plots"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("dvc.yaml", ".dvc/config", ".dvcignore", ".gitignore"):
        shutil.copy(ROOT / name, root / name)
    write_project(root)
    (root / "requirements.lock").write_text(
        "keras==3.15.1 \\\n    --hash=sha256:00\nnumpy[x]==2.1 ; python_version>'3'\n"
    )
    (root / "reports").mkdir()
    (root / "reports/index.html").write_text("a page")
    (root / "published.txt").write_text("published")
    own = Repository(root)
    own.run("git", "init", "-q", "-b", "main")
    own.run("git", "config", "user.name", "t")
    own.run("git", "config", "user.email", "t@example.org")
    own.run("git", "commit", "-q", "--allow-empty", "-m", "before all")
    own.run("git", "tag", "empty")
    own.dvc("commit", "-q", "-f")
    own.commit()
    return own


@pytest.fixture
def fresh(repository: Repository) -> Repository:
    """The repository as it was committed first."""
    repository.run("git", "reset", "-q", "--hard", "main")
    return repository


def told(
    repository: Repository, capsys: pytest.CaptureFixture[str], before: str = "HEAD", after: str = "workspace"
) -> dict[str, Any]:
    diff.run(repository.root, before, after, as_json=True)
    return json.loads(capsys.readouterr().out)


def test_nothing_changed(fresh: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(fresh, capsys)
    assert found["after"] == {"revision": "workspace", "commit": None}
    assert found["before"]["commit"] == fresh.run("git", "rev-parse", "HEAD").strip()
    assert found["answers_same"]
    assert found["numbers_same"]
    assert not found["unexplained"]
    assert not any(found[key] for key in ("metrics", "params", "data", "code", "packages", "stale", "unlocked"))


def test_a_margin_changes_an_answer(fresh: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """First edited, then run, then saved as an experiment, whose name is a revision."""
    fresh.edit("params.yaml", {"margin: 0.05": "margin: 0.97"})
    found = told(fresh, capsys)
    assert found["answers_same"]
    assert found["stale"] == {"workspace": {"verdict.margin": {"before": 0.05, "after": 0.97}}}

    compare_stage.run(fresh.root)
    capsys.readouterr()
    fresh.dvc("commit", "-q", "-f")
    found = told(fresh, capsys)
    assert {target: answer["status"] for target, answer in found["answers"].items()} == {
        "color": "changed",
        "num_balloons": "numbers",
    }
    assert found["answers"]["color"]["after"]["answer"] == "yes"
    assert found["params"] == {"verdict.margin": {"before": 0.05, "after": 0.97}}
    assert not any(found[key] for key in ("metrics", "data", "code", "packages", "stale", "idle_params"))

    fresh.dvc("exp", "save", "-q", "-n", "wide-margin")
    fresh.run("git", "reset", "-q", "--hard")
    assert told(fresh, capsys)["answers_same"]
    saved = told(fresh, capsys, "main", "wide-margin")
    assert saved["after"]["revision"] == "wide-margin"
    assert len(saved["after"]["commit"]) == 40
    sides = {"before": None, "after": None}
    assert saved | sides == found | sides
    diff.run(fresh.root, "main", "wide-margin", as_json=False)
    printed = capsys.readouterr().out
    assert "color: no -> yes" in printed
    assert "Why: 1 param; the same: data, code, packages." in printed
    assert "\x1b" not in printed


def test_data_metrics_code_and_packages(fresh: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    train = fresh.root / "data/train.parquet"
    kept = train.read_bytes()
    pd.read_parquet(train).iloc[1:].to_parquet(train)
    values = json.loads((fresh.root / "metrics/color-neural.json").read_text())
    values["baseline"]["loss"] += 1
    (fresh.root / "metrics/color-neural.json").write_text(json.dumps(values))
    with (fresh.root / "src/straightline/verdict.py").open("a") as file:
        file.write("# changed\n")
    fresh.edit("requirements.lock", {"keras==3.15.1": "keras==3.16.0"})
    fresh.dvc("commit", "-q", "-f")
    found = told(fresh, capsys, "main")
    train.write_bytes(kept)
    assert list(found["data"]) == ["data/train.parquet"]
    assert list(found["metrics"]) == ["metrics/color-neural.json"]
    (change,) = found["metrics"]["metrics/color-neural.json"].items()
    assert change[0] == "baseline.loss"
    assert change[1]["after"] - change[1]["before"] == pytest.approx(1)
    assert found["code"] == {"src/straightline/verdict.py": ["compare"]}
    assert found["packages"] == {"keras": {"before": "3.15.1", "after": "3.16.0"}}
    assert found["answers_same"]
    assert not found["numbers_same"]


def test_an_older_verdict_lacks_keys(fresh: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    (fresh.root / "verdicts/color.json").write_text('{"answer": "undecided"}')
    assert told(fresh, capsys)["answers"]["color"]["after"] == {"answer": "undecided"}
    diff.run(fresh.root, "HEAD", "workspace", as_json=False)
    assert "color: no -> undecided" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("verdicts/color.json", "{", r"workspace: verdicts/color.json: unreadable .*run `dvc repro`"),
        ("verdicts/color.json", "[]", r"verdicts/color.json: unreadable \(expected a mapping, got list\)"),
        ("dvc.lock", "stages: [", r"workspace: dvc.lock: unreadable .*run `straightline repair`"),
        ("dvc.lock", "stages: {data: 1}", r"workspace: dvc.lock: unreadable .*run `straightline repair`"),
        ("dvc.yaml", "stages: [", r"workspace: dvc.yaml: unreadable .*correct it"),
    ],
)
def test_unreadable_files(fresh: Repository, file: str, content: str, words: str) -> None:
    (fresh.root / file).write_text(content)
    with pytest.raises(UserError, match=words):
        diff.run(fresh.root, "HEAD", "workspace", as_json=True)


@pytest.mark.parametrize(
    ("revision", "words"),
    [
        ("nosuch", r"nosuch: unknown Git revision 'nosuch'; give a commit, branch or tag .*`dvc exp list`"),
        ("empty", r"empty: has no verdicts/\*.json; choose one committed after `dvc repro`"),
    ],
)
def test_revisions_that_are_none(fresh: Repository, revision: str, words: str) -> None:
    for revisions in ((revision, "workspace"), ("HEAD", revision)):
        with pytest.raises(UserError, match=words):
            diff.run(fresh.root, *revisions, as_json=False)


def test_no_repository(tmp_path: Path) -> None:
    own = Repository(tmp_path)
    with pytest.raises(UserError, match="is in no DVC repository"):
        diff.run(tmp_path, "HEAD", "workspace", as_json=False)
    own.dvc("init", "-q", "--no-scm")
    with pytest.raises(UserError, match="does not use a git repository"):
        diff.run(tmp_path, "HEAD", "workspace", as_json=False)
    own.run("git", "init", "-q")
    own.dvc("config", "core.no_scm", "false")
    with pytest.raises(UserError, match="git has no commit yet"):
        diff.run(tmp_path, "HEAD", "workspace", as_json=False)


def test_the_command_line(fresh: Repository) -> None:
    """One line for an error, the defaults HEAD and workspace, and neither TensorFlow nor MLflow imported."""
    code = (
        "import atexit, os, sys; atexit.register(lambda: "
        "os._exit(77 if {'tensorflow', 'keras', 'mlflow'} & set(sys.modules) else 0)); "
        "sys.argv = ['straightline', 'diff']; from straightline.__main__ import main; main()"
    )
    assert "HEAD (" in fresh.run(sys.executable, "-c", code)
    fails = fresh.run(sys.executable, "-m", "straightline", "diff", "nosuch", fails=True)
    assert fails.startswith("straightline: nosuch: ")
    assert len(fails.splitlines()) == 1


def test_a_hand_made_lock_is_read_as_yaml(fresh: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """Its table is told, and a lock that is gone too."""
    lock = yaml.safe_load((fresh.root / "dvc.lock").read_text())
    lock["stages"]["data"]["params"]["params.yaml"]["data"]["path"] = "own.csv"
    lock["stages"]["data"]["deps"].append({"path": "own.csv", "hash": "md5", "md5": "0" * 32, "size": 1})
    (fresh.root / "dvc.lock").write_text(yaml.safe_dump(lock))
    assert told(fresh, capsys)["data"] == {"own.csv": {"after": "0" * 32}}
    (fresh.root / "dvc.lock").unlink()
    assert told(fresh, capsys)["unlocked"] == ["workspace"]
