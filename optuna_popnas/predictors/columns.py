"""Cells as columns: what the features are computed from, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.space import CellBatch


#: Cells per chunk: a chunk's columns stay in the processor's cache.
CHUNK = 1 << 14


class Columns(NamedTuple):
    """Some cells of a batch, one contiguous column per block and branch.

    Attributes:
        inputs: ``(b, 2, m)`` inputs of both branches; -1 where the block is missing.
        operators: ``(b, 2, m)`` operator indices; 0 where the block is missing.
        present: ``(b, m)`` whether the cell has this block.
        inner: ``(b, 2, m)`` whether the branch reads another block of the cell.
        output: ``(b, m)`` whether no other block reads this one.
    """

    inputs: npt.NDArray[np.intp]
    operators: npt.NDArray[np.intp]
    present: npt.NDArray[np.bool_]
    inner: npt.NDArray[np.bool_]
    output: npt.NDArray[np.bool_]

    def pick(self, values: npt.NDArray[Any], block: int, branch: int) -> npt.NDArray[Any]:
        """Return, for each cell, the value of the block that this branch reads.

        Args:
            values: ``(b, m)`` a value per block.
            block: A block.
            branch: 0 or 1.

        Returns:
            ``(m,)`` values; anything where the branch reads a lookback.
        """
        size = values.shape[1]
        flat = np.maximum(self.inputs[block, branch], 0) * size + np.arange(size)
        return values.reshape(-1)[flat]


def columns(batch: CellBatch) -> Iterator[tuple[slice, Columns]]:
    """Yield a batch chunk by chunk, with the rows that each chunk stands for."""
    width = batch.encoding.shape[1]
    for start in range(0, len(batch), CHUNK):
        rows = slice(start, start + CHUNK)
        encoding = batch.encoding[rows].transpose(1, 2, 0)
        present = np.arange(width)[:, None] < batch.lengths[rows]
        inputs = np.where(present[:, None], encoding[:, 0::2], -1).astype(np.intp)
        operators = np.where(present[:, None], encoding[:, 1::2], 0).astype(np.intp)
        output = present.copy()
        for block in range(width):
            for later in range(block + 1, width):
                output[block] &= (inputs[later] != block).all(axis=0)
        yield rows, Columns(inputs, operators, present, inputs >= 0, output)
