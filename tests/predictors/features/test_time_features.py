"""The time features of POPNASv2 (Sec. 5.3.3) and POPNASv1 (Sec. 5.3.1)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks import plain
from optuna_popnas.predictors import time_features
from optuna_popnas.predictors import v1_features
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


CELL = Cell(
    [
        (-2, "3x3 conv", -1, "2x2 maxpool"),
        (-1, "2x2 maxpool", -1, "1x7-7x1 conv"),
        (0, "3x3 conv", -1, "1x7-7x1 conv"),
    ]
)
SCORES = {"3x3 conv": 0.6, "2x2 maxpool": 0.1, "1x7-7x1 conv": 1.0}


def test_table_5_3() -> None:
    expected = [[3, 8, 3.4, 2, 1, 2, 1, 1.3 / 3.4, 2.8 / 3.4]]
    np.testing.assert_allclose(time_features([CELL], SCORES), expected, rtol=1e-12)
    np.testing.assert_allclose(time_features([CELL.canonical()], SCORES), expected, rtol=1e-12)


def test_the_empty_cell() -> None:
    assert time_features([Cell()], SCORES).tolist() == [[0, 0, 0, 0, 0, 0, 0, 1, 1]]
    assert time_features([], SCORES).shape == (0, 9)


def test_cells_without_lookback_1_are_built_less_often() -> None:
    cells = [
        Cell([(-2, "3x3 conv", -2, "3x3 conv")]),
        Cell([(-3, "3x3 conv", -2, "3x3 conv")]),
        Cell([(-3, "3x3 conv", -3, "3x3 conv")]),
    ]
    assert time_features(cells, SCORES, total_cells=8)[:, 1].tolist() == [4, 4, 3]
    assert time_features(cells, SCORES, total_cells=5)[:, 1].tolist() == [3, 3, 2]
    assert time_features(cells, SCORES)[:, 4].tolist() == [0, 1, 0]


def test_operators_that_cost_nothing() -> None:
    features = time_features([CELL], dict.fromkeys(SCORES, 0.0))
    assert features[0, 2] == 0 and features[0, 7] == 1 and features[0, 8] == 1


@pytest.mark.parametrize("lookbacks", [1, 2, 4])
def test_equals_the_cell_by_cell_definition(
    random_cells: Callable[..., CellBatch], lookbacks: int
) -> None:
    space = SearchSpace(tuple(SCORES), max_blocks=7, lookbacks=lookbacks)
    batch = random_cells(space, 2000, seed=lookbacks)
    for scores in (SCORES, {**SCORES, "3x3 conv": 0.0}):
        expected = [plain.time_features(cell, scores, 11) for cell in batch]
        np.testing.assert_allclose(time_features(batch, scores, 11), expected, atol=1e-12)
        np.testing.assert_allclose(time_features(list(batch), scores, 11), expected, atol=1e-12)


def test_equivalent_cells_have_equal_features(random_cells: Callable[..., CellBatch]) -> None:
    batch = random_cells(SearchSpace(tuple(SCORES)), 500, seed=0)
    features = time_features(batch, SCORES)
    np.testing.assert_allclose(time_features(batch.canonical(), SCORES), features, atol=1e-12)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="`scores` must hold every operator .* '3x3 conv'"):
        time_features([CELL], {"2x2 maxpool": 1.0, "1x7-7x1 conv": 1.0})
    with pytest.raises(ValueError, match="`total_cells` must be at least 1, but got 0"):
        time_features([CELL], SCORES, total_cells=0)


def test_first_version() -> None:
    space = SearchSpace(tuple(SCORES), max_blocks=4, lookbacks=2)
    features = v1_features(space, [CELL, Cell()], SCORES)
    assert features.tolist() == [
        [3, 1, 0.6, 2, 0.1, 2, 0.1, 2, 1.0, 3, 0.6, 2, 1.0, 0, 0, 0, 0],
        [0] * 17,
    ]
