"""What the surrogate sees of a cell: counts, the longest path, and size.

These are not the features that the library's predictors learn from (shares of slots, paths and
pairs): a bench that thinks like one of the methods would favour it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from optuna_popnas import CellBatch
from optuna_popnas.space.operators import parse_operator


Floats = npt.NDArray[np.float64]


def graph_features(batch: CellBatch, parameters: Floats, flops: Floats) -> Floats:
    """Return ``(n, d)`` features of cells.

    Args:
        batch: The cells.
        parameters: ``(n,)`` parameters of their networks.
        flops: ``(n,)`` operations for one image.
    """
    count = len(batch.space.operators)
    names = [parse_operator(name) for name in batch.space.operators]
    weighted = np.array(["conv" in operator.name for operator in names], dtype=float)
    reach = np.array([max(operator.kernel, default=1) - 1 for operator in names], dtype=float)
    pools = np.array(["pool" in operator.name for operator in names], dtype=float)
    width = batch.encoding.shape[1]
    present = batch.present
    inputs = np.where(present[:, :, None], batch.inputs, -1).astype(np.intp)
    operators = batch.operators.astype(np.intp)
    rows = np.arange(len(batch))
    is_output = present.copy()
    for i in range(width):
        read = (inputs[:, i + 1 :] == i).any(axis=(1, 2))
        is_output[:, i] &= ~read
    # A block's longest paths, by weighted operators, reach and pooling; its shortest likewise.
    longest = np.zeros((len(batch), width, 3))
    shortest = np.zeros((len(batch), width))
    through = np.stack([weighted, reach, pools], axis=1)
    for i in range(width):
        paths, short = [], []
        for branch in range(2):
            source = inputs[:, i, branch]
            own = through[operators[:, i, branch]]
            before = np.where((source >= 0)[:, None], longest[rows, np.maximum(source, 0)], 0.0)
            paths.append(own + before)
            least = np.where(source >= 0, shortest[rows, np.maximum(source, 0)], 0.0)
            short.append(own[:, 0] + least)
        longest[:, i] = np.maximum(*paths)
        shortest[:, i] = np.minimum(*short)
    onehot = np.eye(count)[operators] * present[:, :, None, None]
    inner = (inputs >= 0)[:, :, :, None]
    older = (inputs < -1)[:, :, :, None]
    ends = is_output[:, :, None, None]
    parts = [(onehot * choice).sum(axis=(1, 2)) for choice in (1, inner, older, ends)]
    outputs = np.maximum(is_output.sum(axis=1), 1)
    same = (operators[:, :, 0] == operators[:, :, 1]) & present
    shape = [
        batch.lengths,
        is_output.sum(axis=1),
        same.sum(axis=1),
        (inputs == -2).sum(axis=(1, 2)),
        ((inputs < 0) & present[:, :, None]).sum(axis=(1, 2)),
        np.where(is_output, shortest, np.inf).min(axis=1, initial=99),
        np.where(is_output, longest[:, :, 0], 0).sum(axis=1) / outputs,
    ]
    best = np.where(is_output[:, :, None], longest, 0).max(axis=1, initial=0)
    size = [np.log1p(parameters), np.log1p(flops), np.log1p(flops) - np.log1p(parameters)]
    return np.column_stack([*parts, *shape, best, *size]).astype(float)
