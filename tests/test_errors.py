"""Any error is one line: what to do about it, or where a report of it was written."""

import errno
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from straightline import __main__ as command_line
from straightline.errors import UserError


def raised(error: Exception) -> Callable[[], None]:
    def app() -> None:
        raise error

    return app


def ended(error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Return the exit status and stderr of a command line that raises an error."""
    monkeypatch.setattr(command_line, "app", raised(error))
    monkeypatch.setattr(command_line, "interrupt_on_termination", lambda: None)
    monkeypatch.setattr(command_line, "_exit", sys.exit)
    with pytest.raises(SystemExit) as end:
        command_line.main()
    return int(str(end.value.code)), capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (UserError("a.csv: has\nno rows"), "straightline: a.csv: has no rows\n"),
        (
            IsADirectoryError(errno.EISDIR, "Is a directory", "out"),
            "straightline: out: is a directory; name a file instead, then run it again\n",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device"),
            "straightline: no space left on device; free some space, then run it again\n",
        ),
    ],
)
def test_what_a_user_can_fix_is_one_line(
    error: Exception, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(error, monkeypatch, capsys) == (2, line)


@pytest.mark.parametrize("error", [KeyError("x\ny"), OSError(errno.EBADF, "Bad file descriptor"), MemoryError()])
def test_a_defect_is_one_line_and_a_report_that_only_its_user_can_read(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    status, line = ended(error, monkeypatch, capsys)
    assert status == 1
    assert line.count("\n") == 1
    found = re.fullmatch(rf"straightline: {type(error).__name__}.*please report it together with (.*)\n", line)
    assert found is not None
    report = Path(found[1])
    assert report.parent == tmp_path
    assert report.stat().st_mode & 0o777 == 0o600
    assert f"in app\n    raise error\n{type(error).__name__}" in report.read_text()


def test_a_defect_is_one_line_where_no_report_can_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    status, line = ended(KeyError("x"), monkeypatch, capsys)
    assert (status, line.count("\n")) == (1, 1)
    assert "no file could be written about it" in line
