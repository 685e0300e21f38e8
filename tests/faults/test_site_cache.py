"""Another user of the machine cannot put a pickle where DVC will read it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from configobj import ConfigObj

from straightline.revisions.site_cache import LOCAL, use_private_cache

OTHER_USER = 65534  # nobody
ATTACK = 'for folder; do echo pickle > "$folder/pickle"; done 2>/dev/null'


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder that all users can enter, with a DVC project; the user's cache is in it."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    yield folder
    shutil.rmtree(folder)


def dvc(root: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *words], cwd=root, check=True, capture_output=True)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_another_user_cannot_write_where_dvc_unpickles(open_folder: Path) -> None:
    project = open_folder / "project"
    project.mkdir()
    dvc(project, "init", "--no-scm", "--quiet")
    use_private_cache(project)
    dvc(project, "status")
    place = open_folder / "cache/straightline/dvc"
    written = [path for path in place.rglob("*") if path.is_dir()]
    assert written  # DVC uses it.
    writable = open_folder / "writable"  # The attack works where it can.
    writable.mkdir()
    writable.chmod(0o777)
    words = ["sh", "-c", ATTACK, "attack", *map(str, [place, *written, writable])]
    subprocess.run(words, check=False, user=OTHER_USER, group=OTHER_USER, extra_groups=[], cwd="/")
    assert [path.parent for path in open_folder.rglob("pickle")] == [writable]


def test_a_chosen_folder_and_all_other_settings_stay(open_folder: Path) -> None:
    (open_folder / ".dvc").mkdir()
    local = open_folder / LOCAL
    local.write_text("['remote \"team\"']\n    password = secret\n")
    use_private_cache(open_folder)
    config = ConfigObj(str(local))
    folder = open_folder / "cache/straightline/dvc"
    assert config["core"]["site_cache_dir"] == str(folder)
    assert "password = secret" in local.read_text()
    assert folder.stat().st_mode & 0o777 == 0o700
    local.write_text("[core]\n    site_cache_dir = /mine\n")
    use_private_cache(open_folder)
    assert local.read_text() == "[core]\n    site_cache_dir = /mine\n"
