"""The numbers behind each figure, and that every figure draws every study."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import numpy as np
import optuna
import plotly.graph_objects as go
import pytest

from optuna_popnas import visualization
from optuna_popnas.space import Cell
from optuna_popnas.study import view_study
from optuna_popnas.visualization.comparison import _get_comparison_info
from optuna_popnas.visualization.correlation import _get_correlation_info
from optuna_popnas.visualization.effects import _get_effects_info
from optuna_popnas.visualization.hypervolume import _get_hypervolume_info
from optuna_popnas.visualization.learning_curves import _get_learning_curves_info
from optuna_popnas.visualization.levels import _get_levels_info
from optuna_popnas.visualization.operators import _get_operators_info
from optuna_popnas.visualization.pareto_front import _get_pareto_front_info
from optuna_popnas.visualization.planned import _get_estimates_info
from optuna_popnas.visualization.planned import _get_predicted_front_info
from optuna_popnas.visualization.predictions import _get_predictions_info
from optuna_popnas.visualization.time_model import _get_time_model_info
from optuna_popnas.visualization.usage import _get_usage_info
from optuna_popnas.visualization.workers import _get_workers_info
from tests.visualization.made_up import measure
from tests.visualization.made_up import OPERATORS


FIGURES = [
    (name, arguments)
    for name in visualization.__all__
    if name.startswith("plot_")
    for arguments in ([("accuracy",), ("seconds",)] if name == "plot_predictions" else [()])
]


def draw(name: str, study: optuna.Study, arguments: tuple[Any, ...]) -> go.Figure:
    function = getattr(visualization, name)
    return function([study] if name == "plot_comparison" else study, *arguments)


@pytest.mark.parametrize(("name", "arguments"), FIGURES)
def test_every_figure_draws_every_study(
    name: str, arguments: tuple[Any, ...], finished: optuna.Study, odd_studies: dict[str, Any]
) -> None:
    for study in (finished, *odd_studies.values()):
        figure = draw(name, study, arguments)
        assert figure.layout.title.text
        # A figure, or one sentence that says why there is none.
        assert figure.data or figure.layout.annotations
        figure.to_json()


# The effects of operators are those that the library's models see; others planned this search.
@pytest.mark.parametrize(
    ("name", "arguments"), [figure for figure in FIGURES if figure[0] != "plot_operator_effects"]
)
def test_a_finished_search_has_every_figure(
    name: str, arguments: tuple[Any, ...], finished: optuna.Study
) -> None:
    assert draw(name, finished, arguments).data


def test_figures_suit_light_and_dark_pages(finished: optuna.Study) -> None:
    figure = visualization.plot_pareto_front(finished)
    assert figure.layout.paper_bgcolor == figure.layout.plot_bgcolor == "rgba(0,0,0,0)"


def test_pareto_front(finished: optuna.Study) -> None:
    info = _get_pareto_front_info(finished)
    points = [(t.accuracy, t.seconds) for _, trials in info.levels for t in trials]
    best = {
        (a, s)
        for a, s in points
        if not any(x >= a and y <= s and (x, y) != (a, s) for x, y in points)
    }
    assert {(trial.accuracy, trial.seconds) for trial in info.front} == best
    accuracies = [trial.accuracy for trial in info.front]
    assert accuracies == sorted(accuracies, reverse=True)
    assert [level for level, _ in info.levels] == [0, 1, 2, 3]
    assert info.failed == 2


def test_pareto_front_of_three_objectives(odd_studies: dict[str, optuna.Study]) -> None:
    study = odd_studies["three objectives"]
    front = _get_pareto_front_info(study).front
    assert {trial.number for trial in front} >= {trial.number for trial in study.best_trials}
    known = {trial.values for trial in front}
    assert known == {tuple(trial.values) for trial in study.best_trials}


def test_estimates(finished: optuna.Study) -> None:
    plan = view_study(finished).plans[-1]
    info = _get_estimates_info(finished)
    assert info.part == "Level 3"
    assert info.candidates == plan.report.candidates
    assert len(info.chosen) == len(plan.cells)
    assert 0 < len(info.sample) <= 300
    assert _get_estimates_info(finished, 1).part == ""


def test_predicted_front(finished: optuna.Study) -> None:
    info = _get_predicted_front_info(finished, 2)
    assert info.part == "Level 2"
    for planned, accuracy, seconds in info.cells:
        assert (accuracy, seconds) == measure(planned.cell)
        assert planned.accuracy is not None


def test_predictions(finished: optuna.Study) -> None:
    info = _get_predictions_info(finished, "seconds")
    assert [level for level, _ in info.levels] == [2, 3]
    for level, trials in info.levels:
        pairs = [(t.predicted_seconds, t.seconds) for t in trials]
        error = np.mean([abs(p - m) / m for p, m in pairs if p and m]) * 100
        assert info.quality[level].mape == pytest.approx(error)
    with pytest.raises(ValueError, match="`target` must be 'accuracy' or 'seconds'"):
        _get_predictions_info(finished, "time")


def test_usage(finished: optuna.Study) -> None:
    info = _get_usage_info(finished, 2)
    assert info.operators == OPERATORS
    assert info.inputs == (-2, -1, 0)
    trained = next(group for group in info.groups if group.group == "trained")
    cells = [
        trial.cell
        for trial in view_study(finished).trials
        if trial.is_valid and trial.cell is not None and len(trial.cell) == 2
    ]
    counts = Counter(name for cell in cells for name in cell.operators)
    expected = [counts[name] / (4 * len(cells)) for name in OPERATORS]
    assert trained.operators == pytest.approx(expected)
    assert sum(trained.inputs) == pytest.approx(1)
    assert {group.group for group in info.groups} <= {"front", "exploration", "trained"}


def test_levels(finished: optuna.Study) -> None:
    info = _get_levels_info(finished)
    assert info.levels == (0, 1, 2, 3)
    assert [len(group) for group in info.accuracy][:2] == [1, 36]
    assert [len(group) for group in info.seconds] == [len(group) for group in info.accuracy]


def test_operators(finished: optuna.Study) -> None:
    rows = {row.operator: row for row in _get_operators_info(finished)}
    assert set(rows) == set(OPERATORS)
    empty = measure(Cell())[1]
    above = {name: measure(Cell([(-1, name, -1, name)]))[1] - empty for name in OPERATORS}
    for name, row in rows.items():
        assert row.score == pytest.approx(above[name] / max(above.values()))


def test_hypervolume_of_a_study(finished: optuna.Study) -> None:
    info = _get_hypervolume_info(finished)
    trials = [trial for trial in view_study(finished).trials if trial.is_valid]
    assert len(info.volume) == len(info.hours) == len(trials)
    assert info.hours[-1] == pytest.approx(sum(t.seconds or 0 for t in trials) / 3600)
    assert [level for level, _ in info.level_starts] == [0, 1, 2, 3]


def test_learning_curves(finished: optuna.Study) -> None:
    curves = _get_learning_curves_info(finished)
    lit = [curve.number for curve in curves if curve.highlighted]
    front = [trial.number for trial in view_study(finished).front]
    assert lit == front
    chosen = _get_learning_curves_info(finished, [3])
    assert [curve.number for curve in chosen if curve.highlighted] == [3]
    assert all(len(curve.accuracy) == 5 for curve in curves)


def test_workers(finished: optuna.Study) -> None:
    (worker,) = _get_workers_info(finished)
    kinds = Counter(span.kind for span in worker.spans)
    assert kinds["failed"] == 2
    assert kinds["training"] == len(view_study(finished).complete)
    assert 0 <= worker.busy <= 1
    assert all(span.minutes >= 0 for span in worker.spans)


def test_waiting_is_apart_from_training(finished: optuna.Study) -> None:
    view = view_study(finished)
    trial = next(trial for trial in view.complete if trial.started and trial.number > 0)
    assert trial.started is not None
    waited = trial._replace(
        number=0, waited_seconds=60.0, finished=trial.started + timedelta(seconds=90)
    )
    view = view._replace(trials=(waited,))
    (worker,) = _get_workers_info(view)
    assert [(span.kind, span.minutes) for span in worker.spans] == [
        ("waiting", pytest.approx(1.0)),
        ("training", pytest.approx(0.5)),
    ]
    assert worker.busy == pytest.approx(1 / 3)


def test_comparison(finished: optuna.Study, odd_studies: dict[str, optuna.Study]) -> None:
    info = _get_comparison_info({"a": finished, "b": odd_studies["tpe"]})
    assert [study.name for study in info] == ["a", "b"]
    accuracies = sorted((t.values[0] for t in finished.trials if t.values), reverse=True)
    assert info[0].top1 == accuracies[0]
    assert info[0].top5 == pytest.approx(np.mean(accuracies[:5]))
    assert info[0].best[-1] == (pytest.approx(info[0].hours), accuracies[0])
    assert list(info[0].front) == sorted(info[0].front)


def test_time_model(finished: optuna.Study) -> None:
    info = _get_time_model_info(finished)
    assert len(info.features) == info.importance.shape[0] == info.shap.shape[1] == 9
    assert info.importance.sum() == pytest.approx(100)
    # SHAP values say where each prediction differs from the mean: they follow the OP score.
    score = info.features.index("OP score")
    assert np.corrcoef(info.values[:, score], info.shap[:, score])[0, 1] > 0.5


def test_views_are_read_once(finished: optuna.Study) -> None:
    view = view_study(finished)
    assert view_study(view) is view
    expected = visualization.plot_levels(finished).to_json()
    assert visualization.plot_levels(view).to_json() == expected


def test_effects_are_those_of_the_models_that_planned(finished: optuna.Study) -> None:
    view = view_study(finished)
    assert _get_effects_info(view) == ()  # made-up models: not known by their names
    settings = {
        **view.settings,
        "accuracy_predictor": "GaussianProcessAccuracyPredictor",
        "time_predictor": "AdditiveTimePredictor",
    }
    found = {part.target: part for part in _get_effects_info(view._replace(settings=settings))}
    assert found["accuracy"].model == "GaussianProcessAccuracyPredictor"
    assert found["seconds"].model == "AdditiveTimePredictor"
    for part in found.values():
        effects = dict(zip(part.operators, part.effects))
        assert abs(part.effects.mean()) < 1e-6
        assert max(effects, key=effects.get) == "3x3 conv"  # the one with the most work
    none = {**settings, "accuracy_predictor": "LSTMAccuracyPredictor(epochs=3)", "mode": "pnas"}
    assert _get_effects_info(view._replace(settings=none)) == ()


def test_correlations(finished: optuna.Study) -> None:
    info = _get_correlation_info(finished)
    assert info.names[-1] == "seconds" and "cells" in info.names
    assert np.allclose(info.matrix, info.matrix.T) and np.allclose(np.diag(info.matrix), 1)
    assert info.matrix[info.names.index("OP score"), -1] > 0.8


def test_known_networks_stand_beside_the_front(finished: optuna.Study) -> None:
    known = {"ResNet": (0.9, 2.5), "slow": (0.3, 5.0), "quick": (0.99, 0.01)}
    figure = visualization.plot_pareto_front(finished, references=known)
    trace = next(trace for trace in figure.data if trace.name == "known networks")
    assert list(trace.text) == list(known)
    assert list(zip(trace.y, trace.x)) == list(known.values())
    # A name lay on the line of the front.
    assert trace.textposition[1:] == ("bottom center", "top left")
