"""Structural features: what a cell's graph looks like, in numbers.

The thesis' nine features weigh operators by seconds, which says little about accuracy. These say
which operators a cell is made of, where they sit and what they are joined to; they need no
measurements. Most are shares, so that cells of the next level, which are larger than all that
were trained, still lie among them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.features.columns import Columns
from optuna_popnas.predictors.features.columns import columns
from optuna_popnas.space import CellBatch
from optuna_popnas.space import Grammar


_CHUNK = 1 << 12

Features = npt.NDArray[np.float32]

#: Names of the last features, before the slots that read each lookback.
SHAPE_FEATURES: tuple[str, ...] = (
    "blocks",
    "depth",
    "mean depth",
    "concat inputs",
    "block dependencies",
    "log of paths",
)


class FeatureColumns(NamedTuple):
    """The columns of :func:`structural_features`, for ``o`` operators and ``l`` lookbacks.

    Attributes:
        operators: ``o``: share of the slots with each operator.
        places: ``o * (l + 1)``: share of the slots with each operator that read lookback -1,
            -2, ..., or a block.
        paths: ``o``: share of the paths from a lookback to the output that pass each operator.
        pairs: ``o (o + 1) / 2``: operators that are added in a block, per block.
        chains: ``o * o``: operators that feed operators, along the edges between blocks, per
            block.
        shape: :data:`SHAPE_FEATURES`, and the slots that read each lookback.
    """

    operators: slice
    places: slice
    paths: slice
    pairs: slice
    chains: slice
    shape: slice

    @property
    def groups(self) -> tuple[slice, slice, slice]:
        """What cells are made of, how it is joined, and their shape."""
        return (
            slice(self.operators.start, self.paths.stop),
            slice(self.pairs.start, self.chains.stop),
            self.shape,
        )


def feature_columns(space: Grammar) -> FeatureColumns:
    """Return which columns of :func:`structural_features` hold what."""
    count, lookbacks = len(space.operators), space.lookbacks
    sizes = [
        count,
        count * (lookbacks + 1),
        count,
        count * (count + 1) // 2,
        count * count,
        len(SHAPE_FEATURES) + lookbacks,
    ]
    ends = np.cumsum(sizes)
    return FeatureColumns(*(slice(int(end - size), int(end)) for end, size in zip(ends, sizes)))


def structural_features(batch: CellBatch) -> Features:
    """Return the features of some cells.

    Returns:
        ``(n, d)`` float32, see :class:`FeatureColumns`. Take millions of cells in parts.
    """
    at = feature_columns(batch.space)
    features = np.zeros((len(batch), at.shape.stop), dtype=np.float32)
    for rows, chunk in columns(batch, chunk=_CHUNK):
        _fill(features[rows], chunk, batch.space, at)
    return features


def _fill(features: Features, chunk: Columns, space: Grammar, at: FeatureColumns) -> None:
    blocks, _, size = chunk.inputs.shape
    count = len(space.operators)
    above, below, depth = _paths(chunk)
    length = chunk.present.sum(axis=0)
    total = np.where(chunk.output, above, 0.0).sum(axis=0)
    per_path = 1 / np.maximum(total, 1.0)
    per_block = 1 / np.maximum(length, 1).astype(np.float32)
    triangle = np.zeros((count, count), dtype=np.intp)
    triangle[np.triu_indices(count)] = np.arange(count * (count + 1) // 2)
    triangle = np.maximum(triangle, triangle.T)

    flat = features.reshape(-1)
    start = np.arange(size) * features.shape[1]
    operators = chunk.operators.astype(np.intp)
    for i in range(blocks):
        block = per_block * chunk.present[i]
        slot = block * np.float32(0.5)
        pair = triangle.reshape(-1)[operators[i, 0] * count + operators[i, 1]]
        flat[start + (at.pairs.start + pair)] += block
        for branch in range(2):
            operator, inner = operators[i, branch], chunk.inner[i, branch]
            flat[start + (at.operators.start + operator)] += slot
            place = np.where(inner, space.lookbacks, -1 - chunk.inputs[i, branch])
            column = operator * (space.lookbacks + 1) + place
            flat[start + (at.places.start + column)] += slot
            through = np.where(inner, chunk.pick(above, i, branch), chunk.present[i])
            through = (through * below[i] * per_path).astype(np.float32)
            flat[start + (at.paths.start + operator)] += through
            if i:
                rows = np.flatnonzero(inner)
                source = chunk.inputs[i, branch, rows]
                chain = start[rows] + (at.chains.start + operator[rows])
                for parent in range(2):
                    flat[chain + operators[source, parent, rows] * count] += per_block[rows]

    shape = features[:, at.shape]
    concat = chunk.output.sum(axis=0)
    shape[:, 0] = length
    shape[:, 1] = depth.max(axis=0, initial=0)
    shape[:, 2] = depth.sum(axis=0) * per_block
    shape[:, 3] = np.where(concat > 1, concat, 0)
    shape[:, 5] = np.log(np.maximum(total, 1.0))
    for i in range(blocks):
        for branch in range(2):
            shape[:, 4] += chunk.inner[i, branch]
            for lookback in range(1, space.lookbacks + 1):
                shape[:, 5 + lookback] += chunk.present[i] & (chunk.inputs[i, branch] == -lookback)


def _paths(
    chunk: Columns,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Return ``(b, m)`` each: paths from lookbacks to a block, from it to the output; depth."""
    blocks, _, size = chunk.inputs.shape
    above = np.zeros((blocks, size))
    below = chunk.output.astype(np.float64)
    depth = np.zeros((blocks, size), dtype=np.intp)
    for i in range(blocks):
        depth[i] = chunk.present[i]
        for branch in range(2):
            inner = chunk.inner[i, branch]
            above[i] += np.where(inner, chunk.pick(above, i, branch), chunk.present[i])
            deeper = (chunk.pick(depth, i, branch) + 1) * inner
            np.maximum(depth[i], deeper, out=depth[i])
    for i in range(blocks - 1, -1, -1):
        for later in range(i + 1, blocks):
            for branch in range(2):
                below[i] += below[later] * (chunk.inputs[later, branch] == i)
    return above, below, depth
