"""The thesis's tables 5.1, 5.2, 5.4 and 6.2 to 6.4, of one's own studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from optuna_popnas import predictors
from optuna_popnas.search import prediction_quality
from optuna_popnas.search import PredictionQuality
from optuna_popnas.study.summary import SearchSummary
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.words import duration_words


class TextTable(NamedTuple):
    """A table for people.

    Attributes:
        title: What it is, with the thesis's number.
        head: Names of the columns.
        rows: Texts.
        note: How to read it.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        lines = [f"**{self.title}**", "", _pipes(self.head), _pipes(["---"] * len(self.head))]
        lines += [_pipes(row) for row in self.rows]
        return "\n".join([*lines, *(["", self.note] if self.note else [])])


class Found(NamedTuple):
    """What a study found (a row of Table 6.4).

    Attributes:
        networks: Cells that were trained.
        top1: The highest accuracy.
        top5: Mean of the five highest accuracies of different cells.
    """

    networks: int
    top1: float
    top5: float


def found(view: StudyView) -> Found | None:
    """Return what a study found, None if it has trained nothing."""
    best = sorted((max(values) for values in view.measurements.values()), reverse=True)
    return Found(len(view.complete), best[0], float(np.mean(best[:5]))) if best else None


def comparison_tables(
    studies: Mapping[str, tuple[StudyView, SearchSummary]],
) -> tuple[TextTable, ...]:
    """Return Tables 6.4, 6.2, 6.3, 5.1 and 5.2 of studies by the names that they shall have."""
    return (
        _results(studies),
        _times(studies),
        _quality(studies, "accuracy", "Table 6.2: the accuracy predictor on the next level"),
        _quality(studies, "seconds", "Table 6.3: the time predictor on the next level"),
        _equivalents(studies),
        _descendants(studies),
    )


def _results(studies: Mapping[str, tuple[StudyView, SearchSummary]]) -> TextTable:
    rows = []
    for name, (view, summary) in studies.items():
        result = found(view)
        numbers = ("0", "", "")
        if result is not None:
            numbers = (f"{result.networks:,}", f"{result.top1:.4f}", f"{result.top5:.4f}")
        mode = str(view.settings.get("mode", "not a POPNAS search"))
        rows.append((name, mode, *numbers, duration_words(summary.time.wall)))
    head = ("study", "mode", "networks", "top-1", "top-5", "search time")
    note = "Highest validation accuracies during the search, each of one training."
    return TextTable("Table 6.4: networks, accuracies and search time", head, rows, note)


def _times(studies: Mapping[str, tuple[StudyView, SearchSummary]]) -> TextTable:
    rows = [
        (name, *(duration_words(seconds) for seconds in summary.time[:-1]))
        for name, (_, summary) in studies.items()
    ]
    head = ("study", "training", "validation", "set-up", "planning", "waiting", "other")
    note = "Seconds of workers; other: storage, failed trainings, a busy machine."
    return TextTable("Table 6.4, the search time in full", head, rows, note)


def _quality(
    studies: Mapping[str, tuple[StudyView, SearchSummary]], target: str, title: str
) -> TextTable:
    known = {
        name: {
            row.level: quality
            for row in summary.levels
            if (quality := getattr(row, f"{target}_quality")) is not None
        }
        for name, (_, summary) in studies.items()
    }
    table = _quality_table(title, "study", known)
    modes = {view.settings.get("mode") for view, _ in studies.values()}
    if "adaptive" not in modes or not table.head[2:]:
        return table
    return table._replace(note=f"{table.note} In mode adaptive: when its wave was planned.")


def _quality_table(
    title: str, what: str, known: Mapping[str, Mapping[int, PredictionQuality]]
) -> TextTable:
    levels = sorted({level for row in known.values() for level in row})
    rows = []
    for name, row in known.items():
        qualities = [row.get(level) for level in levels]
        mape = ["" if q is None or q.mape is None else f"{q.mape:.2f}" for q in qualities]
        rho = ["" if q is None or q.rho is None else f"{q.rho:.3f}" for q in qualities]
        rows += [(name, "MAPE, %", *mape), (name, "rho", *rho)]
    head = (what, "measure", *(f"b={b}" for b in levels))
    note = "Each level was predicted from those before it."
    return TextTable(title, head, rows, note if levels else _NOTHING)


def _equivalents(studies: Mapping[str, tuple[StudyView, SearchSummary]]) -> TextTable:
    rows = []
    for name, (_, summary) in studies.items():
        columns = []
        for field in ("equivalents", "merged", "encodings"):
            values = [getattr(row, field) for row in summary.levels]
            known = [value for value in values if value is not None]
            columns.append(f"{sum(known):,}" if known else "not counted")
        rows.append((name, *columns))
    head = ("study", "met while choosing", "candidates merged", "encodings")
    note = (
        "Met while choosing: encodings equivalent to a chosen cell, which a choice among "
        "encodings would have trained again; the thesis counts these."
    )
    return TextTable("Table 5.1: equivalent cells", head, rows, note)


def _descendants(studies: Mapping[str, tuple[StudyView, SearchSummary]]) -> TextTable:
    rows = []
    for name, (_, summary) in studies.items():
        known = [row for row in summary.levels if row.descendants is not None]
        by_level = ", ".join(f"b={row.level}: {row.descendants}" for row in known)
        total = str(sum(row.descendants or 0 for row in known)) if known else "no exploration"
        rows.append((name, str(sum(row.exploration for row in summary.levels)), total, by_level))
    head = ("study", "exploration cells", "expansions of them", "by level")
    note = "Trained cells that are direct expansions of an exploration cell of the level before."
    return TextTable("Table 5.2: what the exploration step brought", head, rows, note)


_NOTHING = "Nothing has been predicted and trained yet."
#: Names of Table 5.4 -> predictors; the last one is the library's own.
TIME_PREDICTORS = {
    "NNLS": "NNLSTimePredictor",
    "Ridge": "RidgeTimePredictor",
    "XGBoost": "XGBoostTimePredictor",
    "CatBoost": "CatBoostTimePredictor",
    "default": "TimePredictor",
}


def judge_time_predictors(
    view: StudyView, names: Sequence[str] = tuple(TIME_PREDICTORS)
) -> dict[str, dict[int, PredictionQuality]]:
    """Fit time predictors to a study's levels below b and let them predict level b (Table 5.4).

    Args:
        view: The study.
        names: Which of :data:`TIME_PREDICTORS`.

    Returns:
        Name -> level -> quality; predictors whose library is not installed are left out.
    """
    cells = [(t.cell, t.seconds or 0.0) for t in view.timed if t.cell is not None]
    total = total_cells(view)
    judged: dict[str, dict[int, PredictionQuality]] = {}
    for name in names:
        kind: Any = getattr(predictors, TIME_PREDICTORS[name])
        settings = {} if name == "default" else {"total_cells": total}
        for level in (b for b in view.levels if b >= 2):
            below = [(cell, seconds) for cell, seconds in cells if len(cell) < level]
            at = [(cell, seconds) for cell, seconds in cells if len(cell) == level]
            try:
                model = kind(view.space, seed=0, **settings).fit(*zip(*below))
            except ImportError:
                break
            guesses = model.predict([cell for cell, _ in at])
            quality = prediction_quality(guesses, [seconds for _, seconds in at])
            judged.setdefault(name, {})[level] = quality
    return judged


def time_predictor_table(judged: Mapping[str, Mapping[int, PredictionQuality]]) -> TextTable:
    """Return Table 5.4 of what :func:`judge_time_predictors` found."""
    return _quality_table("Table 5.4: time predictors on the next level", "predictor", judged)


def total_cells(view: StudyView) -> int:
    """Return the cells of a network that reads lookback -1: from the search or the trials."""
    told = [trial.user_attrs.get("total_cells") for trial in view.complete]
    known = [value for value in (view.settings.get("total_cells"), *told) if value]
    return int(known[0]) if known else 8


def is_deep(view: StudyView) -> bool:
    """Whether there are cells of two blocks to be predicted from those below."""
    return any(level_of(trial) >= 2 for trial in view.timed)


def _pipes(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
