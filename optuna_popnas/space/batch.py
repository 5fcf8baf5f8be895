"""Many cells as integer arrays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import overload

import numpy as np
import numpy.typing as npt

from optuna_popnas.space.cell import Cell
from optuna_popnas.space.equivalence import canonicalize
from optuna_popnas.space.equivalence import hash_encoding
from optuna_popnas.space.grammar import Grammar


class CellBatch(Sequence[Cell]):
    """A sequence of cells of one space, kept as arrays; :class:`Cell` objects on demand.

    Args:
        space: The search space, which numbers the operators.
        encoding: ``(n, b, 4)`` int8 array of ``(in1, op1, in2, op2)``: inputs as in a cell
            (lookbacks negative), operators as indices into ``space.operators``. Rows past a
            cell's length are ignored and set to 0.
        lengths: ``(n,)`` number of blocks of each cell; all ``b`` if left out.
    """

    def __init__(
        self,
        space: Grammar,
        encoding: npt.NDArray[np.int8],
        lengths: npt.NDArray[np.intp] | None = None,
    ) -> None:
        self.space = space
        self.encoding = encoding
        n, b, _ = encoding.shape
        self.lengths = np.full(n, b, dtype=np.intp) if lengths is None else lengths
        #: ``(n,)`` how many encodings :meth:`unique` has merged into each cell, if it made this.
        self.copies: npt.NDArray[np.intp] | None = None
        self._keys: npt.NDArray[np.uint64] | None = None
        self._is_canonical = False

    @classmethod
    def from_cells(cls, space: Grammar, cells: Sequence[Cell]) -> CellBatch:
        """Encode cells; a batch of the same space is returned as it is.

        Raises:
            ValueError: A cell is not in the space.
        """
        if isinstance(cells, CellBatch) and cells.space == space:
            return cells
        lengths = np.array([len(cell) for cell in cells], dtype=np.intp)
        width = int(lengths.max(initial=0))
        index = space.operator_index
        encoding = np.zeros((len(lengths), width, 4), dtype=np.int8)
        for row, cell in enumerate(cells):
            space.check(cell)
            if cell:
                encoding[row, : len(cell)] = cell.encode(index)
        return cls(space, encoding, lengths)

    @classmethod
    def concatenate(cls, batches: Sequence[CellBatch]) -> CellBatch:
        """Return the cells of one or more batches of the same space, one after the other."""
        width = max(batch.encoding.shape[1] for batch in batches)
        padded = [
            np.pad(batch.encoding, ((0, 0), (0, width - batch.encoding.shape[1]), (0, 0)))
            for batch in batches
        ]
        lengths = np.concatenate([batch.lengths for batch in batches])
        joined = cls(batches[0].space, np.concatenate(padded), lengths)
        joined._is_canonical = all(batch._is_canonical for batch in batches)
        return joined

    @property
    def inputs(self) -> npt.NDArray[np.int8]:
        """``(n, b, 2)`` inputs of both branches."""
        return self.encoding[:, :, 0::2]

    @property
    def operators(self) -> npt.NDArray[np.int8]:
        """``(n, b, 2)`` operator indices of both branches."""
        return self.encoding[:, :, 1::2]

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """``(n, b)`` whether a cell has this block."""
        return np.arange(self.encoding.shape[1]) < self.lengths[:, None]

    @property
    def keys(self) -> npt.NDArray[np.uint64]:
        """``(n,)`` 64-bit keys: equal for equivalent cells, whatever their encoding."""
        if self._keys is None:
            self._keys = _keys_of(self.canonical())
        return self._keys

    def canonical(self) -> CellBatch:
        """Return the canonical representative of each cell, in the same order (Sec. 4.1.2)."""
        if self._is_canonical:
            return self
        encoding = np.zeros_like(self.encoding)
        for length in np.unique(self.lengths):
            rows = np.flatnonzero(self.lengths == length)
            encoding[rows, :length] = canonicalize(
                self.encoding[rows, :length],
                operators=len(self.space.operators),
                lookbacks=self.space.lookbacks,
            )
        return CellBatch(self.space, encoding, self.lengths)._mark_canonical()

    def unique(self) -> CellBatch:
        """Return the distinct cells in canonical form, in the order of their keys."""
        canonical = self.canonical()
        keys = canonical.keys
        order = np.argsort(keys)
        ordered = keys[order]
        new = np.ones(len(order), dtype=bool)
        new[1:] = ordered[1:] != ordered[:-1]
        batch = canonical.take(order[new])
        batch.copies = np.diff(np.flatnonzero(new), append=len(order))
        return batch

    def _mark_canonical(self) -> CellBatch:
        """Note that the encodings are canonical, so that nobody works them out again."""
        self._is_canonical = True
        return self

    def take(self, rows: npt.ArrayLike) -> CellBatch:
        """Return the cells at these row numbers (or where this mask is true)."""
        rows = np.asarray(rows)
        rows = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows.astype(np.intp)
        # np.take is several times faster than indexing where rows are this short.
        batch = CellBatch(
            self.space, np.take(self.encoding, rows, axis=0), np.take(self.lengths, rows)
        )
        batch._is_canonical = self._is_canonical
        if self._keys is not None:
            batch._keys = self._keys[rows]
        if self.copies is not None:
            batch.copies = self.copies[rows]
        return batch

    @overload
    def __getitem__(self, index: int) -> Cell: ...
    @overload
    def __getitem__(self, index: slice) -> CellBatch: ...
    def __getitem__(self, index: int | slice) -> Cell | CellBatch:
        if isinstance(index, slice):
            return self.take(np.arange(len(self))[index])
        rows = self.encoding[index, : self.lengths[index]].tolist()
        return Cell.decode(rows, self.space.operators)

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[Cell]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return f"<CellBatch of {len(self)} cells>"


def _keys_of(batch: CellBatch) -> npt.NDArray[np.uint64]:
    keys = np.empty(len(batch), dtype=np.uint64)
    for length in np.unique(batch.lengths):
        rows = np.flatnonzero(batch.lengths == length)
        keys[rows] = hash_encoding(batch.encoding[rows, :length])
    return keys
