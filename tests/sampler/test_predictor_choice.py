"""Predictors of the modes, and those of users' own."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import optuna
import pytest

from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import AdditiveTimePredictor
from optuna_popnas.predictors import CatBoostTimePredictor
from optuna_popnas.predictors import ExploringAccuracyPredictor
from optuna_popnas.predictors import GaussianProcessAccuracyPredictor
from optuna_popnas.predictors import NNLSTimePredictor
from optuna_popnas.predictors import RidgeTimePredictor
from optuna_popnas.predictors import SizeAwareAccuracyPredictor
from optuna_popnas.sampler.predictor_choice import PredictorChoice
from optuna_popnas.study import view_study
from tests.sampler.conftest import Make
from tests.sampler.toys import CountPredictor
from tests.sampler.toys import made_up
from tests.sampler.toys import objective_of
from tests.sampler.toys import sampler_options
from tests.sampler.toys import Unsound


SPACE = SearchSpace(["identity", "3x3 conv"], max_blocks=3)


def choice(mode: str, accuracy: Any = None, seconds: Any = None) -> PredictorChoice:
    return PredictorChoice(SPACE, mode, accuracy, seconds)


@pytest.mark.parametrize(
    ("mode", "accuracy", "seconds"),
    [
        ("popnas", "LSTMAccuracyPredictor", "CatBoostTimePredictor"),
        ("pnas", "LSTMAccuracyPredictor", "CatBoostTimePredictor"),
        ("popnas-v1", "LSTMAccuracyPredictor", "NNLSTimePredictor"),
        ("adaptive", "ExploringAccuracyPredictor", "SizeAwareTimePredictor"),
    ],
)
def test_each_mode_has_its_own_predictors(mode: str, accuracy: str, seconds: str) -> None:
    chosen = choice(mode)
    assert (chosen.name("accuracy"), chosen.name("seconds")) == (accuracy, seconds)
    assert type(chosen.make_accuracy(seed=0)).__name__ == accuracy
    assert type(chosen.make_seconds(total_cells=3, seed=0)).__name__ == seconds


@pytest.mark.parametrize("spec", [None, CatBoostTimePredictor, partial(NNLSTimePredictor)])
def test_time_predictors_know_how_many_cells_a_network_has(spec: Any) -> None:
    made: Any = choice("popnas", seconds=spec).make_seconds(total_cells=3, seed=0)
    assert made.total_cells == 3


def test_a_given_number_of_cells_stays() -> None:
    spec = partial(AdditiveTimePredictor, total_cells=5)
    made: Any = choice("popnas", seconds=spec).make_seconds(total_cells=3, seed=0)
    assert made.total_cells == 5


@pytest.mark.parametrize("spec", [NNLSTimePredictor, partial(RidgeTimePredictor, sliding=True)])
def test_predictors_of_popnas_v1_get_its_features(spec: Any) -> None:
    made: Any = choice("popnas-v1", seconds=spec).make_seconds(total_cells=3, seed=0)
    assert made.feature_set == "popnas-v1"


@pytest.mark.parametrize(
    ("spec", "knows"),
    [
        (None, True),
        (SizeAwareAccuracyPredictor, True),
        (partial(ExploringAccuracyPredictor, prior=None), True),
        (lambda space, seed: SizeAwareAccuracyPredictor(space, seed=seed), True),
        (SizeAwareAccuracyPredictor(SPACE), True),
        (GaussianProcessAccuracyPredictor, False),
        (partial(CountPredictor), False),
        (lambda space, seed: CountPredictor(space, seed=seed), False),
        (CountPredictor(SPACE), False),
    ],
)
def test_who_knows_size(spec: Any, knows: bool) -> None:
    assert choice("adaptive", accuracy=spec).knows_size() is knows


def test_classes_are_not_made_to_ask_them() -> None:
    """With each plan an accuracy predictor was made for nothing but the question of its kind."""

    class Costly(SizeAwareAccuracyPredictor):
        def __init__(self, *args: Any, **options: Any) -> None:
            raise MemoryError

    assert choice("adaptive", accuracy=Costly).knows_size()


@pytest.mark.parametrize("spec", [3, int, partial(int)])
@pytest.mark.parametrize("argument", ["accuracy_predictor", "time_predictor"])
@pytest.mark.parametrize("mode", ["popnas", "adaptive"])
def test_what_is_no_predictor_is_told_before_the_search(
    mode: str, argument: str, spec: Any
) -> None:
    """Classes that cannot learn were noticed at the first plan, in most modes."""
    with pytest.raises(ValueError, match=f"`{argument}` must have the methods fit and predict"):
        POPNASSampler(SPACE, mode=mode, **{argument: spec})


@pytest.mark.parametrize("mode", ["popnas", "adaptive"])
@pytest.mark.parametrize("name", ["accuracy_predictor", "time_predictor"])
@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (lambda n: np.full(n, np.nan), "got nan for "),
        (lambda n: np.ones(n + 1), r"got an array of shape \("),
        (lambda n: np.ones((n, 1)), r"got an array of shape \("),
        (lambda n: None, r"got an array of shape \(\)"),
        (lambda n: ["a"] * n, "could not convert string"),
    ],
)
def test_predictors_that_return_no_predictions_are_named(
    space: SearchSpace, mode: str, name: str, answer: Any, text: str
) -> None:
    """Indices out of bounds and shapes that do not fit came through, of files deep inside."""
    options = sampler_options() if mode == "popnas" else {}
    sampler = POPNASSampler(
        space, **{**options, "mode": mode, "max_children": 4, name: Unsound(answer)}
    )
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    match = f"`{name}` must return one finite number for each of the .*{text}.* from Unsound"
    with pytest.raises(ValueError, match=match):
        study.optimize(lambda trial: made_up(space, space.suggest(trial)), n_trials=60)


@pytest.mark.parametrize(
    ("name", "predictor"),
    [
        ("accuracy_predictor", GaussianProcessAccuracyPredictor),
        ("time_predictor", AdditiveTimePredictor),
        ("time_predictor", CountPredictor),
    ],
)
def test_other_predictors_in_the_adaptive_mode(
    space: SearchSpace, name: str, predictor: Any
) -> None:
    """They were asked before they had been taught anything: no wave could be planned."""
    sampler = POPNASSampler(space, mode="adaptive", seed=0, **{name: predictor})
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(lambda trial: made_up(space, space.suggest(trial)), n_trials=20)
    assert len(study.trials) == 20


def test_predictor_objects_are_used_as_they_are(make_study: Make, space: SearchSpace) -> None:
    fits = []

    class Counting(CountPredictor):
        def fit(self, cells, values):  # type: ignore
            fits.append(len(cells))
            return super().fit(cells, values)

    study = make_study(accuracy_predictor=Counting(space))
    study.optimize(objective_of(space))
    assert fits == [37, 37 + len(view_study(study).plans[2].cells)]
