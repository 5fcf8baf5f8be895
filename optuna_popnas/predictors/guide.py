"""What cells of other searches say of the accuracies of this one's.

Other data, networks, operators and lookbacks: so by the descriptors alone, which mean the same
everywhere, and in deviations from the mean of each search.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.features.frame import Inputs
from optuna_popnas.predictors.features.frame import inputs_of
from optuna_popnas.predictors.regression.size_process import Prior
from optuna_popnas.predictors.regression.size_process import SizeProcess
from optuna_popnas.predictors.size_link import link
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


_MOST = 400  # cells of a search that are learnt from
_MOST_WEIGHT = 0.5  # before a cell of one's own was trained


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
        self._processes = [_learn(item, prior) for item in known]
        # As far as it tells the same of the space's cells as size does: what is nonsense hardly
        # counts until own cells speak for it.
        rng = np.random.default_rng(0)
        depths = range(1, space.max_blocks + 1)
        cells = CellBatch.concatenate([space.random_cells(n, 100, rng=rng) for n in depths])
        inputs = inputs_of(space, cells.canonical())
        alike = np.corrcoef(self(inputs), inputs.sizes @ prior.slopes)[0, 1]
        self.weight = float(np.round(_MOST_WEIGHT * np.clip(np.nan_to_num(alike), 0.0, 1.0), 2))

    def __call__(self, inputs: Inputs) -> FloatArray:
        """Return the ``(n,)`` mean of what the searches say."""
        sizes = _by_size(inputs)
        means = [(one.mean(sizes) - one.center) / one.scale for one in self._processes]
        return np.asarray(np.mean(means, axis=0))


def _learn(known: KnownCells, prior: Prior) -> SizeProcess:
    space = SearchSpace.of(known.cells)
    rng = np.random.default_rng(0)
    rows = np.arange(len(known.cells))
    if len(rows) > _MOST:
        rows = np.sort(rng.choice(len(rows), _MOST, replace=False))
    cells = CellBatch.from_cells(space, [known.cells[row] for row in rows]).canonical()
    targets = link(np.array(known.accuracy)[rows])
    return SizeProcess(prior, rng=rng).fit(_by_size(inputs_of(space, cells)), targets)


def _by_size(inputs: Inputs) -> Inputs:
    nothing = np.zeros((len(inputs.sizes), 1))
    return Inputs(inputs.sizes, (inputs.groups[0], nothing, nothing))
