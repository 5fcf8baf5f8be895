"""What is said of a search in small waves: budget, waves, early ends, how sure it was."""

from __future__ import annotations

import optuna
import pytest

from optuna_popnas.cli.progress import describe
from optuna_popnas.study import select
from optuna_popnas.study import StudyView
from optuna_popnas.study import summarize
from optuna_popnas.study import view_study
from optuna_popnas.study.excess import accuracy_noise
from optuna_popnas.study.excess import expected_accuracies
from optuna_popnas.study.findings import findings
from optuna_popnas.study.quality import calibration
from optuna_popnas.visualization.pareto_front import _get_pareto_front_info
from tests.visualization.made_up import run_study


@pytest.fixture(scope="module")
def view() -> StudyView:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = run_study(
        mode="adaptive",
        accuracy_predictor=None,
        time_predictor=None,
        budget_seconds=60.0,
        n_trials=24,
    )
    return view_study(study)


def test_waves_and_budget(view: StudyView) -> None:
    summary = summarize(view)
    assert summary.waves == len([plan for plan in view.plans if plan.cells]) >= 2
    assert summary.budget_seconds == 60.0
    assert "of training (budget 1 min 00 s)" in summary.sentence
    assert "level" not in summary.sentence
    assert sum(row.trained for row in summary.levels) == summary.complete
    assert [row.candidates for row in summary.levels] == [None] * len(summary.levels)
    done, total, before, _ = describe(summary)
    assert (done, before) == (summary.complete, f"wave {summary.waves}")
    assert done <= total == sum(row.planned for row in summary.levels)


def test_time_left_is_what_the_budget_leaves(view: StudyView) -> None:
    trials = list(view.trials)
    trials[-1] = trials[-1]._replace(state="RUNNING", finished=None, accuracy=None)
    running = summarize(view._replace(trials=tuple(trials), done=False))
    spent = sum(trial.seconds for trial in trials if trial.is_valid)
    assert running.state == "running"
    assert running.seconds_left == pytest.approx((60 - spent) * running.time.wall / spent)


def test_expectations_of_the_front(view: StudyView) -> None:
    expected = expected_accuracies(view, view.front)
    assert len(expected) == len(view.front)
    assert all(item is not None and item.deviation >= 0 for item in expected)
    best = max(zip(expected, view.front), key=lambda pair: pair[0].mean)[1]
    assert select(view) == best
    assert _get_pareto_front_info(view).expected == expected
    again = view._replace(confirmed={view.front[0].number: (0.5, 0.52)})
    first = expected_accuracies(again, view.front)[0]
    assert first is not None and first.mean == pytest.approx(0.51)
    assert first.deviation == pytest.approx(0.01)


def test_calibration_counts_errors_within_a_deviation(view: StudyView) -> None:
    view = view._replace(confirmed={view.complete[-1].number: (0.5, 0.51)})
    found = calibration(view)
    assert found is not None
    noise = accuracy_noise(view)
    assert noise is not None and noise > 0
    planned = [item for plan in view.plans for item in plan.cells if item.accuracy_std]
    hits = []
    for item in planned:
        for trial in view.complete:
            if trial.cell.canonical() == item.cell.canonical() and item.role != "repeat":
                deviation = (item.accuracy_std**2 + noise**2) ** 0.5
                hits.append(abs(trial.accuracy - item.accuracy) <= deviation)
    assert (found.cells, found.within) == (len(hits), pytest.approx(sum(hits) / len(hits)))


def test_early_ends_are_told(view: StudyView) -> None:
    last = view.complete[-1]
    parts = {"train_seconds": 0.5, "validation_seconds": 0.1, "setup_seconds": 0.0}
    ended = last._replace(
        state="PRUNED",
        accuracy=None,
        seconds=None,
        user_attrs={"stopped": "hopeless", "learning_curve": [0.1, 0.2], "time_parts": parts},
    )
    trials = [ended if trial.number == last.number else trial for trial in view.trials]
    some = view._replace(trials=tuple(trials))
    assert some.stopped == (ended,)
    assert ended.trained_seconds == 0.5
    summary = summarize(some)
    assert sum(row.stopped for row in summary.levels) == 1
    assert " trained, 1 ended early, in " in summary.sentence  # it seemed to train a fifth
    texts = {finding.title: finding.text for finding in findings(some, summary)}
    assert "1 training was ended early" in texts["Where the time went"]
    assert "within one deviation" in texts["How sure the model was"]
