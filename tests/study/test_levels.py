from __future__ import annotations

import optuna
import pytest

from optuna_popnas.study import summarize
from optuna_popnas.study import view_study
from optuna_popnas.study.findings import exploration_words
from optuna_popnas.study.search_time import search_time
from tests.visualization.made_up import run_study


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return run_study(max_blocks=4, max_children=6, max_exploration_children=6, beam="accuracy")


def test_table_5_2_by_expanding_every_exploration_cell(study: optuna.Study) -> None:
    view = view_study(study)
    rows = {row.level: row for row in summarize(view).levels}
    assert any(row.descendants for row in rows.values())
    for level, row in rows.items():
        explored = [
            planned.cell
            for plan in view.plans
            if plan.level == level - 1
            for planned in plan.cells
            if planned.role == "exploration"
        ]
        if not explored:
            assert row.descendants is None
            continue
        grown = {
            child.canonical() for cell in explored for child in list(view.space.expand([cell]))
        }
        trained = {trial.cell.canonical() for trial in view.complete if trial.level == level}
        assert row.descendants == len(grown & trained)


def test_table_5_1_sums_what_every_plan_counted(study: optuna.Study) -> None:
    view = view_study(study)
    for row in summarize(view).levels:
        reports = [plan.report for plan in view.plans if plan.level == row.level]
        if row.level >= 2:
            assert row.encodings == row.merged + row.candidates + sum(r.known for r in reports)
            assert row.equivalents == sum(report.equivalents for report in reports)


def test_exploration_in_words(study: optuna.Study) -> None:
    levels = summarize(study).levels
    text = exploration_words(levels)
    row = next(row for row in levels if row.descendants is not None)
    assert f"of level {row.level}'s {row.trained} cells" in text
    none = exploration_words([row._replace(level=3, trained=14, descendants=0)])
    assert none == (
        "None of level 3's 14 cells descends from an exploration cell of the level before."
    )
    assert exploration_words([row._replace(descendants=None)]) == ""


def test_times_are_those_of_the_trials(study: optuna.Study) -> None:
    view = view_study(study)
    time = search_time(view)
    assert time.training == pytest.approx(sum(trial.seconds for trial in view.complete))
    assert min(time) >= 0
    length = sum((trial.finished - trial.started).total_seconds() for trial in view.trials)
    assert time.wall == pytest.approx(length, rel=0.01)  # one worker: trials one by one
    assert time.planning == pytest.approx(sum(plan.report.seconds or 0 for plan in view.plans))


def test_pauses_of_a_search_are_no_search_time(study: optuna.Study) -> None:
    from datetime import timedelta

    view = view_study(study)
    half = len(view.trials) // 2
    later = [
        trial._replace(
            started=trial.started + timedelta(days=2), finished=trial.finished + timedelta(days=2)
        )
        for trial in view.trials[half:]
    ]
    paused = view._replace(trials=(*view.trials[:half], *later))
    assert search_time(paused).wall == pytest.approx(search_time(view).wall, abs=0.1)
