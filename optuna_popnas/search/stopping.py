"""When a training is hopeless: its learning curve says that the cell will not reach the front.

Finished trainings say how accuracies so far and best accuracies belong together: a straight line
in logits, with the spread that is left around it. A training is stopped if the best accuracy that
its own curve leads to is, but for a small chance, below that of a finished cell which costs no
more in anything. Optuna's pruners do not know several objectives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats


Floats = npt.NDArray[np.float64]

#: Finished trainings below which nothing is stopped.
FEWEST = 12
#: A training is stopped if its chance to reach the front is below this.
CHANCE = 0.005

# Accuracies are kept this far from 0 and 1, where logits have no end.
_EDGE = 0.005
# Spread of best accuracies around what curves lead to that is always reckoned with, in logits.
_LEAST_SPREAD = 0.08
# Curves surprise more often than a normal distribution says: Student's t of so many degrees.
_DEGREES = 6


class Outlook(NamedTuple):
    """What a learning curve leads to.

    Attributes:
        accuracy: The expected best accuracy.
        chance: The chance that the cell will be on the front.
    """

    accuracy: float
    chance: float


def outlook(
    curve: Sequence[float],
    costs: npt.ArrayLike,
    finished: Sequence[Sequence[float]],
    finished_costs: npt.ArrayLike,
) -> Outlook:
    """Return what the curve of a running training leads to.

    Args:
        curve: Its accuracy after each epoch so far, in [0, 1].
        costs: ``(d,)`` its costs, such as the seconds it will have taken, all to be minimised.
        finished: Curves of finished trainings of the same settings, over all epochs.
        finished_costs: ``(n,)`` or ``(n, d)`` their costs.

    Returns:
        Accuracy and chance; the chance is 1 where too little is known to say.
    """
    so_far = max(curve)
    own = np.asarray(costs, dtype=np.float64).reshape(-1)
    theirs = np.asarray(finished_costs, dtype=np.float64)
    theirs = theirs[:, None] if theirs.ndim == 1 else theirs
    best = np.array([max(other) for other in finished], dtype=np.float64)
    rivals = best[(theirs <= own).all(axis=1)]
    long = [len(other) > len(curve) for other in finished]
    if len(rivals) == 0 or sum(long) < FEWEST:
        return Outlook(so_far, 1.0)
    early = np.array([max(other[: len(curve)]) for other in finished])[long]
    x, y, at = _logit(early), _logit(best[long]), float(_logit(np.array([so_far]))[0])
    middle, n = x.mean(), len(x)
    width = float(((x - middle) ** 2).sum()) + 1e-9
    slope = min(max(float(((x - middle) * (y - y.mean())).sum()) / width, 0.0), 1.5)
    residuals = y - y.mean() - slope * (x - middle)
    # Accuracies near one's own say more of the spread than those far away.
    weights = np.exp(-0.5 * ((x - at) / max(float(x.std()), 0.1)) ** 2) + 1e-3
    spread = float(np.average(residuals**2, weights=weights) * n / (n - 2)) ** 0.5
    # How far off the line itself may be; no more than the spread, for cells unlike all others.
    leverage = min(1.0 / n + (at - middle) ** 2 / width, 1.0)
    spread = max(spread, _LEAST_SPREAD) * (1.0 + leverage) ** 0.5
    expected = max(y.mean() + slope * (at - middle), at)
    bar = float(_logit(rivals.max(keepdims=True))[0])
    chance = float(stats.t.sf((bar - expected) / spread, _DEGREES))
    return Outlook(float(1.0 / (1.0 + np.exp(-expected))), chance)


def is_hopeless(
    curve: Sequence[float],
    costs: npt.ArrayLike,
    finished: Sequence[Sequence[float]],
    finished_costs: npt.ArrayLike,
    *,
    chance: float = CHANCE,
) -> bool:
    """Return whether a running training should be stopped; arguments as for :func:`outlook`.

    Args:
        chance: Stop if the chance to reach the front is below this.
    """
    return outlook(curve, costs, finished, finished_costs).chance < chance


def _logit(accuracy: Floats) -> Floats:
    inside = np.clip(accuracy, _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(inside) - np.log1p(-inside), dtype=np.float64)
