"""How large networks, images and trainings of a search may be in the time that there is."""

from __future__ import annotations

from collections.abc import Callable
import math
import time
from typing import NamedTuple

import numpy as np

from optuna_popnas.networks import NetworkConfig
from optuna_popnas.objective.training_objective import TrainingObjective
from optuna_popnas.predictors.spread import spread_cells
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace
from optuna_popnas.training.data.image_data import ImageData


#: A search needs so many trainings to show what it can do.
TRAININGS = 150
#: Planning, validation and reading take their part of the time.
TRAINING_SHARE = 0.8

#: Fewer images than these cannot tell cells apart: a larger part of few images validates.
VALIDATION_IMAGES = 200
_LARGEST_PART = 0.3

_TIMED_CELLS = 3
_TIMING_SECONDS = 15.0


class Proxy(NamedTuple):
    """A size of the search's networks and trainings; epochs end with a cosine period.

    Attributes:
        side: The longer side of the images, in pixels.
        motifs: Motifs of the network.
        normal_cells: Normal cells per motif.
        filters: Filters of the first cells.
        epochs: Epochs of a training.
    """

    side: int
    motifs: int
    normal_cells: int
    filters: int
    epochs: int

    @property
    def network(self) -> NetworkConfig:
        """Settings of the networks."""
        return NetworkConfig(self.motifs, self.normal_cells, self.filters)

    def describe(self) -> str:
        """Return it in words."""
        return (
            f"{self.side} pixels, {self.epochs} epochs, {self.filters} filters, {self.motifs} "
            f"motifs with {self.normal_cells} normal cell{'s' * (self.normal_cells > 1)} each"
        )


#: From the richest to the poorest.
PROXIES = (
    Proxy(64, 3, 2, 24, 21),
    Proxy(32, 3, 2, 24, 21),
    Proxy(32, 3, 2, 16, 21),
    Proxy(32, 3, 1, 16, 9),
    Proxy(24, 2, 2, 12, 9),
    Proxy(16, 2, 1, 8, 9),
    Proxy(16, 2, 1, 8, 3),
)


def validation_part(images: ImageData) -> float:
    """Return the part of the images that should validate, at least what does.

    The thesis' tenth of 300 images is 30, whose accuracies go up in steps of .033.
    """
    if images.validation is not None:  # the data name them
        return images.validation_fraction
    wanted = min(round(VALIDATION_IMAGES / len(images.labels), 2), _LARGEST_PART)
    return max(images.validation_fraction, wanted)


def affordable_proxy(
    make: Callable[[Proxy], TrainingObjective], seconds: float
) -> tuple[Proxy, float, TrainingObjective]:
    """Return the richest proxy whose trainings are short enough.

    Args:
        make: Makes the objective of a proxy.
        seconds: Seconds that a search has for its trainings.

    Returns:
        The proxy with the side that its images have, seconds of one training, the objective.
    """
    for proxy in PROXIES:
        objective = make(proxy)
        measured = [s for _, s in time_cells(objective, _TIMED_CELLS, seconds=_TIMING_SECONDS)]
        cost = sum(measured) / len(measured) if measured else math.inf
        if cost <= seconds / TRAININGS:
            break
    return proxy._replace(side=max(objective.data.image_size)), cost, objective


def time_cells(
    objective: TrainingObjective, count: int, *, seconds: float = math.inf
) -> list[tuple[Cell, float]]:
    """Return the training seconds of some cells, each timed for a moment.

    Args:
        objective: Trains the cells.
        count: How many cells.
        seconds: No further cell is begun after so long.
    """
    started, measured = time.monotonic(), []
    for cell in _cells_to_time(objective.space, count):
        try:
            measured.append((cell, objective.probe(cell)))
        except (RuntimeError, ArithmeticError):  # too large for this machine, say
            continue
        if time.monotonic() - started > seconds:
            break
    return measured


def _cells_to_time(space: SearchSpace, count: int) -> list[Cell]:
    """Return cells of one and two blocks that are as different as can be."""
    rng = np.random.default_rng(0)
    first = space.first_level()
    batches = [first]
    if space.max_blocks > 1:
        parents = first.take(rng.choice(len(first), size=min(12, len(first)), replace=False))
        batches.append(space.expand(parents))
    cells: list[Cell] = []
    for index, batch in enumerate(batches):
        share = count // len(batches) + (index < count % len(batches))
        cells += batch.take(spread_cells(batch, min(share, len(batch)), rng=rng))
    return cells
