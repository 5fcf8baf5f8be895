"""The best cells of a space that nobody can enumerate: a long search that sees the truth."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
import tempfile
from typing import TYPE_CHECKING

import numpy as np

from bench.base import Front
from bench.base import make_front
from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas.search import pareto_front


if TYPE_CHECKING:
    from bench.surrogate import SurrogateBench

_BEAM = 60
_CHILDREN = 60_000


def known_front(bench: SurrogateBench) -> Front:
    """Return the front of the best cells found by growing and changing cells with the truth known.

    Level by level the children of the first fronts are looked at; then cells of the front are
    changed a slot at a time, or get a block more, until nothing changes.
    """
    rng = np.random.default_rng(0)
    space = bench.space
    level = CellBatch.from_cells(space, [Cell(), *space.first_level()])
    found = _Found(bench)
    found.add(level)
    for depth in range(1, space.max_blocks):
        parents = found.best(_BEAM, depth)
        found.add(space.expand(parents, max_encodings=_CHILDREN, rng=rng))
    for _ in range(20):
        before = found.front.accuracy.sum(), len(found.front.accuracy)
        found.add(_neighbours(found.best(_BEAM, None), rng))
        if (found.front.accuracy.sum(), len(found.front.accuracy)) == before:
            break
    return found.front


def kept_front(bench: SurrogateBench) -> Front:
    """Return :func:`known_front`, which takes seconds, from a temporary file if it was made once.

    The file's name depends on what the bench predicts.
    """
    cells = bench.sample.cells.take(np.arange(min(200, len(bench.sample.cells))))
    predicted = np.round(np.stack(bench.expected(cells)), 9)
    name = hashlib.sha256(predicted.tobytes() + Path(__file__).read_bytes()).hexdigest()[:20]
    path = Path(tempfile.gettempdir()) / f"popnas-front-{bench.name}-{name}.npy"
    if not path.exists():
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".npy", delete=False) as file:
            np.save(file, np.stack(known_front(bench)))
        os.replace(file.name, path)
    return Front(*np.load(path, allow_pickle=False))


class _Found:
    """All that was looked at."""

    def __init__(self, bench: SurrogateBench) -> None:
        self.bench = bench
        self._batches: list[CellBatch] = []
        self._keys: set[int] = set()
        self._values: list[np.ndarray] = []

    def add(self, batch: CellBatch) -> None:
        batch = batch.unique()
        new = np.array([int(key) not in self._keys for key in batch.keys], dtype=bool)
        batch = batch.take(new)
        if len(batch):
            self._keys.update(map(int, batch.keys))
            self._batches.append(batch)
            self._values.append(np.stack(self.bench.expected(batch)))

    @property
    def front(self) -> Front:
        accuracy, seconds = np.concatenate(self._values, axis=1)
        return make_front(accuracy, seconds)

    def best(self, count: int, depth: int | None) -> CellBatch:
        """Return cells of the first fronts, of this many blocks where it is given."""
        accuracy, seconds = np.concatenate(self._values, axis=1)
        lengths = np.concatenate([batch.lengths for batch in self._batches])
        left = np.arange(len(accuracy)) if depth is None else np.flatnonzero(lengths == depth)
        chosen: list[int] = []
        while len(chosen) < count and len(left):
            front = left[pareto_front(accuracy[left], seconds[left])]
            chosen += front.tolist()
            left = np.setdiff1d(left, front)
        cells = [cell for batch, rows in self._rows(chosen) for cell in batch.take(rows)]
        return CellBatch.from_cells(self.bench.space, cells)

    def _rows(self, chosen: list[int]) -> list[tuple[CellBatch, np.ndarray]]:
        ends = np.cumsum([len(batch) for batch in self._batches])
        which = np.searchsorted(ends, chosen, side="right")
        starts = np.concatenate([[0], ends[:-1]])
        numbers = np.array(chosen) - starts[which]
        return [(self._batches[i], numbers[which == i]) for i in np.unique(which).tolist()]


def _neighbours(batch: CellBatch, rng: np.random.Generator) -> CellBatch:
    """Return the cells that differ in one slot's operator or input, and those of a block more."""
    space = batch.space
    encodings, lengths = [], []
    for row, length in zip(batch.encoding, batch.lengths.tolist()):
        for i in range(length):
            for slot in range(4):
                values = space.inputs(i) if slot % 2 == 0 else range(len(space.operators))
                for value in values:
                    changed = row.copy()
                    changed[i, slot] = value
                    encodings.append(changed)
                    lengths.append(length)
    changed = CellBatch(space, np.array(encodings), np.array(lengths))
    parts = [*changed.unique()]
    for length in np.unique(batch.lengths):
        if length < space.max_blocks:
            few = batch.take(batch.lengths == length)
            parts += space.expand(few, max_encodings=_CHILDREN // 10, rng=rng)
    return CellBatch.from_cells(space, parts)
