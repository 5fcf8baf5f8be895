"""``optuna-popnas profile``: sizes, costs and hours of a search, before it is begun."""

from __future__ import annotations

from json import dumps
from pathlib import Path
import sys
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.cli.config import merge
from optuna_popnas.cli.config import read_settings
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.storages import DEFAULT_STORAGE
from optuna_popnas.cli.storages import load_study
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


Floats = npt.NDArray[np.float64]

SECTIONS = (
    "study", "data", "space", "search", "network", "training", "machine", "lstm", "catboost"
)  # fmt: skip
COMMON = (
    "study.storage", "study.name", "study.workers", "data.source", "data.image_size",
    "space.operators", "space.max_blocks", "search.max_children",
    "network.filters", "training.epochs",
)  # fmt: skip
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
        trainings: Cells that are trained at most.
        parameters, flops: (least, median, most) of the candidates.
        seconds: Estimated mean training time of a candidate; None if nothing was timed.
        inside: Share of the candidates within all limits; None without limits.
    """

    level: int
    encodings: int
    distinct: int | None
    candidates: int
    merged: int
    trainings: int
    parameters: tuple[int, int, int]
    flops: tuple[int, int, int]
    seconds: float | None
    inside: float | None


def run(config: str | None = None, /, *, timed: int = 8, json: bool = False, flags: Values) -> int:
    """Sizes, costs and hours of a search, before it is begun.

    Cells per level before and after equivalence, parameters and FLOPs, hours estimated from a few
    timed cells, and whether limits can be met. Takes the settings of ``search``; without CONFIG,
    those of the study in ``--storage`` if there is one, whose measured times are used then.

    Args:
        config: Settings, a TOML file.
        timed: Cells to time for a moment; 0: none.
        json: Print JSON for scripts.

    Examples:
        optuna-popnas profile examples/digits.toml --max-blocks 4
    """
    settings, measured = _settings(config, flags)
    from optuna_popnas.cli.work import cost_function
    from optuna_popnas.cli.work import load_data
    from optuna_popnas.cli.work import make_objective

    data = load_data(settings)
    objective = make_objective(settings, data)
    cost = cost_function(objective.network, data)
    space = objective.space
    source = f"{len(measured)} trained cells of the study"
    if not measured and timed > 0:
        cells = _cells_to_time(space, timed)
        print(f"Timing {len(cells)} cells ...", file=sys.stderr)
        measured = [(cell, objective.probe(cell)) for cell in cells]
        source = f"{len(cells)} cells that were timed for a moment"
    levels = outlook(settings, space, cost, measured)
    report = {
        "levels": [row._asdict() for row in levels],
        "trainings": 1 + sum(row.trainings for row in levels),
        "training_hours": _hours(levels),
        "workers": settings.study.workers or 1,
        "timed_by": source if measured else None,
        "device": str(objective.device),
    }
    print(dumps(report, indent=2) if json else profile_text(report, levels))
    return 0


def _settings(
    config: str | None, flags: Values
) -> tuple[SearchSettings, list[tuple[Cell, float]]]:
    url = flags.get("study", {}).get("storage")
    default = DEFAULT_STORAGE.partition("///")[2]
    if config is not None or (url is None and not Path(default).exists()):
        return read_settings(config, flags), []
    study = load_study(url or DEFAULT_STORAGE, flags.get("study", {}).get("name"))
    stored = study.user_attrs.get("settings")
    if stored is None:
        raise ConfigError(
            f"The study {study.study_name!r} was not begun by `optuna-popnas search`, so its data "
            "and network are not known. Give a CONFIG."
        )
    values = {k: dict(v) for k, v in stored.items() if isinstance(v, dict)}
    values["study"] = {"seed": stored.get("seed", 0)}
    from optuna_popnas.study import view_study

    trials = view_study(study).timed
    measured = [(t.cell, t.seconds) for t in trials if t.cell is not None and t.seconds]
    return SearchSettings(merge(values, flags), source="the study"), measured


def _cells_to_time(space: SearchSpace, count: int) -> list[Cell]:
    """Return cells of one and two blocks that are as different as can be."""
    from optuna_popnas.predictors.spread import spread_cells

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


def outlook(
    settings: SearchSettings,
    space: SearchSpace,
    cost: Any,
    measured: list[tuple[Cell, float]],
) -> list[LevelOutlook]:
    """Return what each level would be like; parents are drawn at random, not predicted."""
    from optuna_popnas.search import SearchConfig

    search = settings.values["search"]
    known = {k: v for k, v in search.items() if k in SearchConfig.__dataclass_fields__}
    config = SearchConfig(**known)
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
            explores = config.mode == "popnas" and level.blocks < space.max_blocks
            trainings = config.max_children + explores * config.max_exploration_children
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
                trainings=min(trainings, len(candidates)),
                parameters=_range(costs["parameters"]),
                flops=_range(costs["flops"]),
                seconds=None if seconds is None else float(seconds.mean()),
                inside=None if inside is None else float(inside.mean()),
            )
        )
        if level.blocks == 1:
            parents = kept  # every cell of the first level is trained
            continue
        count = min(config.max_children + config.max_exploration_children, len(kept))
        parents = kept.take(np.sort(rng.choice(len(kept), size=count, replace=False)))
    return rows


class _TimeModel:
    """Seconds as a sum of a constant and non-negative shares of parameters and FLOPs."""

    def __init__(self, cost: Any, space: SearchSpace, measured: list[tuple[Cell, float]]) -> None:
        self._weights: Floats | None = None
        if not measured:
            return
        from scipy.optimize import nnls

        batch = CellBatch.from_cells(space, [cell for cell, _ in measured])
        seconds = np.array([value for _, value in measured], dtype=np.float64)
        design = self._design(cost(batch))
        weights, _ = nnls(design / seconds[:, None], np.ones(len(seconds)))  # relative errors
        self._weights = weights

    def predict(self, costs: Any) -> Floats | None:
        if self._weights is None:
            return None
        seconds: Floats = self._design(costs) @ self._weights
        return seconds

    @staticmethod
    def _design(costs: Any) -> Floats:
        flops = np.asarray(costs["flops"], dtype=np.float64)
        parameters = np.asarray(costs["parameters"], dtype=np.float64)
        return np.stack([np.ones(len(flops)), parameters, flops], axis=1)


def _inside(
    limits: dict[str, float], time_limit: float | None, costs: Any, seconds: Floats | None
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


def _hours(levels: list[LevelOutlook]) -> float | None:
    if any(row.seconds is None for row in levels):
        return None
    return sum(row.trainings * (row.seconds or 0.0) for row in levels) / 3600


def profile_text(report: dict[str, Any], levels: list[LevelOutlook]) -> str:
    """Return the outlook as text."""
    from optuna_popnas.cli.text import table
    from optuna_popnas.study.words import duration_words
    from optuna_popnas.study.words import level_name

    rows = []
    for row in levels:
        distinct = "" if row.distinct is None else f"{row.distinct:,}"
        rows.append(
            (
                level_name(row.level),
                f"{row.encodings:,}" if row.encodings < 1e7 else f"{row.encodings:.2e}",
                distinct,
                f"{row.candidates:,}",
                f"{row.merged:,}",
                f"{row.trainings}",
                " ".join(_short(value) for value in row.parameters),
                " ".join(_short(value) for value in row.flops),
                "" if row.seconds is None else f"{row.seconds:.3g}",
            )
        )
    head = (
        "level", "cells", "distinct", "judged", "merged", "trained",
        "parameters", "FLOPs", "seconds",
    )  # fmt: skip
    lines = [
        table(head, rows, width=200),
        "",
        "cells: of the whole space; distinct: after equivalence, where they can be counted;",
        "judged: candidates of a full level; merged: equivalent ones among their encodings;",
        "trained: at most; parameters and FLOPs per image: least, median, most; seconds: mean.",
        "",
        f"At most {report['trainings']} trainings on {report['device']}.",
    ]
    hours = report["training_hours"]
    if hours is not None:
        each = duration_words(hours * 3600 / report["workers"])
        total = duration_words(hours * 3600)
        lines.append(
            f"About {total} of training by {report['timed_by']}; with "
            f"{report['workers']} workers {each}. Cells of a Pareto front, quicker than "
            "the mean, need less."
        )
    for row in levels:
        if row.inside is not None and row.inside < 1:
            share = f"{row.inside:.1%}"
            lines.append(
                f"Limits: {share} of the candidates of {level_name(row.level)} are within them."
                if row.inside
                else f"Limits: NO candidate of {level_name(row.level)} is within them: "
                "the search would end there. Loosen them."
            )
    return "\n".join(lines)


def _short(value: int) -> str:
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return str(value)
