"""`dvc repro` disturbed: killed at random, DVC or its stage (`make faults`: 50 times), started twice, damaged."""

import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from straightline.commands import repair
from straightline.errors import UserError
from straightline.runtime.artifacts import md5
from straightline.runtime.folders import RESULT_FOLDERS
from tests.conftest import ROOT
from tests.repository import Repository, ran, small_repository

KILLS = int(os.environ.get("STRAIGHTLINE_KILLS", "10"))
FILLS = max(KILLS // 5, 3)  # times that the pipeline runs on a disk that fills
SECONDS = 20  # in which it is killed: about what it takes
SEED = int(os.environ.get("STRAIGHTLINE_SEED", "0"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    return small_repository(tmp_path_factory)


def files(root: Path) -> dict[str, str]:
    """Return the digest of every result, by path."""
    found = [root / "params.yaml", root / "dvc.lock"]
    found += [path for folder in RESULT_FOLDERS for path in (root / folder).rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): md5(path) for path in found}


def living(root: Path) -> list[psutil.Process]:
    """Return the processes that work in `root`."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(root) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def repaired(root: Path) -> bool:
    """Tell whether `straightline repair` removed a file."""
    try:
        repair.run(root)
    except UserError:
        return False
    return True


def test_half_a_lock_is_removed_and_a_whole_one_stays(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    lock, whole = tmp_path / "dvc.lock", (ROOT / "dvc.lock").read_bytes()
    lock.write_bytes(whole)
    assert not repaired(tmp_path)
    assert lock.read_bytes() == whole
    for stage in (b"  data:", b"  train@color-neural:", b"  track:"):
        lock.write_bytes(whole[: whole.index(b"size: ", whole.index(stage)) + len(b"size: ")])
        half = lock.read_bytes()
        assert repaired(tmp_path)
        assert not lock.exists()
        assert (tmp_path / ".dvc/tmp/dvc.lock.incomplete").read_bytes() == half


def test_half_a_file_of_dvcs_locks_is_removed(repository: Repository) -> None:
    path = repository.root / ".dvc/tmp/rwlock"
    whole = path.read_bytes()
    assert not repaired(repository.root)
    assert path.read_bytes() == whole
    for content in (b"", b'{"write": {"', b"[" * 100_000, b'{"write": 3}', b"\xff"):
        path.write_bytes(content)
        assert repaired(repository.root)
        assert not path.exists()
        assert "rwlock" not in repository.dvc("status")


def test_dvc_may_be_the_first_process_of_a_container(repository: Repository) -> None:
    alone = ["unshare", "--pid", "--fork", "--mount-proc"]
    if os.getuid() != 0 or subprocess.run([*alone, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine starts no process in another namespace of ids")
    command = [*alone, sys.executable, "-m", "dvc", "repro", "--force", "--single-item", "compose"]
    done = subprocess.run(
        command, cwd=repository.root, env=repository.environment, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_temporary_files_of_dvc_are_removed_and_others_stay(tmp_path: Path) -> None:
    kept = [
        tmp_path / "data/.0EB9S0Wr4ePH8yd1XfqfsQ",
        tmp_path / "data/mine.tmp",
        tmp_path / ".0EB9S0Wr4ePH8yd1XfqfsQ.tmp",
    ]
    left = tmp_path / "data/deep/.KJ2c-1KTnBm5OxYSs9-OEQ.tmp"
    for path in [*kept, left, tmp_path / ".dvc/config"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert repaired(tmp_path)
    assert not left.exists()
    assert all(path.exists() for path in kept)
    assert not repaired(tmp_path)


WRITER = """
import sys, time
from pathlib import Path
from dvc.lock import make_lock
lock = Path("dvc.lock")
whole = lock.read_bytes()
with make_lock(".dvc/tmp/lock"):
    lock.write_bytes(whole[: len(whole) // 2])
    print("half", flush=True)
    input()
    lock.write_bytes(whole)
"""


def test_a_file_that_dvc_is_writing_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    lock, whole = tmp_path / "dvc.lock", (ROOT / "dvc.lock").read_bytes()
    lock.write_bytes(whole)
    command = [sys.executable, "-c", WRITER]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "half\n"
        with pytest.raises(UserError, match="DVC is at work in this folder"):
            repair.run(tmp_path)
        assert len(lock.read_bytes()) == len(whole) // 2
        writer.communicate("\n")
    assert lock.read_bytes() == whole
    assert not repaired(tmp_path)


def test_a_folder_without_dvc_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is no DVC project"):
        repair.run(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "stages",
    [
        pytest.param((b"  train@color-neural:",), id="train"),
        pytest.param((b"  data:", b"  compare:"), id="others"),
    ],
)
def test_half_a_lock_is_made_again_without_training(repository: Repository, stages: tuple[bytes, ...]) -> None:
    path = repository.root / "dvc.lock"
    whole = path.read_bytes()
    for stage in stages:
        path.write_bytes(whole[: whole.index(b"size: ", whole.index(stage)) + len(b"size: ")])
        assert "dvc.lock' validation failed" in repository.dvc("repro", fails=True)
        assert repaired(repository.root)
        output = repository.dvc("repro")
        assert path.read_bytes() == whole
        assert not [name for name in ran(output) if name.startswith("train")], output
    with pytest.raises(UserError, match="complete or absent"):
        repair.run(repository.root)


def killed(repository: Repository, *words: str, seconds: float, kills_stage: bool) -> None:
    """Start `dvc WORDS`, and after some seconds kill DVC, or the stage that it runs then."""
    command = [sys.executable, "-m", "dvc", *words]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, cwd=repository.root, env=repository.environment, stdout=quiet, stderr=quiet) as dvc:
        time.sleep(seconds)
        stages = psutil.Process(dvc.pid).children(recursive=True) if dvc.poll() is None else []
        for process in (stages[-1:] if kills_stage else []) or [dvc]:
            process.kill()


def assert_undisturbed(repository: Repository, undisturbed: dict[str, str], runs: list[tuple]) -> None:
    """Run `dvc repro` and compare all that it leaves with what was there before the disturbances."""
    output = repository.dvc("repro")
    assert files(repository.root) == undisturbed, output
    assert repository.live_runs() == runs
    assert {status for _, status, _ in runs} == {"FINISHED"}
    assert not list(repository.root.glob(".partial-*"))
    # A stage that was importing TensorFlow when it lost DVC ends after that.
    _, alive = psutil.wait_procs(living(repository.root), timeout=30)
    assert alive == []


@pytest.mark.parametrize("kills_stage", [pytest.param(False, marks=pytest.mark.slow), True])
def test_a_stage_is_made_again_after_a_kill(repository: Repository, kills_stage: bool) -> None:
    undisturbed, runs = files(repository.root), repository.live_runs()
    words = ("repro", "--force", "--single-item", "train@color-neural")
    killed(repository, *words, seconds=4, kills_stage=kills_stage)
    repaired(repository.root)
    assert_undisturbed(repository, undisturbed, runs)


@pytest.mark.slow
def test_killed_at_random_it_ends_as_if_undisturbed(repository: Repository) -> None:
    undisturbed, runs = files(repository.root), repository.live_runs()
    drawn, broken = random.Random(SEED), 0
    for kill in range(KILLS):
        killed(repository, "repro", "--force", seconds=drawn.uniform(0, SECONDS), kills_stage=kill % 2 == 1)
        # The next one starts at once, whatever the last one left, but for half a dvc.lock, which DVC does not read.
        broken += repaired(repository.root)
    print(f"{KILLS} kills, half a dvc.lock {broken} times")
    assert_undisturbed(repository, undisturbed, runs)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder on a file system of its own, which can be filled."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", str(folder)], check=False)
    if mounted.returncode:
        pytest.skip("only root can mount a small file system, and not everywhere")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def filled_at_random(disk: Path, drawn: random.Random) -> Iterator[None]:
    """Fill the file system of `disk` again and again until the block ends, and free it in between."""
    over = threading.Event()

    def fill() -> None:
        while not over.wait(drawn.uniform(0, SECONDS / 4)):
            with tempfile.TemporaryFile(dir=disk, buffering=0) as file:
                with suppress(OSError):
                    while True:
                        file.write(bytes(2**20))
                file.truncate(max(file.tell() - 4096 * drawn.randrange(20), 0))  # a full disk has a few blocks or none
                over.wait(drawn.uniform(0, SECONDS / 8))

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.slow
def test_a_disk_that_fills_at_random_leaves_nothing_broken(repository: Repository, small_disk: Path) -> None:
    """The folder for temporary files is on it too."""
    root = Path(shutil.copytree(repository.root, small_disk / "project", symlinks=True))
    (small_disk / "tmp").mkdir()
    there = Repository(root)
    there.environment["TMPDIR"] = str(small_disk / "tmp")
    there.dvc("repro")
    undisturbed, runs = files(root), there.live_runs()
    drawn, failed, broken = random.Random(SEED), 0, 0
    for _ in range(FILLS):
        with filled_at_random(small_disk, drawn):
            command = [sys.executable, "-m", "dvc", "repro", "--force"]
            done = subprocess.run(
                command, cwd=root, env=there.environment, check=False, capture_output=True, text=True, timeout=600
            )
        failed += done.returncode != 0
        broken += repaired(root)
        assert "Traceback" not in done.stdout + done.stderr
    print(f"{FILLS} times with a disk that fills: {failed} failed, {broken} left a half file of DVC")
    assert_undisturbed(there, undisturbed, runs)
    assert [path.name for path in (small_disk / "tmp").iterdir() if path.name.startswith("straightline-")] == []


@pytest.mark.slow
def test_two_at_once_end_in_a_clear_line_and_the_same_result(repository: Repository) -> None:
    lock, runs = (repository.root / "dvc.lock").read_bytes(), repository.live_runs()
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--single-item", "train@color-neural"]
    with subprocess.Popen(
        command, cwd=repository.root, env=repository.environment, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout is not None
        assert any("Running stage" in line for line in first.stdout)
        second = subprocess.run(
            command, cwd=repository.root, env=repository.environment, capture_output=True, text=True, check=False
        )
        first.stdout.read()
    assert first.returncode == 0
    assert second.returncode != 0
    assert "lock" in second.stderr
    assert "Traceback" not in second.stderr
    assert (repository.root / "dvc.lock").read_bytes() == lock
    assert repository.live_runs() == runs
    assert "Data and pipelines are up to date" in repository.dvc("repro")


def test_a_truncated_cache_object_is_made_again(repository: Repository) -> None:
    lock = (repository.root / "dvc.lock").read_bytes()
    (path,) = [path for path in (repository.root / ".dvc/cache").rglob("*") if path.is_file() and is_parquet(path)][:1]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:100])
    shutil.rmtree(repository.root / "data")
    output = repository.dvc("repro")
    assert "Traceback" not in output
    assert (repository.root / "dvc.lock").read_bytes() == lock


def is_parquet(path: Path) -> bool:
    return path.read_bytes()[:4] == b"PAR1"
