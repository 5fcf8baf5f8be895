"""What training a cell is expected to add to the front, in closed form.

| symbol | meaning |
|---|---|
| ``a ~ N(mean, deviation^2)`` | accuracy of a candidate as it will be known after one training |
| ``c`` | its costs, taken as known |
| ``F(s)`` | best accuracy known at costs ``s`` or less |
| ``R`` | reference costs: the hypervolume is that of ``c <= s <= R`` |

The hypervolume grows by the integral of ``max(0, a - F(s))`` over ``c <= s <= R``. ``F`` is
constant on the boxes of a grid through the costs of the front, so that its expectation is a sum
over boxes of ``volume * E[(a - F)+]`` (expected hypervolume improvement; for one cost a sum over
the steps of the front).
"""

from __future__ import annotations

from itertools import product
from math import erf
from math import pi
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.search.pareto import pareto_front


Floats = npt.NDArray[np.float64]

_MOST_BOXES = 500
_STEPS = np.linspace(-6.0, 6.0, 2401)
_DISTRIBUTION = np.array([0.5 * (1 + erf(step / 2**0.5)) for step in _STEPS])


class Front(NamedTuple):
    """The best accuracy known on each box of costs.

    Attributes:
        lower: ``(k, d)`` lower corners.
        upper: ``(k, d)`` upper corners; the reference at the end.
        accuracy: ``(k,)`` best accuracy of what costs no more than the lower corner.
    """

    lower: Floats
    upper: Floats
    accuracy: Floats

    def volume(self, floor: float) -> float:
        """Return the hypervolume above an accuracy."""
        boxes = np.isfinite(self.lower).all(axis=1)
        sides = np.maximum(self.upper[boxes] - self.lower[boxes], 0.0).prod(axis=1)
        return float(sides @ np.maximum(self.accuracy[boxes] - floor, 0.0))


def known_front(accuracy: Floats, costs: Floats, *, reference: Floats, least: float) -> Front:
    """Return the front of known cells as boxes, a thousand or so at most.

    Args:
        accuracy: ``(n,)`` of known cells.
        costs: ``(n, d)`` of known cells.
        reference: ``(d,)``; what costs more in anything does not count.
        least: Accuracy that has no worth, such as that of guessing.
    """
    inside = (costs < reference).all(axis=1) & (accuracy > least)
    accuracy, costs = accuracy[inside], costs[inside]
    best = pareto_front(accuracy, costs)
    accuracy, costs = accuracy[best], costs[best]
    most = max(2, int(_MOST_BOXES ** (1 / max(1, costs.shape[1]))))
    edges = []
    for column, end in zip(costs.T, reference):
        values = np.unique(column)
        if len(values) > most - 1:
            values = np.unique(np.quantile(values, np.linspace(0, 1, most - 1), method="lower"))
        edges.append(np.concatenate([[-np.inf], values, [end]]))
    lower = np.array(list(product(*(edge[:-1] for edge in edges))), dtype=np.float64)
    upper = np.array(list(product(*(edge[1:] for edge in edges))), dtype=np.float64)
    known = np.full(len(lower), least)
    for value, cost in zip(accuracy[::-1], costs[::-1]):  # the most accurate last
        known[(lower >= cost).all(axis=1)] = value
    return Front(lower, upper, known)


def expected_gain(mean: Floats, deviation: Floats, costs: Floats, front: Front) -> Floats:
    """Return the expected growth of the hypervolume, ``(m,)``.

    Args:
        mean: ``(m,)``.
        deviation: ``(m,)``.
        costs: ``(m, d)``.
        front: What is known.
    """
    volume = np.ones((len(mean), len(front.accuracy)))
    for axis in range(costs.shape[1]):
        start = np.maximum(front.lower[:, axis], costs[:, axis, None])
        volume *= np.maximum(front.upper[:, axis] - start, 0.0)
    gain = expected_excess(mean[:, None], deviation[:, None], front.accuracy)
    return np.einsum("ij,ij->i", volume, gain)


def expected_excess(mean: Floats, deviation: Floats, threshold: Floats | float) -> Floats:
    """Return ``E[max(0, a - threshold)]`` of normal ``a``; shapes broadcast."""
    deviation = np.maximum(deviation, 1e-12)
    away = np.clip((mean - threshold) / deviation, -6.0, None)
    density = np.exp(-0.5 * np.square(away)) / np.sqrt(2 * pi)
    below = np.interp(away, _STEPS, _DISTRIBUTION)
    return np.asarray(np.maximum(deviation * (density + away * below), 0.0))
