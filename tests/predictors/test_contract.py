"""What all predictors have in common, and what a user's own needs."""

from __future__ import annotations

import re

import numpy as np
import pytest

from optuna_popnas import predictors
from optuna_popnas.predictors import Prediction
from optuna_popnas.predictors.base import estimate
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


MODELS = [name for name in predictors.__all__ if re.fullmatch(r"\w+Predictor", name)]
QUICK = {
    "CatBoostTimePredictor": {"candidates": 1, "max_trees": 20},
    "LSTMAccuracyPredictor": {"epochs": 1},
}


@pytest.mark.parametrize("name", MODELS)
def test_predict_is_an_array_and_estimate_has_the_deviations(
    name: str, space: SearchSpace, cells: list[Cell], seconds: np.ndarray
) -> None:
    kind = getattr(predictors, name)
    model = kind(space, seed=0, **QUICK.get(name, {}))
    assert isinstance(model, predictors.Predictor)
    with pytest.raises(RuntimeError, match="must be fitted before it predicts"):
        model.predict(cells[:1])
    assert model.fit(cells[:60], seconds[:60] / 20) is model
    found = model.estimate(cells[60:90])
    assert isinstance(found, Prediction)
    assert isinstance(model.predict(cells[60:90]), np.ndarray)
    np.testing.assert_array_equal(found.mean, model.predict(cells[60:90]))
    assert found.std is not None and found.mean.shape == found.std.shape == (30,)
    assert model.predict([]).shape == model.estimate([]).std.shape == (0,)


def test_a_predictor_of_a_users_own_needs_fit_and_predict(cells: list[Cell]) -> None:
    class Sizes:
        def fit(self, cells, values):
            return self

        def predict(self, cells):
            return [len(cell) for cell in cells]

    mean, std = estimate(Sizes().fit([], []), cells)
    assert mean.tolist() == [len(cell) for cell in cells] and mean.dtype == np.float64
    assert std is None
