"""What goes wrong in real use: interrupts, full disks, damaged files, locked stores, processes that died."""

import errno
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import psutil
import pytest

from straightline.errors import UserError, message
from straightline.results.files import load_results
from straightline.runtime import leftovers, processes
from straightline.runtime.artifacts import read_json, read_parquet, write_json
from straightline.stages import evaluate, report, track, train
from straightline.tracking import publication, store
from straightline.tracking.identity import PROCESS_TAG
from tests.fake_project import write_project


def python(root: Path, *words: str, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run `python WORDS` in `root`, which cannot write files of more than `limit` bytes."""
    small = None if limit is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
    return subprocess.run(
        [sys.executable, *words],
        cwd=root,
        env=kept,
        preexec_fn=small,
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return what stderr says, which is one line and no traceback."""
    assert done.returncode not in (0, None), done.stdout
    assert done.stderr.count("\n") == 1, done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def faked(tmp_path: Path, empty_store: Path) -> Path:
    write_project(tmp_path)
    shutil.copy(empty_store, tmp_path / "mlflow.db")
    return tmp_path


class TestProcesses:
    @pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent-death signal")
    def test_a_stage_dies_with_its_parent(self) -> None:
        imports = "from straightline.runtime.processes import end_with_parent; import time"
        stage = f"{imports}; end_with_parent(); print('on'); time.sleep(60)"
        parent = f"import subprocess, sys; subprocess.run([sys.executable, '-u', '-c', {stage!r}])"
        with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"on\n"
            (child,) = psutil.Process(process.pid).children()
            process.kill()
            child.wait(timeout=10)

    def test_a_turn_is_waited_for_and_not_for_ever(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(processes, "TURN_SECONDS", 0.2)
        with (
            processes.turn(tmp_path / "lock", "train"),
            pytest.raises(UserError, match="another process has been doing this"),
            processes.turn(tmp_path / "lock", "b"),
        ):
            pass
        assert "b: another process is doing this in the same folder; waiting for it" in capsys.readouterr().out
        with processes.turn(tmp_path / "lock", "train"):
            pass


class TestInterrupts:
    @pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
    def test_a_stage_ends_in_one_line(self, faked: Path, number: int) -> None:
        before = {path: path.read_bytes() for path in (faked / "runs").rglob("*.*")}
        listening = ["env", "--default-signal=INT"]  # which a shell's background jobs ignore
        words = [*listening, sys.executable, "-u", "-m", "straightline.stages.train", "color", "neural"]
        with subprocess.Popen(words, cwd=faked, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert "train color/neural" in process.stdout.readline()
            process.send_signal(number)
            assert process.stderr.read() == "train: interrupted; the previous results are restored\n"
        assert process.returncode == 130
        assert {path: path.read_bytes() for path in (faked / "runs").rglob("*.*")} == before

    def test_a_command_ends_in_one_line_and_its_runs_are_killed(
        self, faked: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupted(*of: object) -> str:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
            return ""

        processes.interrupt_on_termination()
        with monkeypatch.context() as patched:
            patched.setattr(publication, "_log_variant", interrupted)
            with pytest.raises(KeyboardInterrupt):
                publication.publish(load_results(faked))
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert statuses(faked / "mlflow.db") == {"KILLED": 2}


def statuses(database: Path) -> dict[str, int]:
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        query = "SELECT status, COUNT(*) FROM runs WHERE lifecycle_stage = 'active' GROUP BY status"
        return dict(connection.execute(query).fetchall())


class TestDisks:
    def test_a_file_that_cannot_be_written_is_said_and_the_old_one_stays(self, faked: Path) -> None:
        before = {path: path.read_bytes() for path in (faked / "verdicts").iterdir()}
        line = one_line(python(faked, "-m", "straightline.stages.compare", limit=100))
        assert line == "compare: file too large; free some space, then run it again\n"
        assert {path: path.read_bytes() for path in (faked / "verdicts").iterdir()} == before

    @pytest.mark.parametrize(
        ("number", "remedy"),
        [(errno.ENOSPC, "free some space"), (errno.EROFS, "make it writable"), (errno.EACCES, "make it")],
    )
    def test_what_the_system_refuses_is_told_with_a_remedy(self, number: int, remedy: str) -> None:
        line = message(OSError(number, os.strerror(number), "data/train.parquet"))
        assert line.startswith(f"data/train.parquet: {os.strerror(number).lower()}; {remedy}")

    @pytest.mark.skipif(os.getuid() == 0, reason="root writes into read-only folders")
    def test_a_read_only_folder(self, faked: Path) -> None:
        (faked / "verdicts").chmod(0o500)
        assert "permission denied; make it" in one_line(python(faked, "-m", "straightline.stages.compare"))


def truncate(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


class TestDamage:
    @pytest.mark.parametrize(
        ("path", "reader"),
        [
            ("runs/color/neural/model.keras", evaluate.run),
            ("data/train.parquet", evaluate.run),
            ("data/train.parquet", partial(train.run, target="color", model="neural")),
            ("predictions/color-neural.parquet", report.run),
            ("params.yaml", evaluate.run),
            ("data/schema.json", load_results),  # as `straightline show` and `straightline track` do
            ("verdicts/color.json", load_results),
        ],
    )
    def test_whatever_reads_truncated_results_names_them(
        self, project: Path, path: str, reader: Callable[[Path], object]
    ) -> None:
        truncate(project / path)
        with pytest.raises(UserError) as caught:
            reader(project)
        assert Path(path).name in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_a_parquet_file_of_nothing_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "a.parquet").touch()
        with pytest.raises(UserError, match=r"a\.parquet: unreadable .*; run `dvc checkout`"):
            read_parquet(tmp_path / "a.parquet")

    @pytest.mark.parametrize("kept", [0.5, pytest.param(0.01, marks=pytest.mark.slow)])
    def test_a_truncated_store_costs_the_copy_only(
        self, faked: Path, kept: float, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
    ) -> None:
        track.run(faked)
        whole = (faked / "mlflow.db").read_bytes()
        write_json(faked / "metrics/color-neural.json", read_json(faked / "metrics/color-neural.json") | {"loss": 0.1})
        (faked / "mlflow.db").write_bytes(whole[: int(len(whole) * kept)])
        capsys.readouterr()
        track.run(faked)
        (line,) = (told for told in capsys.readouterr().out.splitlines() if told.startswith("track: not published"))
        assert line.startswith("track: not published: MLflow's store sqlite:")
        assert line.endswith("then run `straightline track`")
        without = tmp_path_factory.mktemp("without") / "project"  # here MLflow has the damaged one open
        shutil.copytree(faked, without, ignore=shutil.ignore_patterns("mlflow.db"))
        assert "4 runs published" in publication.publish(load_results(without))

    @pytest.mark.slow
    def test_a_locked_store_costs_the_copy_only(
        self, faked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        publication.publish(load_results(faked))
        write_json(faked / "metrics/color-neural.json", read_json(faked / "metrics/color-neural.json") | {"loss": 0.1})
        monkeypatch.setattr(store, "LOCKED_SECONDS", 0.2)
        with closing(sqlite3.connect(faked / "mlflow.db", isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
            track.run(faked)
        assert "not published: MLflow's store" in capsys.readouterr().out
        assert (faked / "published.txt").exists()
        assert "4 runs published" in publication.publish(load_results(faked))


def test_runs_of_dead_processes_are_closed_and_others_left(faked: Path) -> None:
    import mlflow

    publication.publish(load_results(faked))
    client = mlflow.MlflowClient(f"sqlite:///{faked}/mlflow.db")
    own = leftovers.signature()
    dead = own.rpartition("~")[0] + "~5"
    for name, signed in (("dead", dead), ("living", own), ("elsewhere", f"there{dead}")):
        client.create_run("1", tags={PROCESS_TAG: signed}, run_name=name)
    assert "already" in publication.publish(load_results(faked))
    with closing(sqlite3.connect(faked / "mlflow.db")) as connection:
        found = dict(connection.execute("SELECT name, status FROM runs WHERE name IN ('dead', 'living', 'elsewhere')"))
    assert found == {"dead": "KILLED", "living": "RUNNING", "elsewhere": "RUNNING"}


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 8])
def test_several_publish_at_once_to_a_new_store(tmp_path: Path, count: int) -> None:
    write_project(tmp_path / "0")
    for number in range(1, count):
        root = Path(shutil.copytree(tmp_path / "0", tmp_path / str(number)))
        if number < count - 1:  # the last one has the results of the first
            metrics = read_json(root / "metrics/color-neural.json")
            write_json(root / "metrics/color-neural.json", metrics | {"loss": metrics["loss"] * (1 + number / 1000)})
    store_uri = f"sqlite:///{tmp_path}/shared.db"
    environment = os.environ | {"MLFLOW_TRACKING_URI": store_uri}
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "straightline", "track"],
            cwd=tmp_path / str(number),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(count)
    ]
    outputs = [process.communicate(timeout=300) for process in started]
    assert [process.returncode for process in started] == [0] * count, outputs
    told = [out for out, _ in outputs]
    assert sum("4 runs published" in out for out in told) == count - 1
    assert sum("already in MLflow" in out for out in told) == 1
    assert statuses(tmp_path / "shared.db") == {
        "FINISHED": (count - 1) * 7
    }  # a pipeline, four variants, two references
    with closing(sqlite3.connect(tmp_path / "shared.db")) as connection:
        versions = connection.execute(
            "SELECT name, COUNT(*) FROM model_versions GROUP BY name ORDER BY name"
        ).fetchall()
        aliases = connection.execute("SELECT name, alias FROM registered_model_aliases ORDER BY name").fetchall()
    assert versions == [("balloons-color", count - 1), ("balloons-num_balloons", count - 1)]
    assert aliases == [("balloons-color", "champion"), ("balloons-num_balloons", "champion")]
