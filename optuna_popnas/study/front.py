"""The Pareto front of trials, and how it grew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from optuna_popnas.search import hypervolume
from optuna_popnas.search import pareto_front
from optuna_popnas.study.records import TrialRecord


Floats = npt.NDArray[np.float64]


def front(
    trials: Iterable[TrialRecord], directions: Sequence[str] | None = None
) -> tuple[TrialRecord, ...]:
    """Return the trials that no other dominates in all objectives, the most accurate first.

    Args:
        trials: Trials; those that were not measured take no part.
        directions: ``"maximize"`` or ``"minimize"`` for each objective; if left out, the first
            objective is maximized and all others are minimized.
    """
    valid = [trial for trial in trials if trial.is_valid]
    if not valid:
        return ()
    values = np.array([trial.values for trial in valid], dtype=np.float64)
    names = directions or ("maximize", *["minimize"] * (values.shape[1] - 1))
    costs = values * [-1.0 if name == "maximize" else 1.0 for name in names]
    return tuple(valid[row] for row in pareto_front(-costs[:, 0], costs[:, 1:]))


def running_hypervolume(accuracy: Floats, costs: Floats, *, reference_cost: float) -> Floats:
    """Return the hypervolume of the first point, of the first two, and so on.

    Args:
        accuracy: ``(n,)``, to be maximized.
        costs: ``(n,)``, to be minimized.
        reference_cost: Points that cost as much or more do not count.
    """
    volumes = np.zeros(len(accuracy))
    kept = np.zeros(0, dtype=np.intp)
    volume = 0.0
    for row in range(len(accuracy)):
        if not ((accuracy[kept] >= accuracy[row]) & (costs[kept] <= costs[row])).any():
            kept = np.append(kept, row)
            kept = kept[pareto_front(accuracy[kept], costs[kept])]
            volume = hypervolume(accuracy[kept], costs[kept], reference_cost=reference_cost)
        volumes[row] = volume
    return volumes
