"""The nine time features of POPNASv2 (Sec. 5.3.3), for whole batches of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.features.columns import Columns
from optuna_popnas.predictors.features.columns import columns
from optuna_popnas.predictors.features.reindex import built_cells
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


#: Names of the columns of :func:`time_features`, in the order of Table 5.3.
TIME_FEATURES: tuple[str, ...] = (
    "blocks",
    "cells",
    "OP score",
    "concat inputs",
    "multiple lookbacks",
    "DAG depth",
    "block dependencies",
    "share of OP score in the heaviest path",
    "share of OP score using lookbacks",
)


_FAR = np.int8(127)


def time_features(
    cells: Sequence[Cell], scores: Mapping[str, float], total_cells: int = 8
) -> FloatArray:
    """Return the nine features of Sec. 5.3.3.

    Args:
        cells: Cells.
        scores: Operator -> score of its dynamic reindex, see
            :func:`~optuna_popnas.predictors.operator_scores`.
        total_cells: Cells of a network that reads lookback -1: M (N + 1) - 1.

    Returns:
        ``(n, 9)`` float64 in the order of :data:`TIME_FEATURES`. If the operators of a cell
        score 0 together, both shares are 1; of the empty cell all else is 0.

    Raises:
        ValueError: An operator has no score, or ``total_cells`` is below 1.

    Example:
        >>> from optuna_popnas.space import Cell
        >>> cell = Cell([(-2, "3x3 conv", -1, "2x2 maxpool")])
        >>> time_features([cell], {"3x3 conv": 1.0, "2x2 maxpool": 0.25}).tolist()
        [[1.0, 8.0, 1.25, 0.0, 1.0, 1.0, 0.0, 0.8, 1.0]]
    """
    if total_cells < 1:
        raise ValueError(f"`total_cells` must be at least 1, but got {total_cells}.")
    batch = _as_batch(cells, scores)
    table = np.array([scores.get(name, 0.0) for name in batch.space.operators], dtype=np.float64)
    features = np.empty((len(batch), len(TIME_FEATURES)))
    features[:, 0] = batch.lengths
    features[:, 1] = built_cells(batch, total_cells)
    for rows, chunk in columns(batch):
        _fill(features[rows], chunk, table)
    return features


def _fill(features: FloatArray, chunk: Columns, table: FloatArray) -> None:
    blocks, _, size = chunk.inputs.shape
    depth = np.zeros((blocks, size), dtype=np.int8)
    ancestors = np.zeros((blocks, size), dtype=np.int32)  # bit j: block j, or itself, is below
    score = np.zeros((blocks, size))
    heaviest, lookback = np.zeros(size), np.zeros(size)
    concat, dependencies = np.zeros(size, dtype=np.int8), np.zeros(size, dtype=np.int8)
    first = np.full(size, _FAR, dtype=np.int8)  # how far the farthest lookback is, and
    last = np.full(size, -_FAR, dtype=np.int8)  # the nearest one
    for i in range(blocks):
        depth[i] = chunk.present[i]
        ancestors[i] = 1 << i
        concat += chunk.output[i]
        paths = []
        for branch in range(2):
            inner, source = chunk.inner[i, branch], chunk.inputs[i, branch]
            slot = np.take(table, chunk.operators[i, branch]) * chunk.present[i]
            score[i] += slot
            lookback += np.where(inner, 0.0, slot)
            outer = chunk.present[i] & ~inner
            np.minimum(first, np.where(outer, source, _FAR), out=first)
            np.maximum(last, np.where(outer, source, -_FAR), out=last)
            if i:
                dependencies += inner
                below = chunk.pick(ancestors, i, branch) * inner
                ancestors[i] |= below
                deeper = (chunk.pick(depth, i, branch) + np.int8(1)) * inner
                np.maximum(depth[i], deeper, out=depth[i])
                for j in range(i):
                    slot = slot + np.where(below & (1 << j), score[j], 0.0)
            paths.append(slot)
        np.maximum(heaviest, np.where(chunk.output[i], np.maximum(*paths), 0.0), out=heaviest)

    total = np.zeros(size)
    deepest = np.zeros(size, dtype=np.int8)
    for i in range(blocks):
        total += score[i]
        np.maximum(deepest, depth[i], out=deepest)
    features[:, 2] = total
    features[:, 3] = np.where(concat > 1, concat, 0)
    features[:, 4] = (last > -_FAR) & (first != last)
    features[:, 5] = deepest
    features[:, 6] = dependencies
    safe = np.where(total > 0, total, 1.0)
    features[:, 7] = np.where(total > 0, heaviest / safe, 1.0)
    features[:, 8] = np.where(total > 0, lookback / safe, 1.0)


def _as_batch(cells: Sequence[Cell], scores: Mapping[str, float]) -> CellBatch:
    if not isinstance(cells, CellBatch):
        space = SearchSpace.of(cells, scores)
        cells = CellBatch.from_cells(space, cells)
    for name in _used(cells):
        if name not in scores:
            raise ValueError(
                f"`scores` must hold every operator of the cells, but got none for {name!r}."
            )
    return cells


def _used(batch: CellBatch) -> list[str]:
    used = np.zeros(len(batch.space.operators), dtype=bool)
    for block in range(batch.encoding.shape[1]):
        for branch in (1, 3):
            used[batch.encoding[batch.lengths > block, block, branch]] = True
    return [batch.space.operators[index] for index in np.flatnonzero(used)]
