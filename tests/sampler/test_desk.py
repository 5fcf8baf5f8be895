"""Workers that wait for a cell: how long, why, and what ends it."""

from __future__ import annotations

import logging
import threading
import time

import optuna
import pytest

from optuna_popnas import Cell
from optuna_popnas import optimize_steadily
from optuna_popnas import SearchSpace
from optuna_popnas.study import view_study
from tests.sampler.conftest import Make
from tests.sampler.toys import made_up
from tests.sampler.toys import objective_of


@pytest.fixture
def blocked(make_study: Make, space: SearchSpace) -> optuna.Study:
    """A study where a whole level is held by another thread that never ends."""
    study = make_study()
    batch = [study.ask() for _ in range(37)]
    other = threading.Thread(target=lambda: [space.suggest(trial) for trial in batch])
    other.start()
    other.join()
    return study


def test_stop_while_waiting(blocked: optuna.Study, space: SearchSpace) -> None:
    threading.Timer(0.3, lambda: setattr(blocked, "_stop_flag", True)).start()
    blocked.optimize(objective_of(space))
    last = view_study(blocked).trials[-1]
    assert (last.state, last.reason) == (
        "PRUNED",
        "The worker was stopped while it waited for a cell.",
    )


def test_timeout_while_waiting(blocked: optuna.Study, space: SearchSpace) -> None:
    started = time.monotonic()
    optimize_steadily(blocked, objective_of(space), timeout=0.5)
    assert 0.4 < time.monotonic() - started < 5
    assert "was stopped while it waited" in (view_study(blocked).trials[-1].reason or "")


def test_keyboard_interrupt_while_waiting(
    blocked: optuna.Study, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps = []

    def interrupt(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("optuna_popnas.sampler.patience.time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        optimize_steadily(blocked, objective_of(space))
    assert view_study(blocked).trials[-1].reason == "interrupted by the keyboard"


def test_a_wait_is_told_once_and_recorded(
    make_study: Make, space: SearchSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    lines: list[str] = []
    handler = _Collect(lines)
    optuna.logging._get_library_root_logger().addHandler(handler)
    study = make_study()
    slow = Cell()

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        if cell == slow:
            time.sleep(1.5)
        return made_up(space, cell)

    study.optimize(objective, n_jobs=2)
    optuna.logging._get_library_root_logger().removeHandler(handler)
    waits = [line for line in lines if "waits:" in line]
    assert len(waits) == 1
    assert "level 1 is complete but for 1 cells" in waits[0]
    waited = [trial.waited_seconds for trial in view_study(study).trials]
    assert 0.5 < max(waited) < 5
    assert sum(seconds > 0 for seconds in waited) == 1


class _Collect(logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record) -> None:  # type: ignore
        self._lines.append(record.getMessage())
