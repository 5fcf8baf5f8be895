"""The adaptive search: small waves of cells of any depth, chosen by what they are worth.

:func:`plan_wave` is a pure function of what has been trained, what is running, the settings and a
seed, but for the probe it may call. Nobody waits for a level: a wave is planned when the cells of
the last one have been dealt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import time

import numpy as np

from optuna_popnas.predictors.spread import spread_by_covariance
from optuna_popnas.search.beliefs import Beliefs
from optuna_popnas.search.beliefs import Estimates
from optuna_popnas.search.beliefs import Floats
from optuna_popnas.search.growth import grow
from optuna_popnas.search.models import Predictors
from optuna_popnas.search.observation import Observation
from optuna_popnas.search.observation import Probe
from optuna_popnas.search.observation import Running
from optuna_popnas.search.plan import Plan
from optuna_popnas.search.plan import PlannedCell
from optuna_popnas.search.plan import PlanReport
from optuna_popnas.search.settings import SearchConfig
from optuna_popnas.search.wave import choose_wave
from optuna_popnas.search.wave import Chosen
from optuna_popnas.search.wave import rates
from optuna_popnas.search.wave import Worth
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


_RANDOM = 150  # random cells per depth that the first wave chooses from, beside those of one block
_FEWEST = 40  # trainings before which a search without a budget does not end
_LEAST_RATE = 0.02  # of the mean gain per second so far: what promises less is not worth training


def plan_wave(
    space: SearchSpace,
    observations: Sequence[Observation],
    running: Sequence[Running],
    config: SearchConfig,
    predictors: Predictors,
    *,
    wave: int,
    spent: float = 0.0,
    probes: Sequence[Probe] = (),
    left_out: Sequence[Cell] = (),
    rng: np.random.Generator,
) -> Plan:
    """Choose the next cells.

    Args:
        space: The search space.
        observations: Every finished training so far, in any order, with those stopped early.
        running: The cells that are planned and not measured.
        config: The settings.
        predictors: The models, not fitted yet.
        wave: Number of the wave, from 0.
        spent: Seconds of training so far, of failed trainings too.
        probes: Estimates of earlier calls of the probe.
        left_out: Cells that could not be trained, and are not planned.
        rng: Draws the candidates that are looked at.

    Returns:
        The plan: at its ``level`` the deepest of its cells; empty, with a message, where the
        search is to end. A cell that is known already is planned with the role ``"repeat"``.
    """
    started = time.monotonic()
    new: tuple[Probe, ...] = ()
    # The empty cell tells no seconds of others: they would seem hours, and the budget spent.
    if not any(len(item.cell) for item in observations):
        if wave == 0 and not observations:
            new = _probe(space, config, predictors, rng)
        beliefs = Beliefs(space, (), config, predictors, (*probes, *new))
        plan = _first_wave(beliefs, running, left_out, config, wave, rng=rng)
    else:
        beliefs = Beliefs(space, observations, config, predictors, probes)
        known = [*(item.cell for item in observations), *left_out]
        plan = _later_wave(beliefs, known, running, config, wave, spent, rng=rng)
    seconds = round(time.monotonic() - started, 3)
    report = replace(plan.report, seconds=seconds, probes=new, warm_weight=beliefs.warm_weight)
    return replace(plan, report=report)


def _later_wave(
    beliefs: Beliefs,
    finished: Sequence[Cell],
    running: Sequence[Running],
    config: SearchConfig,
    wave: int,
    spent: float,
    *,
    rng: np.random.Generator,
) -> Plan:
    space = beliefs.space
    under_way = beliefs.estimate(_batch(space, [item.cell for item in running]))
    left = np.inf
    if config.budget_seconds is not None:
        left = config.budget_seconds - spent - float(under_way.seconds.sum())
    known = _batch(space, [*finished, *(item.cell for item in running)]).unique()
    worth = Worth.of(beliefs, under_way.take(under_way.inside), _highest(config))

    def judge(cells: CellBatch) -> tuple[Estimates, Floats]:
        """How good cells look, for the front, for accuracy, and by their mean alone."""
        some = beliefs.estimate(cells)
        scores = rates(some.accuracy, some.deviation, some, worth, beliefs.trained.estimates)
        scores = np.column_stack([scores, some.accuracy])
        scores[~(some.inside & (some.seconds <= left))] = -np.inf
        return some, scores

    pool = grow(space, known, judge, rng=rng)
    candidates = len(pool.cells)
    fits = pool.inside & (pool.seconds <= left)
    over = candidates - int(fits.sum())
    pool = pool.take(fits)
    worth = Worth.of(beliefs, pool, _highest(config))
    before = len(finished) + len(running)
    chosen = choose_wave(
        beliefs,
        pool,
        under_way,
        worth,
        count=max(config.wave_size, len(running) // 2),
        left=left,
        before=before,
    )
    report = PlanReport(
        candidates=candidates,
        over_limit=over,
        expected_gain=_rate(chosen),
        budget_left=None if config.budget_seconds is None else round(float(left), 3),
    )
    message = _end(chosen, config, beliefs, worth, spent, before)
    if not chosen and candidates == 0:
        message = "Every cell of the space has been trained."
    if message is not None:
        return Plan(0, wave, (), replace(report, message=message))
    return _plan(wave, chosen, report)


def _end(
    chosen: Sequence[Chosen],
    config: SearchConfig,
    beliefs: Beliefs,
    worth: Worth,
    spent: float,
    trainings: int,
) -> str | None:
    """Return why the search ends here, if it does."""
    if not chosen:
        if config.budget_seconds is not None:
            return f"No cell fits into what is left of the budget of {config.budget_seconds:g} s."
        return "No candidate is left that keeps the limits."
    known = beliefs.trained.estimates
    few = trainings < _FEWEST or not known.costs.shape[1] or spent <= 0
    if few or config.budget_seconds is not None:  # a budget is there to be spent
        return None
    gained = worth.share(known) + float(known.accuracy.max()) - worth.floor
    rate, mean = _rate(chosen) or 0.0, gained / spent
    if rate >= _LEAST_RATE * mean:
        return None
    return (
        f"The next cells promise {rate / mean:.1%} of what a second of training has gained so "
        "far, so the search ends here."
    )


def _rate(chosen: Sequence[Chosen]) -> float | None:
    """Return the expected growth of the front per second of a wave, with accuracy's."""
    if not chosen:
        return None
    gain = sum(item.gain + item.improvement for item in chosen)
    return float(gain / sum(item.seconds for item in chosen))


def _highest(config: SearchConfig) -> float | None:
    return config.time_limit if config.time_range is None else config.time_range[1]


def _first_wave(
    beliefs: Beliefs,
    running: Sequence[Running],
    left_out: Sequence[Cell],
    config: SearchConfig,
    wave: int,
    *,
    rng: np.random.Generator,
) -> Plan:
    """Cells of all depths that tell much of the others and take little time."""
    space = beliefs.space
    pool = beliefs.estimate(_spread_pool(space, rng))
    budget = np.inf if config.budget_seconds is None else config.budget_seconds / 10
    known = _batch(space, [item.cell for item in running])
    taken = _batch(space, [*(item.cell for item in running), *left_out]).keys
    pool = pool.take(pool.inside & (pool.seconds <= budget) & ~np.isin(pool.cells.keys, taken))
    count = config.first_cells - 1 if wave == 0 else max(config.wave_size, len(running) // 2)
    running_rows = beliefs.estimate(known)
    everything = CellBatch.concatenate([known, pool.cells])
    covariance, noise = beliefs.joint(beliefs.estimate(everything))
    seconds = np.concatenate([running_rows.seconds, pool.seconds])
    rows = spread_by_covariance(
        covariance, np.sqrt(seconds), count, noise=noise, given=len(known), keys=everything.keys
    )
    cells = everything.take(rows)
    planned = [PlannedCell(cell, "first") for cell in cells]
    if wave == 0:
        planned.insert(0, PlannedCell(Cell(), "empty"))
    depth = max((len(item.cell) for item in planned), default=0)
    return Plan(depth, wave, tuple(planned), PlanReport(candidates=len(pool.cells)))


def _spread_pool(space: SearchSpace, rng: np.random.Generator) -> CellBatch:
    """Return all cells of one block, and random ones of every other depth."""
    parts = [space.first_level()]
    for blocks in range(2, space.max_blocks + 1):
        parts.append(space.random_cells(blocks, _RANDOM, rng=rng).unique())
    return CellBatch.concatenate(parts).unique()


def _probe(
    space: SearchSpace,
    config: SearchConfig,
    predictors: Predictors,
    rng: np.random.Generator,
) -> tuple[Probe, ...]:
    """Time a few cells before the first training, where there is a probe."""
    if predictors.probe is None or predictors.seconds is None or config.probes == 0:
        return ()
    beliefs = Beliefs(space, (), replace(config, time_limit=None, limits={}), predictors)
    pool = beliefs.estimate(_spread_pool(space, rng))
    covariance, noise = beliefs.joint(pool)
    rows = spread_by_covariance(
        covariance, pool.seconds, min(config.probes, 12), noise=noise, keys=pool.cells.keys
    )
    found = []
    for cell in pool.cells.take(rows):
        seconds = float(predictors.probe(cell))
        if np.isfinite(seconds) and seconds > 0:
            found.append(Probe(cell, seconds))
    return tuple(found)


def _plan(wave: int, chosen: Sequence[Chosen], report: PlanReport) -> Plan:
    planned = tuple(
        PlannedCell(item.cell, item.role, item.accuracy, item.seconds, item.deviation)
        for item in chosen
    )
    return Plan(max(len(item.cell) for item in chosen), wave, planned, report)


def _batch(space: SearchSpace, cells: Sequence[Cell]) -> CellBatch:
    return CellBatch.from_cells(space, list(cells)).canonical()
