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

    inputs: npt.NDArray[np.int8]
    operators: npt.NDArray[np.int8]
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
        flat = np.maximum(self.inputs[block, branch], 0).astype(np.intp)
        flat *= size
        flat += np.arange(size)
        return np.take(values.reshape(-1), flat)


def columns(batch: CellBatch, *, chunk: int = CHUNK) -> Iterator[tuple[slice, Columns]]:
    """Yield a batch chunk by chunk, with the rows that each chunk stands for."""
    width = batch.encoding.shape[1]
    full = bool((batch.lengths == width).all())
    for start in range(0, len(batch), chunk):
        rows = slice(start, start + chunk)
        encoding = np.ascontiguousarray(batch.encoding[rows].transpose(1, 2, 0))
        inputs, operators = encoding[:, 0::2], encoding[:, 1::2]
        present = np.arange(width)[:, None] < batch.lengths[rows]
        if not full:
            inputs = np.where(present[:, None], inputs, np.int8(-1))
            operators = np.where(present[:, None], operators, np.int8(0))
        output = present.copy()
        for block in range(width):
            for later in range(block + 1, width):
                output[block] &= inputs[later, 0] != block
                output[block] &= inputs[later, 1] != block
        yield rows, Columns(inputs, operators, present, inputs >= 0, output)
