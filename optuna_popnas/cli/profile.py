"""``optuna-popnas profile``: sizes, costs and hours of a search, before it is begun."""

from __future__ import annotations

from json import dumps
from pathlib import Path
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from optuna_popnas.cli.config import merge
from optuna_popnas.cli.config import read_settings
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.outlook import adaptive_words
from optuna_popnas.cli.outlook import LevelOutlook
from optuna_popnas.cli.outlook import most_trainings
from optuna_popnas.cli.outlook import outlook
from optuna_popnas.cli.outlook import search_config
from optuna_popnas.cli.outlook import training_hours
from optuna_popnas.cli.outlook import worker_count
from optuna_popnas.cli.schema import ALL_SECTIONS
from optuna_popnas.cli.storages import DEFAULT_STORAGE
from optuna_popnas.cli.storages import load_study
from optuna_popnas.space import Cell
from optuna_popnas.study.words import duration_words


Floats = npt.NDArray[np.float64]

SECTIONS = ALL_SECTIONS
COMMON = (
    "study.storage", "study.name", "study.workers", "data.source", "data.image_size",
    "space.operators", "space.max_blocks", "search.max_children",
    "network.filters", "training.epochs",
)  # fmt: skip


def run(config: str | None = None, /, *, timed: int = 8, json: bool = False, flags: Values) -> int:
    """Sizes, costs and hours of a search, before it is begun.

    Cells per level before and after equivalence, parameters and FLOPs, hours estimated from a few
    timed cells, and whether limits can be met. Takes the settings of ``search``; without CONFIG,
    those of the study in ``--storage`` if there is one, whose measured times are used then.

    Args:
        config: Settings, a TOML file.
        timed: Cells to time for a moment; 0: none.

    Examples:
        optuna-popnas profile examples/digits.toml --max-blocks 4
    """
    settings, measured = _settings(config, flags)
    from optuna_popnas.cli.text import wrapped
    from optuna_popnas.cli.work import cost_function
    from optuna_popnas.cli.work import load_data
    from optuna_popnas.cli.work import make_objective
    from optuna_popnas.objective.proxies import time_cells

    data = load_data(settings)
    objective = make_objective(settings, data)
    cost = cost_function(objective.network, data)
    space = objective.space
    source = f"{len(measured)} trained cells of the study"
    if not measured and timed > 0:
        print(f"Timing {timed} cells ...", file=sys.stderr)
        measured = time_cells(objective, timed)
        source = f"{len(measured)} cells that were timed for a moment"
    levels = outlook(settings, space, cost, measured)
    adaptive, count = search_config(settings).mode == "adaptive", worker_count(settings)
    report = {
        "levels": [row._asdict() for row in levels],
        "trainings": None if adaptive else most_trainings(levels),
        "sentence": adaptive_words(settings, measured, f"{count} workers") if adaptive else None,
        "training_hours": training_hours(levels),
        "workers": count,
        "timed_by": source if measured else None,
        "device": str(objective.device),
    }
    print(dumps(report, indent=2) if json else wrapped(profile_text(report, levels)))
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


def profile_text(report: dict[str, Any], levels: list[LevelOutlook]) -> str:
    """Return the outlook as text."""
    from optuna_popnas.cli.text import table
    from optuna_popnas.study.words import level_name

    cells, costs = [], []
    for row in levels:
        distinct = "" if row.distinct is None else f"{row.distinct:,}"
        cells.append(
            (
                level_name(row.level),
                f"{row.encodings:,}" if row.encodings < 1e7 else f"{row.encodings:.2e}",
                distinct,
                f"{row.candidates:,}",
                f"{row.merged:,}",
                "" if row.trainings is None else f"{row.trainings}",
                "",
            )
        )
        costs.append(
            (
                level_name(row.level),
                " ".join(_short(value) for value in row.parameters),
                " ".join(_short(value) for value in row.flops),
                "" if row.seconds is None else f"{row.seconds:.3g}",
                "",
            )
        )
    trained = "trained" if report["trainings"] is not None else ""
    lines = [
        table(("level", "cells", "distinct", "judged", "merged", trained, ""), cells),
        "",
        "cells: of the whole space; distinct: after equivalence, where they can be",
        "counted; judged: candidates of a full level; merged: equivalent ones among",
        f"their encodings{'; trained: at most' if trained else ''}.",
        "",
        table(("level", "parameters", "FLOPs", "seconds", ""), costs),
        "",
        "parameters and FLOPs per image: least, median, most; seconds: mean.",
        "",
        f"{report['sentence']}."
        if report["sentence"]
        else f"At most {report['trainings']} trainings on {report['device']}.",
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
