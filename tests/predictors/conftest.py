"""Cells with made-up metrics that the tests of all predictors learn from."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


OPERATORS = ("identity", "3x3 dconv", "1x1 conv", "3x3 conv", "2x2 maxpool")


@pytest.fixture
def space() -> SearchSpace:
    return SearchSpace(OPERATORS, max_blocks=4, lookbacks=2)


@pytest.fixture
def cells(space: SearchSpace) -> list[Cell]:
    """The empty cell, all one-block cells, and 80 of each further size, in a random order."""
    rng = np.random.default_rng(7)
    level = space.first_level()
    cells = [Cell(), *level]
    while level.lengths[0] < space.max_blocks:
        level = space.expand(level.take(rng.choice(len(level), 20, replace=False)))
        cells += level.take(rng.choice(len(level), 80, replace=False))
    return [cells[i] for i in rng.permutation(len(cells))]


def seconds_of(cell: Cell) -> float:
    cost = dict(zip(OPERATORS, (0.1, 1.5, 0.6, 1.0, 0.3)))
    if not len(cell):
        return 2.0
    concat = len(cell.outputs) if len(cell.outputs) > 1 else 0
    built = 1.0 if -1 in cell.lookbacks else 0.5
    return 2.0 + built * (sum(cost[name] for name in cell.operators) + 0.4 * concat)


def accuracy_of(cell: Cell) -> float:
    worth = dict(zip(OPERATORS, (0.1, 0.5, 0.2, 0.6, 0.15)))
    total = sum(worth[name] for name in cell.operators)
    deep = sum(value >= 0 for value in cell.inputs)
    return float(0.1 + 0.8 * np.tanh(0.5 * total + 0.1 * deep))


@pytest.fixture
def seconds(cells: list[Cell]) -> np.ndarray:
    return np.array([seconds_of(cell) for cell in cells])


@pytest.fixture
def accuracies(cells: list[Cell]) -> np.ndarray:
    return np.array([accuracy_of(cell) for cell in cells])


@pytest.fixture
def random_cells() -> Callable[..., CellBatch]:
    """A function that draws valid encodings, not canonical ones, of mixed lengths."""

    def draw(space: SearchSpace, count: int, *, seed: int) -> CellBatch:
        rng = np.random.default_rng(seed)
        encoding = np.zeros((count, space.max_blocks, 4), dtype=np.int8)
        lengths = rng.integers(0, space.max_blocks + 1, count)
        for i in range(space.max_blocks):
            encoding[:, i, 0::2] = rng.integers(-space.lookbacks, i, (count, 2))
            encoding[:, i, 1::2] = rng.integers(0, len(space.operators), (count, 2))
        encoding[np.arange(space.max_blocks) >= lengths[:, None]] = 0
        return CellBatch(space, encoding, lengths)

    return draw
