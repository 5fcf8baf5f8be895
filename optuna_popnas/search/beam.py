"""From finished cells to the next level (Sec. 4.3, Algorithm 4.1).

:func:`plan_level` is a pure function of the finished cells, the settings and a seed, but for
the probe it may call. Two planners that know the same cells write the same plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
import time

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.spread import spread_cells
from optuna_popnas.search.exploration import exploration_front
from optuna_popnas.search.exploration import exploration_sets
from optuna_popnas.search.models import LevelEstimates
from optuna_popnas.search.models import OtherCosts
from optuna_popnas.search.models import predict
from optuna_popnas.search.models import Predictors
from optuna_popnas.search.models import TimeModel
from optuna_popnas.search.models import TrainingData
from optuna_popnas.search.observation import Observation
from optuna_popnas.search.observation import Probe
from optuna_popnas.search.pareto import pareto_front
from optuna_popnas.search.pareto import thin_front
from optuna_popnas.search.pareto import top_accuracy
from optuna_popnas.search.plan import Plan
from optuna_popnas.search.plan import PlannedCell
from optuna_popnas.search.plan import PlanReport
from optuna_popnas.search.settings import SearchConfig
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


Floats = npt.NDArray[np.float64]

_SAMPLE = 300  # estimates kept in a plan for the figures


def plan_level(
    space: SearchSpace,
    level: int,
    observations: Sequence[Observation],
    config: SearchConfig,
    predictors: Predictors | None = None,
    *,
    wave: int = 0,
    probes: Sequence[Probe] = (),
    rng: np.random.Generator,
) -> Plan:
    """Choose the cells of a level (Algorithm 4.1).

    Args:
        space: The search space.
        level: Blocks per cell; 0 is the empty cell, 1 all one-block cells.
        observations: Every finished cell so far.
        config: The settings.
        predictors: The models; not needed below level 2.
        wave: Number of the wave. With ``config.pilot``, wave 0 is the pilot.
        probes: LevelEstimates of earlier calls of the probe.
        rng: Samples candidates, pilots and probes.

    Returns:
        The plan, front first, then exploration cells, then reserves; empty if the search cannot
        go on.
    """
    if level == 0:
        return Plan(0, wave, (PlannedCell(Cell(), "empty"),))
    if level == 1:
        cells = space.first_level()
        planned = tuple(PlannedCell(cell, "first") for cell in cells)
        return Plan(1, wave, planned, PlanReport(candidates=len(cells)))
    if predictors is None:
        raise ValueError("`predictors` must be given from level 2 on, but got None.")

    started = time.monotonic()
    exact = config.mode == "popnas-v1"
    data = _training_data(space, observations, exact=exact)
    parents = data.cells.take(data.cells.lengths == level - 1)
    parents = _distinct(parents) if exact else parents.unique()
    if len(parents) == 0:
        message = f"No cell of {level - 1} blocks has finished, so none can grow."
        return Plan(level, wave, (), PlanReport(message=message, candidates=0))
    candidates, report = _candidates(space, parents, data.cells, config, rng)
    if len(candidates) == 0:
        message = f"Every cell of {level} blocks that can follow has been trained."
        return Plan(level, wave, (), replace(report, message=message))
    if config.pilot and wave == 0:
        rows = spread_cells(candidates, min(config.pilot, len(candidates)), rng=rng)
        planned = tuple(PlannedCell(cell, "pilot") for cell in candidates.take(rows))
        return Plan(level, wave, planned, report)

    estimates, new_probes = _estimate(predictors, data, candidates, probes, config, rng)
    inside = _within_limits(estimates, config)
    report = replace(
        report,
        over_limit=len(candidates) - len(inside.cells),
        sample=_sample(estimates, rng),
        probes=new_probes,
    )
    if len(inside.cells) == 0:
        message = (
            f"None of {len(candidates)} candidates of {level} blocks is predicted to be within "
            "the limits, so the search ends here."
        )
        report = replace(report, message=message, seconds=_since(started))
        return Plan(level, wave, (), report)
    planned, equivalents = choose(inside, config, last=level == space.max_blocks)
    report = replace(report, equivalents=equivalents, seconds=_since(started))
    return Plan(level, wave, planned, report)


def choose(
    estimates: LevelEstimates, config: SearchConfig, *, last: bool
) -> tuple[tuple[PlannedCell, ...], int]:
    """Pick front, exploration cells and reserves from candidates within the limits.

    Args:
        estimates: The candidates, all of the same number of blocks.
        config: The settings.
        last: Whether this is the last level, which has no exploration step.

    Returns:
        The cells, and how many further encodings those of front and exploration had.
    """
    front = select_front(estimates, config)
    exploration = np.empty(0, dtype=np.intp)
    if config.mode == "popnas" and not last:
        blocks = int(estimates.cells.lengths[0])
        exploration = exploration_front(
            estimates.cells,
            optimistic(estimates, config),
            cost_matrix(estimates, config),
            front,
            exploration_sets(estimates.cells.take(front), blocks=blocks),
            max_size=config.max_exploration_children,
        )
    chosen = np.concatenate([front, exploration])
    copies = estimates.cells.copies
    equivalents = 0 if copies is None else int(copies[chosen].sum()) - len(chosen)
    reserve = _reserve(estimates, config, chosen)
    roles = (
        ["front"] * len(front) + ["exploration"] * len(exploration) + ["reserve"] * len(reserve)
    )
    rows = np.concatenate([chosen, reserve]).astype(np.intp)
    return planned_cells(estimates.take(rows), roles), equivalents


def select_front(estimates: LevelEstimates, config: SearchConfig) -> npt.NDArray[np.intp]:
    """Return the rows of the beam: K of the Pareto front, or PNAS' most accurate cells."""
    keys = estimates.cells.keys
    accuracy = optimistic(estimates, config)
    costs = cost_matrix(estimates, config)
    if config.mode == "pnas" or costs.shape[1] == 0:
        return top_accuracy(accuracy, keys, max_size=config.max_children)
    front = pareto_front(accuracy, costs, keys)
    if config.keeps == "accuracy":
        return front[: config.max_children]
    return front[thin_front(accuracy[front], costs[front], max_size=config.max_children)]


def optimistic(estimates: LevelEstimates, config: SearchConfig) -> Floats:
    """Return the accuracies that are compared, ``(n,)``."""
    if config.optimism == 0 or estimates.accuracy_std is None:
        return estimates.accuracy
    return estimates.accuracy + config.optimism * estimates.accuracy_std


def cost_matrix(estimates: LevelEstimates, config: SearchConfig) -> Floats:
    """Return the objectives to be minimised, ``(n, d)``, time first."""
    columns = [] if estimates.seconds is None else [estimates.seconds]
    columns += [(estimates.costs or {})[name] for name in config.objectives]
    matrix = np.empty((len(estimates.accuracy), len(columns)))
    for index, column in enumerate(columns):
        matrix[:, index] = column
    return matrix


def planned_cells(estimates: LevelEstimates, roles: Sequence[str]) -> tuple[PlannedCell, ...]:
    """Return each candidate with its role and predictions."""

    def column(values: Floats | None) -> list[float | None]:
        if values is None:
            return [None] * len(roles)
        return [float(value) if np.isfinite(value) else None for value in values]

    columns = (
        estimates.accuracy,
        estimates.seconds,
        estimates.accuracy_std,
        estimates.seconds_std,
    )
    return tuple(map(PlannedCell, estimates.cells, roles, *map(column, columns)))


def _distinct(cells: CellBatch) -> CellBatch:
    """Return each encoding once; equivalent ones stay."""
    flat = cells.encoding.reshape(len(cells), -1)
    return cells.take(np.unique(flat, axis=0, return_index=True)[1])


def _training_data(
    space: SearchSpace, observations: Sequence[Observation], *, exact: bool = False
) -> TrainingData:
    """Finished cells in an order that does not depend on when they finished."""
    batch = CellBatch.from_cells(space, [item.cell for item in observations])
    batch = batch if exact else batch.canonical()
    accuracy = np.array([item.accuracy for item in observations], dtype=np.float64)
    timed = all(item.seconds is not None for item in observations)
    seconds = np.array([item.seconds if timed else 0.0 for item in observations], dtype=np.float64)
    width = min((len(item.others) for item in observations), default=0)
    others = np.array([item.others[:width] for item in observations], dtype=np.float64)
    others = others.reshape(len(observations), width)
    order = np.lexsort([*others.T, seconds, accuracy, batch.keys, batch.lengths])
    return TrainingData(
        batch.take(order), accuracy[order], seconds[order] if timed else None, others[order]
    )


def _candidates(
    space: SearchSpace,
    parents: CellBatch,
    trained: CellBatch,
    config: SearchConfig,
    rng: np.random.Generator,
) -> tuple[CellBatch, PlanReport]:
    """Expand the parents, and leave out what has been trained."""
    exact = config.mode == "popnas-v1"
    encodings = len(parents) * len(space.new_blocks(int(parents.lengths[0]), flat=exact))
    expanded = space.expand(
        parents,
        merge_equivalent=not exact,
        flat=exact,
        max_encodings=config.max_candidates,
        rng=rng,
    )
    candidates = expanded
    if not exact:
        candidates = expanded.take(~np.isin(expanded.keys, trained.keys))
    report = PlanReport(
        parents=len(parents),
        encodings=encodings,
        merged=min(encodings, config.max_candidates) - len(expanded),
        known=len(expanded) - len(candidates),
        candidates=len(candidates),
    )
    return candidates, report


def _estimate(
    predictors: Predictors,
    data: TrainingData,
    candidates: CellBatch,
    probes: Sequence[Probe],
    config: SearchConfig,
    rng: np.random.Generator,
) -> tuple[LevelEstimates, tuple[Probe, ...]]:
    """Fit the predictors and predict the candidates; return also what was probed for that."""
    predictors.accuracy.fit(data.cells, data.accuracy)
    timing = TimeModel(predictors, data, list(probes), config)
    timing.probe_spread(candidates, rng)
    accuracy, accuracy_std = predict(predictors.accuracy, candidates)
    costs = OtherCosts(predictors, data, config).of(candidates)

    def estimate() -> LevelEstimates:
        seconds, seconds_std = timing.predict(candidates)
        return LevelEstimates(candidates, accuracy, seconds, accuracy_std, seconds_std, costs)

    estimates = estimate()
    if timing.can_probe:
        # Those about to enter the front are timed before they are trusted.
        inside = _within_limits(estimates, config)
        timing.probe_all(inside.cells.take(select_front(inside, config)))
        estimates = estimate()
    return estimates, timing.new_probes


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)


def _within_limits(estimates: LevelEstimates, config: SearchConfig) -> LevelEstimates:
    """Drop candidates over the time limit (T) or over a limit of a computed cost."""
    inside = np.ones(len(estimates.cells), dtype=bool)
    if config.time_limit is not None and estimates.seconds is not None:
        inside &= estimates.seconds <= config.time_limit
    for name, limit in config.limits.items():
        inside &= (estimates.costs or {})[name] <= limit
    return estimates if inside.all() else estimates.take(inside)


def _reserve(
    estimates: LevelEstimates, config: SearchConfig, taken: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    """Next-best rows: the fronts that appear when the earlier ones are taken away."""
    left = np.ones(len(estimates.cells), dtype=bool)
    left[taken] = False
    rows: list[int] = []
    while len(rows) < config.reserve and left.any():
        remaining = np.flatnonzero(left)
        layer = remaining[select_front(estimates.take(remaining), config)]
        layer = layer[: config.reserve - len(rows)]
        rows.extend(layer.tolist())
        left[layer] = False
    return np.array(rows, dtype=np.intp)


def _sample(estimates: LevelEstimates, rng: np.random.Generator) -> tuple[tuple[float, ...], ...]:
    """Some estimates for the figures: ``(accuracy, seconds)`` or ``(accuracy,)``."""
    count = min(_SAMPLE, len(estimates.cells))
    rows = np.sort(rng.choice(len(estimates.cells), size=count, replace=False))
    columns = [estimates.accuracy[rows]]
    if estimates.seconds is not None:
        columns.append(estimates.seconds[rows])
    rounded = np.stack(columns, 1).tolist()
    return tuple(tuple(float(f"{value:.4g}") for value in row) for row in rounded)
