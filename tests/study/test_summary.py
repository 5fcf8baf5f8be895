from __future__ import annotations

import json

import optuna
import pytest

from optuna_popnas.space import Cell
from optuna_popnas.study import summarize
from optuna_popnas.study import view_study
from optuna_popnas.study.words import cell_words
from optuna_popnas.study.words import duration_words


def test_finished(finished: optuna.Study) -> None:
    summary = summarize(finished)
    assert summary.state == "finished"
    assert summary.sentence.startswith("The search is finished: ")
    assert "2 failed" in summary.sentence
    assert [row.level for row in summary.levels] == [0, 1, 2, 3]
    trials = [trial for trial in view_study(finished).trials if trial.is_valid]
    assert summary.complete == len(trials)
    assert summary.best_accuracy == max(trial.accuracy or 0 for trial in trials)
    assert summary.levels[2].planned == summary.levels[2].front + summary.levels[2].exploration
    assert summary.levels[2].accuracy_quality is not None
    assert summary.seconds_left is None


@pytest.mark.parametrize(
    ("name", "state", "words"),
    [
        ("empty", "empty", "Nothing has been trained"),
        ("interrupted", "stopped", "nobody works on it: level 2 of 3"),
        ("one level", "finished", "finished"),
        ("running", "running", "running"),
        ("tpe", "trials", "not a POPNAS search"),
        ("failed", "trials", "4 failed"),
    ],
)
def test_states(odd_studies: dict[str, optuna.Study], name: str, state: str, words: str) -> None:
    summary = summarize(odd_studies[name])
    assert summary.state == state
    assert words in summary.sentence


def test_json(finished: optuna.Study, odd_studies: dict[str, optuna.Study]) -> None:
    for study in (finished, *odd_studies.values()):
        data = json.loads(json.dumps(summarize(study).to_json(), allow_nan=False))
        assert data["study"] == study.study_name
        assert all(Cell.parse(row["cell"]) is not None for row in data["front"])


def test_time_left_while_running(finished: optuna.Study) -> None:
    from optuna_popnas.study import view_study

    view = view_study(finished)
    trials = [t for t in view.trials if (t.level or 0) <= 1]
    trials[-1] = trials[-1]._replace(state="RUNNING", finished=None)
    plans = tuple(plan for plan in view.plans if plan.level <= 1)
    summary = summarize(view._replace(trials=tuple(trials), plans=plans, done=False))
    assert summary.state == "running"
    assert summary.level == 1
    assert summary.seconds_left is not None and summary.seconds_left > 0
    assert [worker.trial for worker in summary.workers] == [trials[-1].number]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (59.4, "59 s"),
        (60, "1 min 00 s"),
        (3599, "59 min 59 s"),
        (7500, "2 h 05 min"),
        (200_000, "2 days 7 h"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration_words(seconds) == words


def test_cells_in_words() -> None:
    assert cell_words(Cell()) == "empty cell: pooling and a linear layer"
    assert cell_words(Cell([(-1, "3x3 conv", -1, "3x3 conv")])) == "twice 3x3 conv of -1"
    cell = Cell([(-2, "3x3 conv", -1, "identity"), (0, "3x3 conv", -1, "3x3 conv")])
    assert cell_words(cell) == (
        "0: 3x3 conv of -2 + identity of -1; 1: 3x3 conv of block 0 + 3x3 conv of -1"
    )
    assert cell_words(None) == "unknown"
