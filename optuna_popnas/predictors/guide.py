"""What cells of other searches say of the accuracies of this one's.

Of other data and networks, so in deviations from the mean of each search; where operators or
lookbacks differ, by what both have, and by the descriptors, which mean the same everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.features.frame import Inputs
from optuna_popnas.predictors.features.frame import inputs_of
from optuna_popnas.predictors.regression.size_process import Prior
from optuna_popnas.predictors.regression.size_process import SizeProcess
from optuna_popnas.predictors.size_link import link
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace
from optuna_popnas.space.grammar import MAX_OPERATORS


FEWEST = 2  # cells of a search that say anything
_MOST = 400  # cells of a search that are learnt from
_MOST_WEIGHT = 0.8  # before a cell of one's own was trained


class KnownCells(NamedTuple):
    """Trainings of another search.

    Attributes:
        name: What it is called in reports.
        cells: The cells.
        accuracy: ``(n,)``, in any unit in which more is better.
    """

    name: str
    cells: tuple[Cell, ...]
    accuracy: tuple[float, ...]


class Guide:
    """Says what to expect of cells, in deviations from the mean of all.

    Args:
        space: The space of the cells it is asked about.
        known: Trainings of other searches, two or more each.
        prior: What is known of every search.
    """

    def __init__(self, space: SearchSpace, known: Sequence[KnownCells], prior: Prior) -> None:
        self._own, self._space = space, _common_space(space, known)
        fits = [[i for i, cell in enumerate(item.cells) if cell in self._space] for item in known]
        self._processes = [
            self._learn(item, np.array(rows), prior)
            for item, rows in zip(known, fits)
            if len(rows) >= FEWEST
        ]
        # As far as it tells the same of the space's cells as size does: what is nonsense hardly
        # counts until own cells speak for it.
        rng = np.random.default_rng(0)
        depths = range(1, space.max_blocks + 1)
        cells = CellBatch.concatenate([space.random_cells(n, 100, rng=rng) for n in depths])
        inputs = inputs_of(space, cells.canonical())
        theirs = self(cells, inputs).mean(axis=1)
        alike = np.corrcoef(theirs, inputs.sizes @ prior.slopes)[0, 1]
        self.weight = float(np.round(_MOST_WEIGHT * np.clip(np.nan_to_num(alike), 0.0, 1.0), 2))

    def __call__(self, cells: CellBatch, inputs: Inputs) -> FloatArray:
        """Return what the searches say, ``(n, t)``.

        Args:
            cells: Cells of the space.
            inputs: The same as a process of the space sees them.
        """
        if self._space != self._own:
            inputs = self._inputs(cells)
        means = [(one.mean(inputs) - one.center) / one.scale for one in self._processes]
        return np.column_stack(means) if means else np.zeros((len(cells), 1))

    def _inputs(self, cells: CellBatch) -> Inputs:
        common = CellBatch(self._space, cells.encoding, cells.lengths)
        return inputs_of(self._space, common.canonical())

    def _learn(self, known: KnownCells, rows: npt.NDArray[np.intp], prior: Prior) -> SizeProcess:
        rng = np.random.default_rng(0)
        if len(rows) > _MOST:
            rows = np.sort(rng.choice(rows, _MOST, replace=False))
        cells = CellBatch.from_cells(self._space, [known.cells[row] for row in rows])
        targets = link(np.array(known.accuracy)[rows])
        return SizeProcess(prior, rng=rng).fit(self._inputs(cells), targets)


def _common_space(space: SearchSpace, known: Sequence[KnownCells]) -> SearchSpace:
    """Return the space of all cells, which numbers operators as ``space`` does.

    Cells with operators for which it has no room are left out.
    """
    cells = [cell for item in known for cell in item.cells]
    names = dict.fromkeys([*space.operators, *(name for cell in cells for name in cell.operators)])
    room = list(names)[:MAX_OPERATORS]
    if len(room) < len(names):
        cells = [cell for cell in cells if set(room).issuperset(cell.operators)]
    return SearchSpace.of(cells, room, max_blocks=space.max_blocks, lookbacks=space.lookbacks)
