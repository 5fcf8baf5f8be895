"""The features of POPNASv1's time predictor (Sec. 3.4.3 and 5.3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


def v1_features(
    space: SearchSpace, cells: Sequence[Cell], scores: Mapping[str, float]
) -> FloatArray:
    """Return the features of POPNASv1: blocks, then inputs and operators block by block.

    Inputs are 1-indexed categories, operators the numbers of their dynamic reindex; both are 0
    for blocks that a cell does not have. Unlike :func:`time_features` they depend on the order
    of the blocks.

    Args:
        space: The search space.
        cells: Cells.
        scores: Operator -> number, see
            :func:`~optuna_popnas.predictors.operator_scores_v1`.

    Returns:
        ``(n, 1 + 4 max_blocks)`` float64: blocks, then ``in1, op1, in2, op2`` of each block.
    """
    batch = CellBatch.from_cells(space, cells)
    n, width, _ = batch.encoding.shape
    table = np.array([scores[name] for name in space.operators], dtype=np.float64)
    slots = np.zeros((n, space.max_blocks, 4))
    present = batch.present[:, :, None]
    slots[:, :width, 0::2] = np.where(present, batch.inputs + float(space.lookbacks + 1), 0.0)
    slots[:, :width, 1::2] = np.where(present, table[batch.operators], 0.0)
    return np.column_stack([batch.lengths, slots.reshape(n, 4 * space.max_blocks)])
