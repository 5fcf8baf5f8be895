from __future__ import annotations

import optuna
import pytest

from optuna_popnas.predictors import RidgeTimePredictor
from optuna_popnas.search import prediction_quality
from optuna_popnas.study import summarize
from optuna_popnas.study import view_study
from optuna_popnas.study.tables import comparison_tables
from optuna_popnas.study.tables import found
from optuna_popnas.study.tables import judge_time_predictors
from optuna_popnas.study.tables import time_predictor_table


def test_every_study_has_its_row(
    finished: optuna.Study, odd_studies: dict[str, optuna.Study]
) -> None:
    studies = {"finished": finished, **odd_studies}
    read = {name: (view_study(s), summarize(s)) for name, s in studies.items()}
    tables = comparison_tables(read)
    assert [table.title.split(":")[0].split(",")[0] for table in tables] == [
        "Table 6.4", "Table 6.4", "Table 6.2", "Table 6.3", "Table 5.1", "Table 5.2",
    ]  # fmt: skip
    for table in tables:
        assert list(dict.fromkeys(row[0] for row in table.rows)) == list(studies)
        assert all(len(row) == len(table.head) for row in table.rows)
        assert table.to_markdown().count("\n|") == len(table.rows) + 2


def test_top_five_are_five_cells(finished: optuna.Study) -> None:
    view = view_study(finished)
    accuracies = sorted((trial.accuracy for trial in view.complete), reverse=True)
    result = found(view)
    assert result is not None
    assert result.networks == len(accuracies)
    assert result.top1 == accuracies[0]
    assert result.top5 == pytest.approx(sum(accuracies[:5]) / 5)
    again = view._replace(trials=(*view.trials, *[view.front[0]] * 4))  # one cell, five times
    assert found(again).top5 == result.top5


def test_table_5_4_predicts_each_level_from_those_below(finished: optuna.Study) -> None:
    view = view_study(finished)
    judged = judge_time_predictors(view, ("Ridge", "default"))
    assert set(judged) == {"Ridge", "default"}
    below = [trial for trial in view.timed if trial.level < 3]
    level = [trial for trial in view.timed if trial.level == 3]
    model = RidgeTimePredictor(view.space, seed=0, total_cells=8)
    model.fit([trial.cell for trial in below], [trial.seconds for trial in below])
    expected = prediction_quality(
        model.predict([trial.cell for trial in level]), [trial.seconds for trial in level]
    )
    assert judged["Ridge"][3] == expected
    table = time_predictor_table(judged)
    assert table.head == ("predictor", "measure", "b=2", "b=3")
    assert table.rows[1] == ("Ridge", "rho", *(f"{judged['Ridge'][b].rho:.3f}" for b in (2, 3)))
