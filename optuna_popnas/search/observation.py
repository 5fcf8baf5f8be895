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
        curve: Validation accuracies of its epochs if its training was stopped early, as it
            promised nothing; ``accuracy`` and ``seconds`` are then what it would have come to,
            as far as that is known. Else empty.
        repeat: How many other trainings of the cell were planned before this one.
    """

    cell: Cell
    accuracy: float
    seconds: float | None = None
    others: tuple[float, ...] = ()
    curve: tuple[float, ...] = ()
    repeat: int = 0


class Running(NamedTuple):
    """A training that is planned or under way, and not measured.

    Attributes:
        cell: The cell.
        seconds: Its predicted training time, None if nothing was predicted.
        repeat: As of an :class:`Observation`.
    """

    cell: Cell
    seconds: float | None = None
    repeat: int = 0


class Probe(NamedTuple):
    """A cheap estimate of a cell's training time.

    Attributes:
        cell: The cell.
        seconds: Estimated seconds of a whole training.
    """

    cell: Cell
    seconds: float
