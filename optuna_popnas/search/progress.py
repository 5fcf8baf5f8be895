"""Where a search stands: what comes after a plan, and how good its predictions were."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.search.plan import Plan
from optuna_popnas.search.settings import SearchConfig
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


class PredictionQuality(NamedTuple):
    """How well a level was predicted before it was trained (Sec. 6.2).

    Attributes:
        cells: Cells that were predicted and trained.
        rho: Spearman's rank correlation, or None where it is not defined.
        mape: Mean absolute percentage error, or None where it is not defined.
    """

    cells: int
    rho: float | None
    mape: float | None


def next_wave(plans: Sequence[Plan], space: SearchSpace) -> tuple[int, int] | None:
    """Return the level and wave to be planned once every cell of the last plan is done.

    Args:
        plans: All plans so far, in order.
        space: The search space.

    Returns:
        ``(level, wave)``, or None when the search has ended.
    """
    if not plans:
        return 0, 0
    last = plans[-1]
    if not last.cells:
        return None
    if all(planned.role == "pilot" for planned in last.cells):
        return last.level, last.wave + 1
    if last.level >= space.max_blocks:
        return None
    # The wave is 0 but in a search that went on with more children.
    return last.level + 1, sum(plan.level == last.level + 1 for plan in plans)


def descends(cells: Iterable[Cell], parents: Iterable[Cell]) -> tuple[bool, ...]:
    """Return for each cell whether one of ``parents`` grows into it by one block.

    With the exploration cells of a level as parents, these are the cells that Table 5.2 counts.
    """
    known = {cell.canonical() for cell in parents}
    return tuple(not known.isdisjoint(cell.parents()) for cell in cells)


def expected_trials(config: SearchConfig, space: SearchSpace, plans: Sequence[Plan]) -> int:
    """Return how many trainings the whole search takes, given the plans so far.

    Levels to come count as the last one that was chosen from candidates, or where there was none
    yet, as what they can take at most.
    """
    done = {plan.level: 0 for plan in plans}
    for plan in plans:
        done[plan.level] += sum(planned.role != "reserve" for planned in plan.cells)
    if plans and not plans[-1].cells:
        return sum(done.values())
    chosen = [count for level, count in sorted(done.items()) if level >= 2]
    return sum(
        done.get(level, min([most_trials(config, space, level), *chosen[-1:]]))
        for level in range(space.max_blocks + 1)
    )


def most_trials(config: SearchConfig, space: SearchSpace, level: int) -> int:
    """Return how many trainings a level takes at most."""
    if level < 2:
        return len(space.new_blocks(0)) if level else 1
    explores = config.mode == "popnas" and level < space.max_blocks
    return config.max_children + explores * config.max_exploration_children + config.pilot


def prediction_quality(predicted: npt.ArrayLike, measured: npt.ArrayLike, /) -> PredictionQuality:
    """Return Spearman's rho and the mean absolute percentage error (Sec. 6.2).

    Args:
        predicted: ``(n,)`` predictions; NaN where there was none.
        measured: ``(n,)`` measurements.
    """
    guess = np.asarray(predicted, dtype=np.float64)
    truth = np.asarray(measured, dtype=np.float64)
    known = np.isfinite(guess) & np.isfinite(truth)
    guess, truth = guess[known], truth[known]
    count = len(guess)
    rho = mape = None
    if count >= 2 and np.ptp(guess) > 0 and np.ptp(truth) > 0:
        rho = float(np.corrcoef(_ranks(guess), _ranks(truth))[0, 1])
    if count and (truth != 0).all():
        mape = float(np.mean(np.abs(guess - truth) / np.abs(truth)) * 100)
    return PredictionQuality(count, rho, mape)


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return ranks from 1, the mean rank for ties; importing scipy.stats would take a second."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: npt.NDArray[np.float64] = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks
