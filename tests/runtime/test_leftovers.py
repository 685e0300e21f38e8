"""What killed processes left behind, and what belongs to processes that live, here or in a container."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import psutil
import pytest

from straightline.runtime import leftovers
from straightline.runtime.leftovers import FOLDER, PARTIAL, is_dead, signature, signed, temporary_folder


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that is the system's for temporary files in this test."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return tmp_path / "tmp"


def parts(**changed: str) -> str:
    """Return the signature of this process with some parts changed."""
    names = ("host", "boot", "namespace", "pid", "start")
    return "~".join((dict(zip(names, signature().split("~"), strict=True)) | changed).values())


def test_a_signature_tells_the_living_from_the_dead() -> None:
    assert not is_dead(signature())
    assert is_dead(parts(start=str(int(signature().split("~")[-1]) - 5)))
    assert is_dead(parts(boot="before"))
    assert is_dead(parts(pid="9" * 40))
    for unknown in (
        parts(host="elsewhere", boot="before"),
        parts(namespace="1", pid="9999999"),
        "",
        "a~b~c~d~e",
        "~~~~",
    ):
        assert not is_dead(unknown)


def test_what_dead_processes_left_is_cleared(tmp_path: Path, temp: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        ended = signature(process.pid)
        assert process.stdin is not None
        process.stdin.close()
        process.wait()
    kept, gone = [], []
    for owner, found in ((ended, gone), (signature(), kept), (parts(namespace="1"), kept)):
        found += [tmp_path / f"data/deep/{PARTIAL}{owner}~a.csv", tmp_path / f"{PARTIAL}{owner}~b.yaml"]
        found.append(temp / f"{FOLDER}{owner}~c/rows.parquet")
    kept += [tmp_path / "data/deep/partial.csv", tmp_path / f"other/{PARTIAL}{ended}~x", temp / f"{FOLDER}9999999-x/a"]
    for path in [*kept, *gone]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    leftovers.clear(tmp_path, ["data", "absent"])
    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)
    assert not (temp / f"{FOLDER}{ended}~c").exists()


def test_files_of_others_in_the_folder_for_all_block_nobody(
    tmp_path: Path, temp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have the name of a dead process, and this user cannot remove them."""
    planted = temp / f"{FOLDER}{parts(boot='before')}~x"
    planted.touch()
    with monkeypatch.context() as patched:
        patched.setattr(os, "getuid", lambda: 12345)
        leftovers.clear(tmp_path, [])
        with temporary_folder():
            pass
    assert planted.exists()
    planted.unlink()
    planted.symlink_to(tmp_path)
    leftovers.clear(tmp_path, [])
    assert not planted.is_symlink()
    assert tmp_path.exists()


def test_where_all_may_rename_nothing_is_cleared(temp: Path) -> None:
    """Otherwise another user would give a folder of this user's the name of a leftover."""
    left = temp / f"{FOLDER}{parts(boot='before')}~x"
    left.mkdir()
    for mode, stays in ((0o777, True), (0o1777, False)):
        temp.chmod(mode)
        leftovers.clear(temp, [])
        assert left.exists() == stays


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts the start of a process without the clock")
def test_a_change_of_the_clock_kills_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    own = signature()
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: 0.0)
    assert signature() == own
    assert not is_dead(own)


@pytest.mark.parametrize("prefix", [FOLDER, f".{FOLDER}"])
def test_a_temporary_folder_is_private_and_goes(temp: Path, prefix: str) -> None:
    left = temp / f"{prefix}{parts(boot='before')}~x"
    left.mkdir()
    with temporary_folder(None if prefix == FOLDER else temp) as folder:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert folder.name.startswith(signed(prefix))
        assert not left.exists()
    assert list(temp.iterdir()) == []


def test_a_folder_of_a_live_container_stays(tmp_path: Path) -> None:
    if os.getuid() != 0 or shutil.which("unshare") is None:
        pytest.skip("only root can start a process in another namespace of ids")
    if subprocess.run(["unshare", "--pid", "--fork", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine starts no process in another namespace of ids")
    code = (
        "from straightline.runtime.leftovers import temporary_folder\nwith temporary_folder() as f: print(f); input()"
    )
    command = ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-u", "-c", code]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True
    ) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().strip())
        own_id = folder.name.split("~")[3]
        assert int(own_id) != psutil.Process(process.pid).children()[0].pid  # an id that means another process here
        clearing = (
            "from pathlib import Path; from straightline.runtime import leftovers; leftovers.clear(Path('.'), [])"
        )
        subprocess.run([sys.executable, "-c", clearing], check=True, cwd=tmp_path, env=environment)
        assert folder.is_dir()
        process.communicate("\n")
    assert not folder.exists()
