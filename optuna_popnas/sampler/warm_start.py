"""Cells that earlier searches trained, for a search that starts from what they say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
import csv
from functools import cache
import hashlib
from pathlib import Path
from typing import Any, Union

import optuna
from optuna.trial import TrialState

from optuna_popnas.predictors.guide import FEWEST
from optuna_popnas.predictors.guide import KnownCells
from optuna_popnas.sampler.parameters import params_cell
from optuna_popnas.space import Cell


CORPUS = "corpus"
NOTHING = "nothing"
_CORPUS = Path(__file__).with_name("corpus.csv")

#: A study, the storage of one (``"sqlite:///old.db"`` or, of several,
#: ``"sqlite:///old.db#name"``), ``"corpus"``, ``"nothing"``, or the cells themselves.
Source = Union[optuna.Study, str, KnownCells]


def known_cells(sources: Source | Sequence[Source]) -> tuple[KnownCells, ...]:
    """Read the cells of earlier searches.

    Args:
        sources: Studies whose first value is an accuracy, their storages, cells, or ``"corpus"``:
            those that ship with the library. ``"nothing"`` stands for no source.

    Raises:
        ValueError: A source is none of these, cannot be read, or has no two trained cells.
    """
    if sources == NOTHING:
        return ()
    several = [sources] if isinstance(sources, (str, optuna.Study, KnownCells)) else sources
    found: list[KnownCells] = []
    for source in several:
        if isinstance(source, KnownCells):
            found.append(source)
        else:
            found += _corpus() if source == CORPUS else [_of_study(_study(source))]
    return tuple(found)


def described(known: Iterable[KnownCells]) -> list[str]:
    """Return what workers of one study compare: names, numbers and a hash of the cells."""
    found = []
    for item in known:
        lines = "\n".join(f"{cell} {value!r}" for cell, value in zip(item.cells, item.accuracy))
        digest = hashlib.sha256(lines.encode()).hexdigest()[:12]
        found.append(f"{item.name}: {len(item.cells)} cells, {digest}")
    return found


def _study(source: Any) -> optuna.Study:
    if isinstance(source, optuna.Study):
        return source
    if not isinstance(source, str):
        raise ValueError(
            f"`warm_start` must hold studies, their storages or {CORPUS!r}, but got {source!r}."
        )
    storage, _, name = source.partition("#")
    try:
        return optuna.load_study(study_name=name or None, storage=storage)
    except Exception as error:  # whatever the database's driver raises
        text = (str(error).strip() or repr(error)).splitlines()[0]
        raise ValueError(
            f"`warm_start` must hold studies, their storages or {CORPUS!r}, but got {source!r}, "
            f"which cannot be read: {text} Several studies in a storage are told apart as "
            "'STORAGE#NAME'."
        ) from error


def _of_study(study: optuna.Study) -> KnownCells:
    if study.directions[0] != optuna.study.StudyDirection.MAXIMIZE:
        raise ValueError(
            f"`warm_start` must hold studies that maximize accuracy first, but "
            f"{study.study_name!r} minimizes its first value."
        )
    cells, accuracies = [], []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        cell = params_cell(trial.params)
        if cell is not None:
            cells.append(cell)
            accuracies.append(float(trial.values[0]))
    if len(cells) < FEWEST:
        raise ValueError(
            f"`warm_start` must hold studies with {FEWEST} trained cells or more, but "
            f"{study.study_name!r} has {len(cells)}. Leave it out."
        )
    return KnownCells(study.study_name, tuple(cells), tuple(accuracies))


@cache
def _corpus() -> tuple[KnownCells, ...]:
    """Return the trainings that ship with the library, made by ``benchmarks/priors.py``."""
    found: dict[str, tuple[list[Cell], list[float]]] = {}
    with _CORPUS.open(newline="", encoding="utf-8") as file:
        for line in csv.DictReader(file):
            cells, accuracies = found.setdefault(line["task"], ([], []))
            cells.append(Cell.parse(line["cell"]))
            accuracies.append(float(line["accuracy"]))
    return tuple(
        KnownCells(name, tuple(cells), tuple(values)) for name, (cells, values) in found.items()
    )
