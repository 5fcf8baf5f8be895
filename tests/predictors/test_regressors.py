"""Time predictors: what holds for all of them, and the particulars of each (Sec. 5.4, 6.1)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import spearmanr

from optuna_popnas import predictors
from optuna_popnas.predictors import NNLSTimePredictor
from optuna_popnas.predictors import RidgeTimePredictor
from optuna_popnas.predictors import XGBoostTimePredictor
from optuna_popnas.predictors.regressors import _slide
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace
from tests.predictors.conftest import seconds_of


def quick_catboost(space: SearchSpace, **options: Any) -> predictors.CatBoostTimePredictor:
    return predictors.CatBoostTimePredictor(
        space, **{"candidates": 2, "max_trees": 300, **options}
    )


REGRESSORS: list[Callable[..., Any]] = [
    predictors.NNLSTimePredictor,
    predictors.RidgeTimePredictor,
    predictors.XGBoostTimePredictor,
    quick_catboost,
]


MAKERS: list[Callable[..., Any]] = [predictors.AdditiveTimePredictor, *REGRESSORS]


@pytest.fixture(params=MAKERS, ids=lambda make: make.__name__)
def make(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return request.param  # type: ignore[no-any-return]


def test_ranks_cells_it_has_not_seen(
    make: Callable[..., Any], space: SearchSpace, cells: list[Cell], seconds: np.ndarray
) -> None:
    predicted = make(space, seed=0).fit(cells[:150], seconds[:150]).predict(cells[150:])
    assert predicted.dtype == np.float64
    assert spearmanr(predicted, seconds[150:])[0] > 0.9


@pytest.mark.parametrize("regressor", REGRESSORS, ids=lambda make: make.__name__)
def test_features_of_the_first_version(
    regressor: Callable[..., Any], space: SearchSpace, cells: list[Cell], seconds: np.ndarray
) -> None:
    model = regressor(space, seed=0, feature_set="popnas-v1").fit(cells[:150], seconds[:150])
    assert spearmanr(model.predict(cells[150:]), seconds[150:])[0] > 0.7
    with pytest.raises(ValueError, match='`feature_set` must be "popnas" or "popnas-v1"'):
        regressor(space, feature_set="v3")


def test_same_seed_same_numbers_and_any_order_of_candidates(
    make: Callable[..., Any], space: SearchSpace, cells: list[Cell], seconds: np.ndarray
) -> None:
    first = make(space, seed=3).fit(cells[:100], seconds[:100]).predict(cells)
    second = make(space, seed=3).fit(cells[:100], seconds[:100])
    np.testing.assert_array_equal(second.predict(cells), first)
    np.testing.assert_array_equal(second.predict(cells[::-1]), first[::-1])
    np.testing.assert_array_equal(second.predict(cells[:7]), first[:7])


def test_equivalent_cells_get_equal_seconds(
    make: Callable[..., Any], space: SearchSpace, cells: list[Cell], seconds: np.ndarray
) -> None:
    a = Cell([(-2, "3x3 conv", -1, "identity"), (-1, "1x1 conv", -1, "1x1 conv")])
    b = Cell([(-1, "1x1 conv", -1, "1x1 conv"), (-1, "identity", -2, "3x3 conv")])
    model = make(space, seed=0).fit(cells, seconds)
    assert model.predict([a])[0] == model.predict([b])[0]


def test_is_never_negative(make: Callable[..., Any], space: SearchSpace) -> None:
    level = list(space.first_level())
    seconds = np.array([seconds_of(cell) for cell in level]) - 2.0
    predicted = make(space, seed=0).fit(level, seconds**3).predict([Cell(), *level])
    assert (predicted >= 0).all()


def test_standard_deviations(
    make: Callable[..., Any], space: SearchSpace, cells: list[Cell], seconds: np.ndarray
) -> None:
    model = make(space, seed=0).fit(cells[:150], seconds[:150])
    mean, std = model.estimate(cells[150:])
    np.testing.assert_array_equal(mean, model.predict(cells[150:]))
    assert std.shape == mean.shape and (std >= 0).all() and std.max() > 0
    noisy = seconds * np.random.default_rng(0).lognormal(0, 0.2, len(seconds))
    assert make(space, seed=0).fit(cells, noisy).estimate(cells)[1].mean() > (std.mean())


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_few_cells_and_equal_seconds(
    make: Callable[..., Any], space: SearchSpace, cells: list[Cell], count: int
) -> None:
    model = make(space, seed=0).fit(cells[:count], [4.0] * count)
    mean, std = model.estimate(cells)
    assert np.isfinite(mean).all() and np.isfinite(std).all()
    np.testing.assert_allclose(model.predict(cells[:count]), 4.0, rtol=0.2)
    assert model.predict([]).shape == (0,)


def test_errors(make: Callable[..., Any], space: SearchSpace, cells: list[Cell]) -> None:
    with pytest.raises(RuntimeError, match="must be fitted before it predicts"):
        make(space).predict(cells)
    with pytest.raises(ValueError, match="`seconds` must be finite and at least 0, but got inf"):
        make(space).fit(cells[:2], [1.0, np.inf])
    with pytest.raises(ValueError, match="Operators must be among those of this space"):
        make(space).fit([Cell([(-1, "9x9 conv", -1, "identity")])], [1.0])
    with pytest.raises(ValueError, match="`total_cells` must be at least 1, but got 0"):
        make(space, total_cells=0)


def test_catboost_searches_the_ranges_of_the_thesis(
    space: SearchSpace,
    cells: list[Cell],
    seconds: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    model = quick_catboost(space, seed=1, candidates=4).fit(cells, seconds)
    best = model.best_parameters
    assert best is not None
    assert 0.02 <= best["learning_rate"] <= 0.2 and 3 <= best["depth"] <= 7
    assert 0.1 <= best["l2_leaf_reg"] <= 5 and best["iterations"] <= 300
    assert 0.3 <= best["random_strength"] <= 3 and 0.3 <= best["bagging_temperature"] <= 3
    assert not list(tmp_path.iterdir())  # CatBoost leaves no files


def test_catboost_does_not_depend_on_jobs(
    space: SearchSpace, cells: list[Cell], seconds: np.ndarray
) -> None:
    one, two = (
        quick_catboost(space, seed=1, candidates=3, jobs=jobs).fit(cells, seconds).predict(cells)
        for jobs in (1, 3)
    )
    np.testing.assert_array_equal(one, two)


def test_sliding_blocks_are_learnt_at_every_place() -> None:
    features = np.array([[1.0, 1, 2, 3, 4, 0, 0, 0, 0], [2.0, 1, 2, 3, 4, 5, 6, 7, 8]])
    rows, seconds = _slide(features, np.array([3.0, 5.0]), 2)
    assert rows.tolist() == [*features.tolist(), [1.0, 0, 0, 0, 0, 1, 2, 3, 4]]
    assert seconds.tolist() == [3.0, 5.0, 3.0]


@pytest.mark.parametrize("kind", [NNLSTimePredictor, RidgeTimePredictor, XGBoostTimePredictor])
@pytest.mark.parametrize("options", [{"sliding": True}, {"indexing": "static"}])
def test_options_of_the_first_version(
    kind: Any, options: dict[str, Any], space: SearchSpace, cells: list[Cell], seconds: np.ndarray
) -> None:
    model = kind(space, seed=0, feature_set="popnas-v1", **options).fit(cells[:150], seconds[:150])
    assert spearmanr(model.predict(cells[150:]), seconds[150:])[0] > 0.5
    with pytest.raises(ValueError, match='`feature_set` must be "popnas-v1" for'):
        kind(space, **options)
