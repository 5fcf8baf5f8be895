"""Structural features: what a cell's graph looks like, in numbers.

The thesis' nine features weigh operators by seconds, which says little about accuracy. These
count operators by where they sit, and who follows whom; they need no measurements.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.columns import Columns
from optuna_popnas.predictors.columns import columns
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


Features = npt.NDArray[np.float32]


class Groups(NamedTuple):
    """The columns of each group of features, see :func:`structural_features`."""

    places: slice
    depths: slice
    chains: slice
    pairs: slice
    paths: slice
    shape: slice


def feature_groups(space: SearchSpace) -> Groups:
    """Return which columns of :func:`structural_features` belong to which group."""
    count = len(space.operators)
    sizes = [
        count * (space.lookbacks + 1),
        count * space.max_blocks,
        count * count,
        count * (count + 1) // 2,
        count,
        len(SHAPE_FEATURES) + space.lookbacks,
    ]
    ends = np.cumsum(sizes)
    return Groups(*(slice(int(end - size), int(end)) for end, size in zip(ends, sizes)))


#: Names of the features of the last group, before the uses of each lookback.
SHAPE_FEATURES: tuple[str, ...] = (
    "blocks",
    "depth",
    "mean depth",
    "concat inputs",
    "block dependencies",
    "log of paths",
)


def structural_features(batch: CellBatch) -> Iterator[tuple[slice, Features]]:
    """Yield the features of a batch chunk by chunk, with the rows that a chunk stands for.

    The groups, in order (operators as ``o``, lookbacks as ``l``, blocks as ``b``):

    - ``o * (l + 1)``: slots by operator and by what they read: lookbacks -1, -2, ..., a block;
    - ``o * b``: slots by operator and by the depth of their block;
    - ``o * o``: operators that feed operators, along the edges between blocks;
    - ``o (o + 1) / 2``: operators that are added in a block;
    - ``o``: paths from a lookback to the output through an operator, as a share of all;
    - :data:`SHAPE_FEATURES`, and the slots that read each lookback.

    Yields:
        Rows, and ``(m, d)`` float32.
    """
    space = batch.space
    groups = feature_groups(space)
    for rows, chunk in columns(batch):
        size = chunk.inputs.shape[2]
        features = np.zeros((size, groups.shape.stop), dtype=np.float32)
        _fill(features, chunk, space, groups)
        yield rows, features


def _fill(features: Features, chunk: Columns, space: SearchSpace, groups: Groups) -> None:
    blocks, _, size = chunk.inputs.shape
    count = len(space.operators)
    at = np.arange(size)
    above, below, depth = _paths(chunk)
    total = np.where(chunk.output, above, 0.0).sum(axis=0)
    share = 1 / np.maximum(total, 1.0)
    triangle = np.zeros((count, count), dtype=np.intp)
    triangle[np.triu_indices(count)] = np.arange(count * (count + 1) // 2)
    triangle = np.maximum(triangle, triangle.T)

    for i in range(blocks):
        present = chunk.present[i].astype(np.float32)
        first, second = chunk.operators[i]
        features[at, groups.pairs.start + triangle[first, second]] += present
        for branch in range(2):
            operator = chunk.operators[i, branch]
            inner = chunk.inner[i, branch]
            place = np.where(inner, space.lookbacks, -chunk.inputs[i, branch] - 1)
            column = operator * (space.lookbacks + 1) + place
            features[at, groups.places.start + column] += present
            column = operator * space.max_blocks + np.maximum(depth[i] - 1, 0)
            features[at, groups.depths.start + column] += present
            incoming = np.where(inner, chunk.pick(above, i, branch), 1.0)
            through = (incoming * below[i] * share).astype(np.float32)
            features[at, groups.paths.start + operator] += through * present
            if i:
                reads = inner.astype(np.float32)
                for parent in range(2):
                    source = chunk.pick(chunk.operators[:, parent], i, branch)
                    features[at, groups.chains.start + source * count + operator] += reads

    shape = features[:, groups.shape]
    length = chunk.present.sum(axis=0)
    concat = chunk.output.sum(axis=0)
    shape[:, 0] = length
    shape[:, 1] = depth.max(axis=0, initial=0)
    shape[:, 2] = depth.sum(axis=0) / np.maximum(length, 1)
    shape[:, 3] = np.where(concat > 1, concat, 0)
    shape[:, 4] = chunk.inner.sum(axis=(0, 1))
    shape[:, 5] = np.log(np.maximum(total, 1.0))
    reads_lookback = chunk.present[:, None] & ~chunk.inner
    for lookback in range(1, space.lookbacks + 1):
        used = reads_lookback & (chunk.inputs == -lookback)
        shape[:, 5 + lookback] = used.sum(axis=(0, 1))


def _paths(
    chunk: Columns,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.intp]]:
    """Return ``(b, m)`` each: paths from lookbacks to a block, from it to the output; depth."""
    blocks, _, size = chunk.inputs.shape
    above = np.zeros((blocks, size))
    below = np.zeros((blocks, size))
    depth = np.zeros((blocks, size), dtype=np.intp)
    for i in range(blocks):
        depth[i] = chunk.present[i]
        for branch in range(2):
            inner = chunk.inner[i, branch]
            above[i] += np.where(inner, chunk.pick(above, i, branch), chunk.present[i])
            np.maximum(
                depth[i], np.where(inner, chunk.pick(depth, i, branch) + 1, 0), out=depth[i]
            )
    for i in range(blocks - 1, -1, -1):
        below[i] = chunk.output[i]
        for later in range(i + 1, blocks):
            for branch in range(2):
                below[i] += np.where(chunk.inputs[later, branch] == i, below[later], 0.0)
    return above, below, depth
