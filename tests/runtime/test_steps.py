"""Lines about steps that take long."""

import threading

import pytest

from straightline.errors import UserError
from straightline.runtime import steps, terminal


def started(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Set the clock to the time `seconds`."""
    monkeypatch.setattr(steps, "monotonic", lambda: seconds)


@pytest.fixture(autouse=True)
def _without_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "PULSE", 1e6)


def test_a_line_names_the_steps_and_how_far_the_innermost_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, 0)
    with steps.step("train color/neural") as reached:
        reached("not shown while a part of it is a step")
        with steps.step("folds") as reached_inside:
            started(monkeypatch, 7)
            assert steps.line(99) == "train color/neural: folds (7 s so far)"
            reached_inside("3 of 10")
            assert steps.line(99) == "train color/neural: folds: 3 of 10 (7 s so far)"
        reached("saving")
        assert steps.line(99) == "train color/neural: saving (7 s so far)"
        with steps.step("epochs, with a bar", is_shown=False):
            assert steps.line(99) is None


def test_lines_about_a_step_become_rarer(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, 0)
    told = [0.0]
    with steps.step("train"):
        for tenth in range(1, 1001):
            started(monkeypatch, tenth / 10)
            if steps.line(tenth / 10 - told[-1]):
                told.append(tenth / 10)
    assert told == [0, 1.5, 3.0, 6.0, 12.0, *range(22, 101, 10)]


def test_the_next_of_many_short_steps_is_told_after_a_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    started(monkeypatch, 100)
    with steps.step("evaluate"):
        started(monkeypatch, 200)
        with steps.step("third"):
            assert steps.line(1.4) is None
            started(monkeypatch, 200.4)
            assert steps.line(1.5) == "evaluate: third"
        assert steps.line(1.4) is None
        assert steps.line(1.5) == "evaluate (100 s so far)"


def test_a_silent_process_prints_its_step_and_a_failed_step_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    printed = threading.Event()
    monkeypatch.setattr(steps, "PULSE", 1e-3)
    monkeypatch.setattr(steps, "FIRST", 0.0)
    monkeypatch.setattr(terminal, "say", lambda text: printed.set())

    def fail() -> None:
        with steps.step("train"), steps.step("folds"):
            printed.wait()
            raise UserError("no")

    with pytest.raises(UserError):
        fail()
    printed.clear()
    with steps.step("report"):
        printed.wait()
        assert str(steps.line(99)).startswith("report")
    assert not steps._running
