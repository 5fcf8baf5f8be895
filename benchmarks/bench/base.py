"""What a bench is: a space of cells whose trainings cost nothing but a look."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import SearchSpace
from optuna_popnas.search import hypervolume
from optuna_popnas.search import pareto_front


Floats = npt.NDArray[np.float64]


class Evaluation(NamedTuple):
    """One training, as a search would see it.

    Attributes:
        accuracy: Measured accuracy, with its noise.
        seconds: Measured seconds of training.
        curve: Validation accuracies after the epochs of :attr:`Bench.curve_epochs`; empty if
            the bench has none.
    """

    accuracy: float
    seconds: float
    curve: tuple[float, ...] = ()


class Front(NamedTuple):
    """The best cells there are: ``(n,)`` expected accuracies and seconds, fastest first."""

    accuracy: Floats
    seconds: Floats


class Bench(ABC):
    """A search space and what its cells are worth.

    Attributes:
        name: What it is called on the command line.
        space: The cells.
        chance: The accuracy of guessing, reference of the hypervolume.
        epochs: Epochs of one training.
        curve_epochs: After which of them the learning curve is measured.
        total_cells: Cells of a network that reads lookback -1.
        budget: Seconds of training that a comparison spends.
    """

    name: str
    space: SearchSpace
    chance: float = 0.1
    epochs: int = 9
    curve_epochs: tuple[int, ...] = ()
    total_cells: int = 3
    budget: float

    @abstractmethod
    def evaluate(self, cell: Cell, seed: int) -> Evaluation | None:
        """Return one training: the same for the same cell and seed; None if nobody trained it."""

    @abstractmethod
    def expected(self, cells: Sequence[Cell]) -> tuple[Floats, Floats]:
        """Return the expected accuracies and seconds of cells, NaN where unknown."""

    @cached_property
    @abstractmethod
    def front(self) -> Front:
        """The best expected cells of the space, or the best that are known."""

    def costs(self, cells: Sequence[Cell]) -> tuple[Floats, Floats] | None:
        """Return parameters and FLOPs of the cells' networks, or None if they are not known."""
        return None

    @cached_property
    def bounds(self) -> tuple[float, float]:
        """Seconds between which hypervolumes are taken: the front's, a tenth more."""
        return 0.9 * float(self.front.seconds[0]), 1.1 * float(self.front.seconds[-1])

    def volume(self, accuracy: Floats, seconds: Floats, *, logarithmic: bool = False) -> float:
        """Return the hypervolume of some cells as a share of the known front's."""
        front = self.front
        whole = self._volume(front.accuracy, front.seconds, logarithmic)
        return self._volume(accuracy, seconds, logarithmic) / whole

    def _volume(self, accuracy: Floats, seconds: Floats, logarithmic: bool) -> float:
        low, high = self.bounds
        costs = np.clip(seconds, low, None)
        if logarithmic:
            costs, high = np.log(costs / low), np.log(high / low)
        return hypervolume(accuracy, costs, reference_cost=high, reference_accuracy=self.chance)


def make_front(accuracy: Floats, seconds: Floats) -> Front:
    """Return the front of some cells, fastest first."""
    rows = pareto_front(accuracy, seconds)[::-1]
    return Front(accuracy[rows], seconds[rows])


def cell_rng(cell: Cell, space: SearchSpace, seed: int) -> np.random.Generator:
    """Return the random numbers of one cell under one seed, whoever asks and when."""
    key = int(CellBatch.from_cells(space, [cell]).keys[0])
    return np.random.default_rng([seed, key & 0xFFFFFFFF, key >> 32])
