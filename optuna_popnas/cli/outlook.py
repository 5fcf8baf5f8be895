"""What a search will cost, from a few timed cells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.launch import default_workers
from optuna_popnas.cli.launch import visible_gpus
from optuna_popnas.cli.schema import settings as known_settings
from optuna_popnas.search.models import CostFunction
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace
from optuna_popnas.study.words import duration_words


if TYPE_CHECKING:
    from optuna_popnas.objective import TrainingObjective
    from optuna_popnas.search import SearchConfig
    from optuna_popnas.training import ImageData

Floats = npt.NDArray[np.float64]
Costs = Mapping[str, npt.NDArray[Any]]

_MOST_COUNTED = 400_000  # encodings up to which a level is counted one by one
_MOST_COSTED = 20_000  # cells of a level whose costs are computed


class LevelOutlook(NamedTuple):
    """What one level would be like.

    Attributes:
        level: Blocks per cell.
        encodings: Cells of this level in the whole space, equivalent ones counted apart.
        distinct: Cells after equivalence; None where there are too many to count.
        candidates: Cells that would be judged, from as many parents as the search keeps.
        merged: How many of their encodings were equivalent to others.
        trainings: Cells that are trained at most; None in mode "adaptive", which has no levels.
        parameters, flops: (least, median, most) of the candidates.
        seconds: Estimated mean training time of a candidate; None if nothing was timed.
        inside: Share of the candidates within all limits; None without limits.
    """

    level: int
    encodings: int
    distinct: int | None
    candidates: int
    merged: int
    trainings: int | None
    parameters: tuple[int, int, int]
    flops: tuple[int, int, int]
    seconds: float | None
    inside: float | None


def worker_count(settings: SearchSettings) -> int:
    """Return how many workers this machine will have."""
    if settings.study.device == "mps":  # there is one, which they would share
        return settings.study.workers or 1
    gpus = [] if settings.study.device == "cpu" else visible_gpus()
    threads = settings.values["machine"].get("threads", 1)
    return settings.study.workers or default_workers(gpus, threads)


def outlook_text(settings: SearchSettings, data: ImageData, objective: TrainingObjective) -> str:
    """Return what a search will cost, before it is begun."""
    from optuna_popnas.cli.work import cost_function
    from optuna_popnas.objective.proxies import time_cells

    measured = time_cells(objective, 4, seconds=10.0)
    workers = worker_count(settings)
    name = f"{workers} worker{'s' if workers > 1 else ''} on {objective.device.type}"
    if search_config(settings).mode == "adaptive":
        text = adaptive_words(settings, measured, name)
    else:
        cost = cost_function(objective.network, data)
        levels = outlook(settings, objective.space, cost, measured)
        text = f"At most {most_trainings(levels):,} trainings with {name}"
        hours = training_hours(levels)
        if hours is not None:
            each = duration_words(hours * 3600 / workers)
            text += f", about {each} (a guess from a few cells)"
    return f"{text}."


def adaptive_words(
    settings: SearchSettings, measured: list[tuple[Cell, float]], workers: str
) -> str:
    """Return what a search of mode "adaptive" will cost, as a sentence without its full stop."""
    budget, count = search_config(settings).budget_seconds, worker_count(settings)
    each = sum(seconds for _, seconds in measured) / len(measured) if measured else None
    if budget is None:
        text = f"Trainings with {workers} until little more is to be gained"
        if each is not None:
            text += f"; a training takes about {each:.2g} s (a guess from a few cells)"
        return f"{text}. --hours or --budget-seconds set a limit"
    text = f"{duration_words(budget)} of training with {workers}"
    text += f", about {duration_words(budget / count)}" if count > 1 else ""
    if each is not None:
        text += f": some {budget / each:,.0f} cells (a guess from a few)"
    return text


def search_config(settings: SearchSettings) -> SearchConfig:
    """Return what the search itself is set to, in the mode that the sampler has by default."""
    from optuna_popnas.search import SearchConfig

    search = {"mode": known_settings()["search"]["mode"].default, **settings.values["search"]}
    return SearchConfig(
        **{k: v for k, v in search.items() if k in SearchConfig.__dataclass_fields__}
    )


def outlook(
    settings: SearchSettings,
    space: SearchSpace,
    cost: CostFunction,
    measured: list[tuple[Cell, float]],
) -> list[LevelOutlook]:
    """Return what each level would be like; parents are drawn at random, not predicted."""
    from optuna_popnas.search import most_trials

    config = search_config(settings)
    model = _TimeModel(cost, space, measured)
    rng = np.random.default_rng(settings.study.seed)
    parents: CellBatch | None = None
    whole: CellBatch | None = None
    rows = []
    for level in space.profile():
        if parents is None:
            candidates = whole = space.first_level()
            encodings, trainings = len(candidates), len(candidates)
        else:
            if whole is not None:
                counted = len(whole) * level.new_blocks <= _MOST_COUNTED
                whole = space.expand(whole) if counted else None
            candidates = space.expand(parents, max_encodings=config.max_candidates, rng=rng)
            encodings = min(len(parents) * level.new_blocks, config.max_candidates)
            trainings = most_trials(config, space, level.blocks)
        size = min(len(candidates), _MOST_COSTED)
        some = candidates.take(np.sort(rng.choice(len(candidates), size=size, replace=False)))
        costs = {name: np.asarray(column) for name, column in cost(some).items()}
        seconds = model.predict(costs)
        inside = _inside(config.limits, config.time_limit, costs, seconds)
        kept = some if inside is None or not inside.any() else some.take(inside)
        rows.append(
            LevelOutlook(
                level=level.blocks,
                encodings=level.upper_bound,
                distinct=None if whole is None else len(whole),
                candidates=len(candidates),
                merged=encodings - len(candidates),
                trainings=None if config.mode == "adaptive" else min(trainings, len(candidates)),
                parameters=_range(costs["parameters"]),
                flops=_range(costs["flops"]),
                seconds=None if seconds is None else float(seconds.mean()),
                inside=None if inside is None else float(inside.mean()),
            )
        )
        if level.blocks == 1:
            parents = kept  # every cell of the first level is trained
            continue
        explored = 0 if config.mode in ("pnas", "popnas-v1") else config.max_exploration_children
        count = min(config.max_children + explored, len(kept))
        parents = kept.take(np.sort(rng.choice(len(kept), size=count, replace=False)))
    return rows


class _TimeModel:
    """Seconds as a sum of a constant and non-negative shares of parameters and FLOPs."""

    def __init__(
        self, cost: CostFunction, space: SearchSpace, measured: list[tuple[Cell, float]]
    ) -> None:
        self._weights: Floats | None = None
        if not measured:
            return
        from scipy.optimize import nnls

        batch = CellBatch.from_cells(space, [cell for cell, _ in measured])
        seconds = np.array([value for _, value in measured], dtype=np.float64)
        design = self._design(cost(batch))
        weights, _ = nnls(design / seconds[:, None], np.ones(len(seconds)))  # relative errors
        self._weights = weights

    def predict(self, costs: Costs) -> Floats | None:
        if self._weights is None:
            return None
        seconds: Floats = self._design(costs) @ self._weights
        return seconds

    @staticmethod
    def _design(costs: Costs) -> Floats:
        flops = np.asarray(costs["flops"], dtype=np.float64)
        parameters = np.asarray(costs["parameters"], dtype=np.float64)
        return np.stack([np.ones(len(flops)), parameters, flops], axis=1)


def _inside(
    limits: dict[str, float], time_limit: float | None, costs: Costs, seconds: Floats | None
) -> npt.NDArray[np.bool_] | None:
    if not limits and (time_limit is None or seconds is None):
        return None
    inside = np.ones(len(costs["flops"]), dtype=bool)
    for name, limit in limits.items():
        inside &= costs[name] <= limit
    if time_limit is not None and seconds is not None:
        inside &= seconds <= time_limit
    return inside


def _range(values: npt.NDArray[Any]) -> tuple[int, int, int]:
    return int(values.min()), int(np.median(values)), int(values.max())


def most_trainings(levels: list[LevelOutlook]) -> int:
    """Return how many trainings a search of these levels takes at most, the empty cell's too."""
    return 1 + sum(row.trainings or 0 for row in levels)


def training_hours(levels: list[LevelOutlook]) -> float | None:
    """Return the hours of training of a search of these levels; None if they are not known."""
    if any(row.seconds is None or row.trainings is None for row in levels):
        return None
    return sum((row.trainings or 0) * (row.seconds or 0.0) for row in levels) / 3600
