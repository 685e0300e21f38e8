"""A later run replaces what an earlier one wrote, and never a file of the user's."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from straightline.errors import UserError
from straightline.outputs import folder as outputs_folder
from straightline.outputs.folder import MANIFEST, UNFINISHED, output_folder
from straightline.runtime.leftovers import signed

NAMES = st.sampled_from(["a", "b", "c/d", "c/e", "c/f/g", "h/i"])


def contents(folder: Path) -> dict[str, str]:
    """Return the texts of all files below a folder, but for manifests."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def write(folder: Path, names: set[str], text: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def run(out: Path, names: set[str], text: str) -> None:
    with output_folder(out) as work:
        write(work, names, text)


@given(first=st.sets(NAMES), second=st.sets(NAMES), foreign=st.sets(NAMES))
def test_only_what_a_run_wrote_is_replaced(
    first: set[str], second: set[str], foreign: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    here = tmp_path_factory.mktemp("out")
    out = here / "result"
    run(out, first, "first")
    write(out, foreign - first, "mine")
    run(out, second, "second")
    found = contents(out)
    assert {name for name, text in found.items() if text == "second"} == second
    assert "first" not in found.values()
    kept = [text for folder in here.glob("result-kept-*") for text in contents(folder).values()]
    assert [*kept, *found.values()].count("mine") == len(foreign - first)
    assert not list(here.glob(f"{UNFINISHED}*"))


def test_a_folder_that_somebody_made_meanwhile_keeps_its_files(tmp_path: Path) -> None:
    out = tmp_path / "result"
    with output_folder(out) as work:
        write(work, {"a"}, "new")
        write(out, {"notes", "c/d"}, "mine")
    assert contents(out) == {"a": "new", "notes": "mine", "c/d": "mine"}


def test_a_failed_run_leaves_the_earlier_result(tmp_path: Path) -> None:
    out = tmp_path / "result"
    run(out, {"a"}, "first")
    with pytest.raises(IsADirectoryError), output_folder(out) as work:
        work.write_text("second")
    assert contents(out) == {"a": "first"}
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


ENDED = """
import os, sys
from pathlib import Path
from straightline.runtime.leftovers import signed
from straightline.outputs.folder import output_folder

renames, rename, (out, step, kill) = [], Path.rename, sys.argv[1:]

def ending(path, place):
    if len(renames) == int(step):
        renames.append(path)
        if kill == "True":
            os._exit(9)
        raise KeyboardInterrupt
    renames.append(path)
    return rename(path, place)

with output_folder(Path(out)) as work:
    (work / "a").write_text("second")
    Path.rename = ending
"""


@pytest.mark.parametrize("step", [0, 1, 2, 3])
@pytest.mark.parametrize("killed", [False, True])
def test_an_end_at_any_step_loses_nothing(tmp_path: Path, step: int, killed: bool) -> None:
    """The steps move the old result aside, the new one in, and two files of the user's back."""
    out = tmp_path / "result"
    run(out, {"a"}, "first")
    write(out, {"mine", "c/mine"}, "mine")
    command = [sys.executable, "-c", ENDED, str(out), str(step), str(killed)]
    ended = subprocess.run(command, check=False, capture_output=True).returncode
    assert ended == (9 if killed else -signal.SIGINT)
    if killed:
        assert len(list(tmp_path.glob(f"{UNFINISHED}*"))) == 1
        run(tmp_path / "other", {"b"}, "other")
    found = contents(out)
    assert found.pop("a") == ("second" if step >= 2 else "first")
    assert found == {"mine": "mine", "c/mine": "mine"}
    assert not list(tmp_path.glob(f"{UNFINISHED}*"))


def test_what_another_user_left_is_not_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise a user could move files into the folder of another."""
    ended = signed(UNFINISHED).rpartition("~")[0].rpartition("~")[0] + "~5~"  # a process that began in 1970
    work = tmp_path / f"{ended}other"
    write(work, {"old/result/planted"}, "planted")
    with monkeypatch.context() as patched:
        patched.setattr(os, "getuid", lambda: 12345)
        run(tmp_path / "result", {"a"}, "mine")
    assert contents(work)["old/result/planted"] == "planted"
    run(tmp_path / "result", {"a"}, "mine")
    assert not work.exists()


def test_a_run_that_is_alive_is_left_alone(tmp_path: Path) -> None:
    with output_folder(tmp_path / "one") as work:
        run(tmp_path / "two", {"a"}, "two")
        write(work, {"b"}, "one")
    assert contents(tmp_path) == {"one/b": "one", "two/a": "two"}


def test_what_cannot_be_replaced_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = tmp_path / "inside"
    write(tmp_path, {"full/a", "inside/a", "file"}, "mine")
    (tmp_path / "link").symlink_to("inside")
    (tmp_path / "closed").mkdir()
    monkeypatch.chdir(inside)
    before = contents(tmp_path)
    monkeypatch.setattr(os.path, "ismount", lambda path: Path(path).name == "mounted")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "closed")  # Tests may run as root.
    for out, obstacle in {
        ".": "is the current folder, or contains it",
        "..": "is the current folder, or contains it",
        str(inside): "is the current folder, or contains it",
        "../link": "is a symbolic link",
        "../mounted": "is a mount point",
        "../full": "exists and is not an output of `straightline run`",
        "../file": "exists and is not an output of `straightline run`",
        "x" * 300: "its name has 300 bytes; expected at most 255",
        f"{'x' * 300}/out": "file name too long",
        "../closed": "is not writable",
        "../closed/deep/out": "closed is not writable",
    }.items():
        with (
            pytest.raises(UserError, match=f"{obstacle}.*; choose another folder with --out"),
            output_folder(Path(out)),
        ):
            raise AssertionError("it was not refused")
    assert contents(tmp_path) == before


def test_what_cannot_be_carried_over_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As if a folder of the user's allowed no change."""
    out = tmp_path / "result"
    run(out, {"a"}, "first")
    write(out, {"mine/thesis"}, "precious")

    def refused(path: Path, place: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(outputs_folder, "_moved", refused)
    with pytest.raises(PermissionError):
        run(out, {"a"}, "second")
    kept = [path for path in tmp_path.rglob("thesis") if path.read_text() == "precious"]
    assert len(kept) == 1
    assert f"what was in {out} before is kept in {kept[0].parents[2]}" in capsys.readouterr().err


def test_a_folder_that_cannot_be_moved_from_is_refused_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "result"
    run(out, {"a"}, "first")
    write(out, {"b/mine/thesis"}, "precious")
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "mine" and allowed(path, mode))
    with pytest.raises(UserError, match="has a folder that is not readable and writable"):
        run(out, {"a"}, "second")
    assert contents(out)["b/mine/thesis"] == "precious"


def test_a_damaged_manifest_loses_nothing(tmp_path: Path) -> None:
    out = tmp_path / "result"
    run(out, {"a"}, "first")
    write(out, {"mine"}, "mine")
    with (out / MANIFEST).open("ab") as file:
        file.write(b"\xff\n")
    run(out, {"a"}, "second")
    assert {name: text for name, text in contents(out).items() if name != MANIFEST} == {"a": "second", "mine": "mine"}


def test_a_long_name_leaves_room_for_the_kept_files(tmp_path: Path) -> None:
    out = tmp_path / ("名" * 70)
    run(out, {"a"}, "first")
    write(out, {"b"}, "mine")
    run(out, {"a", "b"}, "second")
    kept = [path for path in tmp_path.rglob("b") if path.read_text() == "mine"]
    assert len(kept) == 1
    assert "-kept-" in kept[0].parent.name
