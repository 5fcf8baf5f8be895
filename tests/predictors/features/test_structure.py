"""Structural features, against their definitions cell by cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest

from optuna_popnas.predictors import structural_features
from optuna_popnas.predictors.features.structure import feature_columns
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


def by_definition(cell: Cell, space: SearchSpace) -> np.ndarray:
    at, names = feature_columns(space), space.operators
    out = np.zeros(at.shape.stop)
    if not len(cell):
        return out
    slots = [(i, *branch) for i, b in enumerate(cell) for branch in ((b[0], b[1]), (b[2], b[3]))]
    paths = [path for end in cell.outputs for path in all_paths(cell, end)]
    passes = Counter(name for path in paths for name in path)
    depth: list[int] = []
    for block in cell:
        depth.append(1 + max([0, *(depth[i] for i in (block.in1, block.in2) if i >= 0)]))
    pairs = [(a, b) for a in range(len(names)) for b in range(a, len(names))]
    for _, value, name in slots:
        place = space.lookbacks if value >= 0 else -1 - value
        operator = space.operator_index[name]
        out[at.operators.start + operator] += 1 / len(slots)
        out[at.places.start + operator * (space.lookbacks + 1) + place] += 1 / len(slots)
        if value >= 0:
            for parent in (cell[value].op1, cell[value].op2):
                chain = space.operator_index[parent] * len(names) + operator
                out[at.chains.start + chain] += 1 / len(cell)
    for operator, name in enumerate(names):
        out[at.paths.start + operator] = passes[name] / len(paths)
    for block in cell:
        pair = sorted((space.operator_index[block.op1], space.operator_index[block.op2]))
        out[at.pairs.start + pairs.index((pair[0], pair[1]))] += 1 / len(cell)
    concat = len(cell.outputs) if len(cell.outputs) > 1 else 0
    inner = sum(value >= 0 for value in cell.inputs)
    uses = [cell.inputs.count(-d) for d in range(1, space.lookbacks + 1)]
    shape = [len(cell), max(depth), np.mean(depth), concat, inner, np.log(len(paths)), *uses]
    out[at.shape] = shape
    return out


def all_paths(cell: Cell, block: int) -> list[list[str]]:
    """The operators along each path from a lookback to a block."""
    found = []
    for value, name in ((cell[block].in1, cell[block].op1), (cell[block].in2, cell[block].op2)):
        before = all_paths(cell, value) if value >= 0 else [[]]
        found += [[*path, name] for path in before]
    return found


@pytest.mark.parametrize("lookbacks", [1, 3])
def test_equals_the_definition(random_cells: Callable[..., CellBatch], lookbacks: int) -> None:
    space = SearchSpace(("identity", "3x3 conv", "2x2 maxpool"), 6, lookbacks)
    batch = random_cells(space, 300, seed=lookbacks)
    expected = np.stack([by_definition(cell, space) for cell in batch])
    np.testing.assert_allclose(structural_features(batch), expected, rtol=1e-5, atol=1e-5)


def test_equivalent_cells_have_equal_features(random_cells: Callable[..., CellBatch]) -> None:
    batch = random_cells(SearchSpace(), 300, seed=0)
    features = structural_features(batch.canonical())
    np.testing.assert_allclose(features, structural_features(batch), atol=1e-5)
    assert structural_features(batch[:0]).shape == (0, features.shape[1])
