"""What a project of `straightline init` has for pip, DVC's registry, GitHub, pre-commit and development containers."""

import json
import os
import shutil
import subprocess
import sys
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.cli.parser import get_main_parser
from dvc.repo import Repo
from dvc.repo.artifacts import check_name_format

from straightline.cli import tracking
from straightline.serving.requirement import requirement
from straightline.serving.wheel import package_wheel
from straightline.stages import compose
from tests.commands.test_init import done, enter, experiment, invoke
from tests.conftest import ROOT

COLUMN = "a ${year} later"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project for two targets, which no test changes."""
    folder = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patched:
        enter(folder, patched)
        found = invoke("table.csv", "project", "--target", COLUMN, "--target", "bp")
        assert found.exit_code == 0, found.output
    return folder / "project"


def workflow(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / ".github/workflows/straightline.yaml").read_text())


def hooks(root: Path) -> dict[str, dict[str, Any]]:
    (repository,) = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"  # Nothing is fetched.
    return {hook["id"]: hook for hook in repository["hooks"]}


def test_the_requirements_name_a_wheel_that_git_has(made: Path) -> None:
    wheel = package_wheel()
    assert (made / "requirements.txt").read_text().splitlines() == list(requirement("all", is_git_there=True).lines)
    assert (made / "wheels" / wheel.name).read_bytes() == wheel.content
    assert f"wheels/{wheel.name}" in done(made, "git", "ls-files").splitlines()


def test_no_file_in_git_names_a_folder_of_the_machine(made: Path) -> None:
    for name in done(made, "git", "ls-files").splitlines():
        content = (made / name).read_bytes()
        for folder in (made.parent, ROOT, Path.home(), Path(sys.prefix)):
            assert f"{folder}/".encode() not in content, name


def test_every_model_of_every_target_is_an_artifact_that_dvc_reads(made: Path) -> None:
    params = yaml.safe_load((made / "params.yaml").read_text())
    with Repo(str(made)) as repo:
        artifacts = repo.artifacts.read()["dvc.yaml"]
        outs = {repo.fs.relpath(out.fs_path, repo.root_dir) for stage in repo.index.stages for out in stage.outs}
    expected = {f"{target}-{model}" for target in params["targets"] for model in params["models"]}
    assert set(artifacts) == expected == {f"{t}-{m}" for t in ("a_year_later", "bp") for m in ("regression", "neural")}
    for name, artifact in artifacts.items():
        check_name_format(name)
        folder, _, file = artifact.path.rpartition("/")
        assert folder in outs
        assert (artifact.type, file) == ("model", "model.keras")
    assert artifacts["a_year_later-neural"].desc == f"Keras model that predicts {COLUMN}"
    assert artifacts["bp-regression"].labels == ["keras", "regression"]


@pytest.mark.slow
def test_dvc_gets_a_registered_model_by_its_name(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    root = tmp_path / "project"
    with pytest.MonkeyPatch.context() as patched:
        enter(tmp_path, patched)
        experiment(tmp_path_factory, root)
        done(root, "git", "add", "--all")
        done(root, "git", "commit", "--quiet", "-m", "The answer")
        done(root, "gto", "register", "a_year_later-neural")
        done(tmp_path, "dvc", "artifacts", "get", str(root), "a_year_later-neural")
    kept = root / "runs/a_year_later/neural/model.keras"
    assert (tmp_path / "model.keras").read_bytes() == kept.read_bytes()


def test_the_workflow_runs_the_pipeline_and_comments_the_report_on_the_pull_request(made: Path) -> None:
    content = workflow(made)
    assert content[True] == {"pull_request": None, "workflow_dispatch": None}  # YAML reads the key `on` as true.
    assert content["permissions"] == {"contents": "read", "pull-requests": "write"}
    steps = content["jobs"]["answer"]["steps"]
    python = next(step["with"] for step in steps if step.get("uses", "").startswith("actions/setup-python"))
    assert python == {"python-version": f"{sys.version_info.major}.{sys.version_info.minor}", "cache": "pip"}
    commands = [step["run"] for step in steps if "run" in step]
    assert "python -m pip install -r requirements.txt" in commands
    assert "dvc repro" in commands
    for command in commands:
        subprocess.run(["bash", "-n", "-c", command], check=True)
    assert steps[-1]["env"]["GH_TOKEN"] == "${{ github.token }}"
    assert commands[-1].endswith("--body-file comment.md --edit-last --create-if-none")


def test_the_comment_is_the_report_without_its_pictures(made: Path, tmp_path: Path) -> None:
    report = "# Is a straight line enough?\n\n![The answer](answer.svg)\n\n| model | loss |\n|---|--:|\n"
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/report.md").write_text(report)
    steps = workflow(made)["jobs"]["answer"]["steps"]
    command = next(step["run"] for step in steps if "reports/report.md" in step.get("run", ""))
    github = {"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "a/b", "GITHUB_RUN_ID": "7"}
    environment = os.environ | github | {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    subprocess.run(["bash", "-e", "-c", command], cwd=tmp_path, env=environment, check=True)
    comment = (tmp_path / "comment.md").read_text()
    link = "[The report with its pictures](https://github.com/a/b/actions/runs/7)"
    assert comment == report.replace("![The answer](answer.svg)\n", "") + f"\n\n{link}\n"
    assert (tmp_path / "summary.md").read_text() == comment


def test_a_missing_table_ends_the_workflow_with_what_to_do(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "clone"
    done(tmp_path, "git", "clone", "--quiet", str(made), str(root))
    steps = workflow(made)["jobs"]["answer"]["steps"]
    command = next(step["run"] for step in steps if "dvc pull" in step.get("run", ""))
    found = subprocess.run(["bash", "-e", "-c", command], cwd=root, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "::error::data/table.csv is missing: dvc remote add --default NAME URL" in found.stdout
    (root / "data/table.csv").write_bytes((made / "data/table.csv").read_bytes())
    done(root, "bash", "-e", "-c", command)


def test_the_hooks_are_those_of_dvc_and_a_check_of_params(made: Path) -> None:
    found = hooks(made)
    for stage in ("pre-commit", "pre-push", "post-checkout"):
        hook = found.pop(f"dvc-{stage}")
        assert hook["stages"] == [stage]
        assert f"dvc git-hook {stage}" in hook["entry"]
        assert get_main_parser().parse_args(["git-hook", stage]).cmd == stage
    (check,) = found.values()
    assert check["entry"] == "straightline compose --check"
    compose.check(made)


def test_a_push_without_a_dvc_remote_goes_through(made: Path) -> None:
    with pytest.MonkeyPatch.context() as patched:
        enter(made.parent, patched)
        assert done(made, "bash", "-c", hooks(made)["dvc-pre-push"]["entry"]) == ""


def test_the_container_installs_the_requirements_and_forwards_the_ports_of_both_servers(made: Path) -> None:
    content = json.loads((made / ".devcontainer/devcontainer.json").read_text())
    assert content["image"].endswith(f":{sys.version_info.major}.{sys.version_info.minor}")
    assert content["postCreateCommand"].startswith("pip install -r requirements.txt")
    ports = [signature(command).parameters["port"].default for command in (tracking.ui, tracking.serve)]
    assert content["forwardPorts"] == ports


def test_the_readme_names_every_file_for_working_together(made: Path) -> None:
    readme = (made / "README.md").read_text()
    for name in (".github/workflows/straightline.yaml", ".pre-commit-config.yaml", ".devcontainer/devcontainer.json"):
        assert f"`{name}`" in readme
        assert (made / name).exists()
    assert "`gto register a_year_later-regression`" in readme
    assert "`wheels/`" in readme
    assert "{%" not in readme


def test_without_dvc_the_next_steps_make_an_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    enter(tmp_path, monkeypatch)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/git").symlink_to(str(shutil.which("git")))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = invoke("table.csv", "project", "--target", "bp")
    assert found.exit_code == 0, found.output
    install = "python3 -m venv .venv && source .venv/bin/activate && pip install -r requirements.txt"
    assert f"cd project && {install} && dvc repro" in found.output


@pytest.mark.slow
def test_its_requirements_are_all_that_its_pipeline_needs(made: Path, tmp_path: Path) -> None:
    """An empty environment, outside of the repository."""
    root = Path(shutil.copytree(made, tmp_path / "project", symlinks=True))
    uv = [sys.executable, "-m", "uv"]
    subprocess.run([*uv, "venv", "--quiet", "--python", sys.executable, tmp_path / "env"], check=True)
    install = [
        *uv,
        "pip",
        "install",
        "--quiet",
        "--python",
        tmp_path / "env/bin/python",
        "-r",
        root / "requirements.txt",
    ]
    subprocess.run(install, cwd=tmp_path, check=True)
    environment = {"PATH": f"{tmp_path / 'env/bin'}:/usr/bin:/bin", "HOME": str(tmp_path)}

    def run(*command: str) -> str:
        words = [str(tmp_path / "env/bin" / command[0]), *command[1:]]
        found = subprocess.run(words, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    assert run("straightline", "--version") == f"straightline {package_wheel().version}\n"
    run("dvc", "repro", "train@bp-regression")
    assert (root / "runs/bp/regression/model.keras").exists()
    assert run("dvc", "status", "train@bp-regression") == "Data and pipelines are up to date.\n"
