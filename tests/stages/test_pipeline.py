"""The real pipeline in a repository of its own: DVC, Hydra and MLflow as their users know them."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.repository import Repository, ran, small_repository


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return small_repository(tmp_path_factory)


def test_every_file_is_there_and_nothing_runs_twice(repository: Repository) -> None:
    for name in ("data/train.parquet", "metrics/color-neural.json", "verdicts/color.json", "reports/index.html"):
        assert (repository.root / name).stat().st_size > 0
    output = repository.dvc("repro")
    assert ran(output) == []
    assert "up to date" in output
    assert repository.run("git", "status", "--porcelain") == ""
    assert {run[1] for run in repository.live_runs()} == {"FINISHED"}
    assert [run[0] for run in repository.live_runs()] == [
        f"color: {answer(repository)}",
        "color / random forest",
        "color / neural",
        "color / regression",
    ]


def answer(repository: Repository) -> str:
    return yaml.safe_load((repository.root / "verdicts/color.json").read_text())["answer"]


@pytest.mark.slow
def test_the_users_commands_of_dvc(repository: Repository) -> None:
    assert "train@color-neural" in repository.dvc("dag")
    shown = repository.dvc("metrics", "show", "--json")
    assert '"metrics/color-neural.json"' in shown
    assert '"roc_auc"' in shown
    html = repository.dvc("plots", "show", "-o", "plots_html").strip().splitlines()[-1].removeprefix("file://")
    page = Path(html).read_text()
    assert "color / neural" in page
    assert "color / regression" in page
    shutil.rmtree(repository.root / "plots_html")


@pytest.mark.slow
def test_an_edit_of_conf_reruns_what_depends_on_it(repository: Repository) -> None:
    repository.edit("conf/verdict/default.yaml", {"margin: 0.05": "margin: 0.2"})
    output = repository.dvc("repro")
    assert "verdict.margin: 0.05 -> 0.2" in output
    assert ran(output) == ["compose", "compare", "report", "track"]
    repository.commit()


@pytest.mark.slow
def test_a_network_changed_by_an_experiment_trains_no_regression(repository: Repository) -> None:
    output = repository.dvc("exp", "run", "-S", "models.neural.hidden=[3]")
    assert ran(output) == ["compose", "train@color-neural", "evaluate", "compare", "report", "track"]
    weights = yaml.safe_load((repository.root / "runs/color/neural/weights.json").read_text())
    assert weights["parameters"] == 3 * 3 + 3 + 3 + 1
    assert ran(repository.dvc("repro")) == []
    repository.run("git", "checkout", "-q", ".")
    repository.dvc_here("checkout", "-q")


@pytest.mark.slow
def test_a_clone_with_the_cache_gets_the_same_runs(repository: Repository, tmp_path: Path) -> None:
    subprocess.run(["git", "clone", "-q", str(repository.root), str(tmp_path / "clone")], check=True)
    clone = Repository(tmp_path / "clone")
    clone.dvc_here("config", "--local", "cache.dir", str(repository.root / ".dvc/cache"))
    clone.dvc_here("checkout", "-q")
    assert ran(clone.dvc("repro")) == ["track"]
    assert len(clone.live_runs()) == 3
    assert set(clone.live_runs()) <= set(repository.live_runs())


@pytest.mark.slow
def test_a_diverging_network_keeps_the_last_one(repository: Repository) -> None:
    repository.run("git", "checkout", "-q", ".")
    repository.run("git", "clean", "-qfd")
    repository.dvc_here("checkout", "-q")
    kept = {path: path.read_bytes() for path in (repository.root / "runs").rglob("*.*")}
    assert kept
    repository.edit("conf/model/single.yaml", {"activation: relu": "activation: selu", "rate: 0.001": "rate: 10"})
    repository.edit("conf/fit/adam.yaml", {"optimizer: adam": "optimizer: sgd"})
    output = repository.dvc("repro", "train@color-neural", fails=True)
    assert "train: training diverged" in output
    assert "smaller learning_rate" in output
    assert "Traceback" not in output
    assert {path.parent.name for path in kept} == {"regression", "neural"}
    neural = {path: content for path, content in kept.items() if path.parent.name == "neural"}
    assert neural == {path: path.read_bytes() for path in neural}
