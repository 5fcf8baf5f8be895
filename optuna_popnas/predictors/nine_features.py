"""The nine time features of POPNASv2 (Sec. 5.3.3), for whole batches of cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.columns import Columns
from optuna_popnas.predictors.columns import columns
from optuna_popnas.predictors.reindex import built_cells
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
    slot = np.where(chunk.present[:, None], table[chunk.operators], 0.0)  # (b, 2, m)
    block = slot.sum(axis=1)
    total = block.sum(axis=0)
    lookback = np.where(chunk.inner, 0.0, slot).sum(axis=(0, 1))
    concat = chunk.output.sum(axis=0)
    first = np.where(chunk.present[:, None] & ~chunk.inner, chunk.inputs, 0).min((0, 1), initial=0)
    nearest = np.where(chunk.present[:, None] & ~chunk.inner, chunk.inputs, -127)
    last = nearest.max((0, 1), initial=-127)

    depth = np.zeros((blocks, size), dtype=np.int64)
    ancestors = np.zeros((blocks, size), dtype=np.int64)  # bit j: block j, or itself, is below
    heaviest = np.zeros(size)
    for i in range(blocks):
        depth[i] = chunk.present[i]
        ancestors[i] = 1 << i
        for branch in range(2):
            inner = chunk.inner[i, branch]
            path = slot[i, branch]
            if i:
                below = np.where(inner, chunk.pick(ancestors, i, branch), 0)
                ancestors[i] |= below
                deeper = np.where(inner, chunk.pick(depth, i, branch) + 1, 0)
                np.maximum(depth[i], deeper, out=depth[i])
                for j in range(i):
                    path = path + block[j] * ((below >> j) & 1)
            np.maximum(heaviest, np.where(chunk.output[i], path, 0.0), out=heaviest)

    features[:, 2] = total
    features[:, 3] = np.where(concat > 1, concat, 0)
    features[:, 4] = (last > -127) & (first != last)
    features[:, 5] = depth.max(axis=0, initial=0)
    features[:, 6] = chunk.inner.sum(axis=(0, 1))
    safe = np.where(total > 0, total, 1.0)
    features[:, 7] = np.where(total > 0, heaviest / safe, 1.0)
    features[:, 8] = np.where(total > 0, lookback / safe, 1.0)


def _as_batch(cells: Sequence[Cell], scores: Mapping[str, float]) -> CellBatch:
    if not isinstance(cells, CellBatch):
        names = dict.fromkeys([*scores, *(name for cell in cells for name in cell.operators)])
        space = SearchSpace(
            tuple(names) or ("identity",),
            max_blocks=max([1, *(len(cell) for cell in cells)]),
            lookbacks=max([1, *(-value for cell in cells for value in cell.inputs)]),
        )
        cells = CellBatch.from_cells(space, cells)
    for index in np.unique(cells.operators[cells.present]):
        name = cells.space.operators[index]
        if name not in scores:
            raise ValueError(
                f"`scores` must hold every operator of the cells, but got none for {name!r}."
            )
    return cells
