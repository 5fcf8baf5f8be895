"""The default time predictor: a sum of parts, corrected."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from optuna_popnas.predictors import AdditiveTimePredictor
from optuna_popnas.predictors import TimePredictor
from optuna_popnas.predictors.regression.sum_of_parts import _tune
from optuna_popnas.predictors.regression.sum_of_parts import SumOfParts
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace
from tests.predictors.conftest import seconds_of


def level(cells: list[Cell], blocks: int) -> list[Cell]:
    return [cell for cell in cells if len(cell) == blocks]


def seconds(cells: list[Cell]) -> np.ndarray:
    return np.array([seconds_of(cell) for cell in cells])


def test_is_the_default() -> None:
    assert TimePredictor is AdditiveTimePredictor


def test_learns_the_next_level_from_one_block_and_a_few_probes(
    space: SearchSpace, cells: list[Cell]
) -> None:
    small, large = [Cell(), *level(cells, 1)], level(cells, 2)
    model = AdditiveTimePredictor(space, seed=0).fit(small, seconds(small))
    assert spearmanr(model.predict(large), seconds(large))[0] > 0.9
    known, rest = [*small, *large[:10]], large[10:]
    predicted = model.fit(known, seconds(known)).predict(rest)
    assert np.abs(predicted / seconds(rest) - 1).mean() < 0.03


def test_without_one_block_cells_and_without_the_empty_cell(
    space: SearchSpace, cells: list[Cell]
) -> None:
    large = level(cells, 3)
    model = AdditiveTimePredictor(space, seed=0).fit(large[:60], seconds(large[:60]))
    assert spearmanr(model.predict(large[60:]), seconds(large[60:]))[0] > 0.95


def test_cells_built_less_often_cost_less(space: SearchSpace, cells: list[Cell]) -> None:
    model = AdditiveTimePredictor(space, total_cells=8, seed=0).fit(cells, seconds(cells))
    once, twice = model.predict([Cell([(d, "3x3 dconv", d, "3x3 dconv")]) for d in (-2, -1)])
    assert once < 0.85 * twice


def test_standard_deviations_follow_the_noise(space: SearchSpace, cells: list[Cell]) -> None:
    noisy = seconds(cells) * np.random.default_rng(0).lognormal(0, 0.2, len(cells))
    model = AdditiveTimePredictor(space, seed=0).fit(cells, noisy)
    mean, std = model.estimate(cells)
    assert 0.1 < np.median(std / mean) < 0.4
    mean, std = model.fit(cells, seconds(cells)).estimate(cells)
    assert np.median(std / mean) < 0.05


def test_sum_of_parts_finds_weights_and_noise() -> None:
    rng = np.random.default_rng(0)
    groups = [np.ones((400, 1)), rng.random((400, 5)), rng.random((400, 20))]
    truth = groups[0][:, 0] + groups[1] @ np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    values = truth * (1 + 0.05 * rng.normal(size=400))
    model = SumOfParts().fit([part[:300] for part in groups], values[:300])
    predicted = model.predict([part[300:] for part in groups])
    assert np.abs(predicted / truth[300:] - 1).mean() < 0.02
    assert model.relative_error == pytest.approx(0.05, rel=0.2)


def test_rotated_data_have_the_likelihood_of_all_rows() -> None:
    # The gradient is zero at the optimum of the likelihood written down in full.
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(60, 6))
    targets = rows @ rng.normal(size=6) * 0.3 + 0.1 * rng.normal(size=60)
    variances, noise = _tune(rows, targets, np.array([2]))

    def loss(logs: np.ndarray) -> float:
        first, second, last = np.exp(logs)
        covariance = first * rows[:, :2] @ rows[:, :2].T + second * rows[:, 2:] @ rows[:, 2:].T
        covariance += (last + 1e-8) * np.eye(60)
        prior = np.square((logs - np.log([1, 1, 0.005])) / 2).sum()
        fit = targets @ np.linalg.solve(covariance, targets)
        return float(0.5 * (fit + np.linalg.slogdet(covariance)[1] + prior))

    at = np.log([*variances, noise])
    for i in range(3):
        for step in (-0.05, 0.05):
            assert loss(at + step * np.eye(3)[i]) >= loss(at) - 1e-6
