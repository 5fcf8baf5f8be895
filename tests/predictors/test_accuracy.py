"""The Gaussian process on ranks."""

from __future__ import annotations

import os

import numpy as np
import pytest
from scipy.stats import spearmanr

from optuna_popnas.predictors import GaussianProcessAccuracyPredictor
from optuna_popnas.predictors.regression import threads
from optuna_popnas.predictors.regression.gaussian_process import _tune
from optuna_popnas.predictors.regression.gaussian_process import GaussianProcess
from optuna_popnas.predictors.regression.quantiles import Quantiles
from optuna_popnas.space import Cell
from optuna_popnas.space import register_operator
from optuna_popnas.space import SearchSpace
from optuna_popnas.space import unregister_operator


def test_ranks_cells_it_has_not_seen(
    space: SearchSpace, cells: list[Cell], accuracies: np.ndarray
) -> None:
    model = GaussianProcessAccuracyPredictor(space, seed=0).fit(cells[:100], accuracies[:100])
    mean, std = model.estimate(cells[100:])
    assert spearmanr(mean, accuracies[100:])[0] > 0.97
    assert np.abs(mean - accuracies[100:]).mean() < 0.02
    assert mean.dtype == std.dtype == np.float64 and (std > 0).all()
    np.testing.assert_array_equal(model.predict(cells[100:]), mean)


def test_ranks_the_next_level(
    space: SearchSpace, cells: list[Cell], accuracies: np.ndarray
) -> None:
    sizes = np.array([len(cell) for cell in cells])
    small, large = np.flatnonzero(sizes < 3), np.flatnonzero(sizes == 3)
    model = GaussianProcessAccuracyPredictor(space, seed=0)
    model.fit([cells[i] for i in small], accuracies[small])
    mean, std = model.estimate([cells[i] for i in large])
    assert spearmanr(mean, accuracies[large])[0] > 0.8
    _, known = model.estimate([cells[i] for i in small])
    assert std.mean() > known.mean()  # it knows what it does not know


def test_cells_are_independent_of_each_other_and_of_threads(
    space: SearchSpace,
    cells: list[Cell],
    accuracies: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = GaussianProcessAccuracyPredictor(space, seed=0).fit(cells, accuracies)
    mean = model.predict(cells)
    np.testing.assert_allclose(model.predict(cells[::-1])[::-1], mean, atol=1e-6)
    monkeypatch.setattr(threads, "_ROWS", 7)
    np.testing.assert_allclose(model.predict(cells), mean, atol=1e-6)
    if hasattr(os, "sched_getaffinity"):
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0})
        np.testing.assert_allclose(model.predict(cells), mean, atol=1e-6)
    again = GaussianProcessAccuracyPredictor(space, seed=0).fit(cells, accuracies)
    np.testing.assert_allclose(again.predict(cells), mean, atol=1e-12)


def test_equivalent_cells_get_equal_accuracies(
    space: SearchSpace, cells: list[Cell], accuracies: np.ndarray
) -> None:
    a = Cell([(-2, "3x3 conv", -1, "identity"), (-1, "1x1 conv", -1, "1x1 conv")])
    b = Cell([(-1, "1x1 conv", -1, "1x1 conv"), (-1, "identity", -2, "3x3 conv")])
    model = GaussianProcessAccuracyPredictor(space, seed=0).fit(cells, accuracies)
    assert model.predict([a])[0] == model.predict([b])[0]


@pytest.mark.parametrize("count", [1, 2, 6])
def test_few_cells_equal_values_and_other_units(
    space: SearchSpace, cells: list[Cell], count: int
) -> None:
    model = GaussianProcessAccuracyPredictor(space, seed=0)
    for values in ([0.5] * count, [80.0, 70.0, 75.0, 90.0, 10.0, 60.0][:count], [-1.0] * count):
        mean, std = model.fit(cells[:count], values).estimate(cells)
        assert np.isfinite(mean).all() and np.isfinite(std).all()
        assert min(values) - 100 < mean.min() and mean.max() < max(values) + 100
    assert model.predict([]).shape == (0,)


def test_more_cells_than_it_keeps(
    space: SearchSpace,
    cells: list[Cell],
    accuracies: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in [("_MOST_KEPT", 150), ("_MOST_TUNED", 60), ("_LANDMARKS", 20)]:
        monkeypatch.setattr(f"optuna_popnas.predictors.regression.gaussian_process.{name}", value)
    model = GaussianProcessAccuracyPredictor(space, seed=0).fit(cells, accuracies)
    mean, std = model.estimate(cells)
    assert spearmanr(mean, accuracies)[0] > 0.95 and (std > 0).all()


def test_operators_without_a_known_cost(cells: list[Cell], accuracies: np.ndarray) -> None:
    register_operator("zero", "nowhere:nothing")
    try:
        space = SearchSpace(("zero", "identity"), max_blocks=2)
        level = list(space.first_level())
        values = [cell.operators.count("identity") / 2 for cell in level]
        model = GaussianProcessAccuracyPredictor(space, seed=0).fit(level, values)
        assert spearmanr(model.predict(level), values)[0] > 0.9
    finally:
        unregister_operator("zero")


def test_errors(space: SearchSpace, cells: list[Cell]) -> None:
    with pytest.raises(RuntimeError, match="must be fitted before it predicts"):
        GaussianProcessAccuracyPredictor(space).predict(cells)
    with pytest.raises(ValueError, match="`accuracies` must be finite, but got inf for"):
        GaussianProcessAccuracyPredictor(space).fit(cells[:2], [0.5, np.inf])


def test_predictions_equal_the_textbook() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(60, 5)).astype(np.float32)
    targets = np.sin(features[:, 0]) + 0.1 * features[:, 3] + 0.2 * rng.normal(size=60)
    new = rng.normal(size=(20, 5)).astype(np.float32)
    process = GaussianProcess([slice(0, 2), slice(2, 5)], rng=rng).fit(features, targets)
    mean, std = process.predict(new)
    at = process.hyperparameters

    center, scale = features.mean(axis=0), features.std(axis=0)

    def covariance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        a, b = (a - center) / scale, (b - center) / scale
        square = np.square(a[:, None] - b)
        first, second = square[..., :2].mean(axis=2), square[..., 2:].mean(axis=2)
        total = at.variances[0] * np.exp(-0.5 * at.weights[0] * first)
        total += at.variances[1] * np.exp(-0.5 * at.weights[1] * second)
        joint = at.joint_weights[0] * first + at.joint_weights[1] * second
        return np.asarray(total + at.joint * np.exp(-0.5 * joint))

    values = (targets - targets.mean()) / targets.std()
    known = covariance(features, features) + at.noise * np.eye(60)
    cross = covariance(new, features)
    expected = targets.mean() + targets.std() * cross @ np.linalg.solve(known, values)
    np.testing.assert_allclose(mean, expected, atol=2e-4)
    variance = at.variances.sum() + at.joint - (cross @ np.linalg.inv(known) * cross).sum(axis=1)
    np.testing.assert_allclose(std, targets.std() * np.sqrt(variance), atol=2e-3)


def test_hyperparameters_find_the_group_that_matters() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(150, 4))
    distances = [np.square(features[:, None, i] - features[:, i]) for i in range(4)]
    at = _tune(distances, np.sin(2 * features[:, 2]) * np.sqrt(2))
    effect = at.variances * at.weights + at.joint * at.joint_weights
    assert effect.argmax() == 2 and effect[2] > 5 * np.delete(effect, 2).max()
    assert at.noise < 0.05


def test_quantiles_keep_the_order_everywhere() -> None:
    values = np.array([0.2, 0.5, 0.5, 0.9, 0.4])
    quantiles = Quantiles(values)
    np.testing.assert_allclose(quantiles.ranks, [0.1, 0.6, 0.6, 0.9, 0.3])
    np.testing.assert_allclose(quantiles.values(quantiles.ranks), values)
    curve = quantiles.values(np.linspace(-2, 3, 200))
    assert (np.diff(curve) > 0).all() and curve[0] > 0 and curve[-1] < 1
    percent = Quantiles(100 * values).values(np.linspace(-2, 3, 200))
    assert (np.diff(percent) > 0).all() and percent[-1] > 100
    perfect = Quantiles(np.array([0.0, 1.0])).values(np.linspace(-1, 2, 50))
    assert (np.diff(perfect) > 0).all()
    assert (np.diff(Quantiles(np.full(3, 0.5)).values(np.linspace(0, 1, 9))) > 0).all()
