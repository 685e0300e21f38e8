"""Files that stages and commands write: never half of them, with the permissions that their user wants."""

import os
import stat
from pathlib import Path

import pytest

from straightline.runtime.artifacts import write_text


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_permissions_that_umask_leaves(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_text(tmp_path / "new.csv", "a\n")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.csv").stat().st_mode) == 0o666 & ~umask


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_file_that_exists_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "old.csv"
    path.write_text("old\n")
    path.chmod(mode)
    write_text(path, "new\n")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new\n", mode)


def test_an_error_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_text("old\n")
    with pytest.raises(UnicodeEncodeError):
        write_text(path, "half \udcff")
    assert (path.read_text(), os.listdir(tmp_path)) == ("old\n", ["old.csv"])
