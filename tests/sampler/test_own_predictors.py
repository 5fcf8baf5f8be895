"""Predictors of users' own, and planning that takes too much."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest

from optuna_popnas import Cell
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import AdditiveTimePredictor
from optuna_popnas.predictors import GaussianProcessAccuracyPredictor
from optuna_popnas.study import view_study
from tests.sampler.toys import CountPredictor
from tests.sampler.toys import made_up
from tests.sampler.toys import sampler_options


class Unsound:
    """A predictor of a user's own that returns what it is given."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def fit(self, cells: Sequence[Cell], values: Any) -> None:
        pass

    def predict(self, cells: Sequence[Cell]) -> Any:
        return self.answer(len(cells))


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


def test_plans_without_memory_end_in_a_sentence(space: SearchSpace) -> None:
    def no_memory(n: int) -> Any:
        raise MemoryError

    options = {**sampler_options(), "accuracy_predictor": Unsound(no_memory)}
    sampler = POPNASSampler(space, max_children=4, **options)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    with pytest.raises(MemoryError, match="Planning level 2 found no memory.*`max_candidates`"):
        study.optimize(lambda trial: made_up(space, space.suggest(trial)))


def test_a_worker_whose_time_is_up_while_it_plans_trains_nothing_more(space: SearchSpace) -> None:
    """Deep levels were planned for minutes past the timeout, and then trained."""

    class Slow(Unsound):
        def fit(self, cells: Sequence[Cell], values: Any) -> None:
            study.stop()

    options = {**sampler_options(), "accuracy_predictor": Slow(np.ones)}
    sampler = POPNASSampler(space, max_children=4, **options)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    study.optimize(lambda trial: made_up(space, space.suggest(trial)))
    assert study.trials[-1].state.name == "PRUNED"
    assert max(trial.params["blocks"] for trial in study.trials[:-1]) == 1
    plans = len(view_study(study).plans)
    options["accuracy_predictor"] = sampler_options()["accuracy_predictor"]
    study.optimize(lambda trial: made_up(space, space.suggest(trial)), n_trials=2)
    assert len(view_study(study).plans) == plans


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
