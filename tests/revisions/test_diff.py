"""`straightline diff` in a real git and DVC repository: which answers changed between two revisions, and why."""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from straightline.commands import diff
from straightline.errors import UserError
from straightline.stages import compare as compare_stage
from tests.conftest import ROOT
from tests.fake_project import write_project
from tests.repository import Repository


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
    own.dvc_here("commit", "-q", "-f")
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


@pytest.mark.slow
def test_a_margin_changes_an_answer(fresh: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    """First edited, then run, then saved as an experiment, whose name is a revision."""
    fresh.edit("params.yaml", {"margin: 0.05": "margin: 0.97"})
    found = told(fresh, capsys)
    assert found["answers_same"]
    assert found["stale"] == {"workspace": {"verdict.margin": {"before": 0.05, "after": 0.97}}}

    compare_stage.run(fresh.root)
    capsys.readouterr()
    fresh.dvc_here("commit", "-q", "-f")
    found = told(fresh, capsys)
    assert {target: answer["status"] for target, answer in found["answers"].items()} == {
        "color": "changed",
        "num_balloons": "numbers",
    }
    assert found["answers"]["color"]["after"]["answer"] == "yes"
    assert found["params"] == {"verdict.margin": {"before": 0.05, "after": 0.97}}
    assert not any(found[key] for key in ("metrics", "data", "code", "packages", "stale", "idle_params"))

    fresh.dvc_here("exp", "save", "-q", "-n", "wide-margin")
    fresh.run("git", "reset", "-q", "--hard")
    capsys.readouterr()
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
    with (fresh.root / "src/straightline/comparison/advice.py").open("a") as file:
        file.write("# changed\n")
    fresh.edit("requirements.lock", {"keras==3.15.1": "keras==3.16.0"})
    fresh.dvc_here("commit", "-q", "-f")
    found = told(fresh, capsys, "main")
    train.write_bytes(kept)
    assert list(found["data"]) == ["data/train.parquet"]
    assert list(found["metrics"]) == ["metrics/color-neural.json"]
    (change,) = found["metrics"]["metrics/color-neural.json"].items()
    assert change[0] == "baseline.loss"
    assert change[1]["after"] - change[1]["before"] == pytest.approx(1)
    assert found["code"] == {"src/straightline/comparison": ["compare"]}
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
    own.dvc_here("init", "-q", "--no-scm")
    with pytest.raises(UserError, match="does not use a git repository"):
        diff.run(tmp_path, "HEAD", "workspace", as_json=False)
    own.run("git", "init", "-q")
    own.dvc_here("config", "core.no_scm", "false")
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
