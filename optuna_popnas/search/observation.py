"""What the search knows: finished cells and probes."""

from __future__ import annotations

from typing import NamedTuple

from optuna_popnas.space import Cell


class Observation(NamedTuple):
    """A cell that has been trained.

    Attributes:
        cell: The cell.
        accuracy: Its validation accuracy.
        seconds: Its training time, or None where time is not measured.
        others: The values of all further objectives, measured or computed.
    """

    cell: Cell
    accuracy: float
    seconds: float | None = None
    others: tuple[float, ...] = ()


class Probe(NamedTuple):
    """A cheap estimate of a cell's training time.

    Attributes:
        cell: The cell.
        seconds: Estimated seconds of a whole training.
    """

    cell: Cell
    seconds: float
