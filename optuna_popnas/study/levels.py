"""A search level by level: what was chosen from, what was trained, how well it was foreseen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from optuna_popnas.search import descends
from optuna_popnas.search import PlannedCell
from optuna_popnas.search import PredictionQuality
from optuna_popnas.study.quality import level_quality
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.words import digits
from optuna_popnas.study.words import level_name


class LevelSummary(NamedTuple):
    """The cells of one number of blocks. None: not known, or there was nothing to count.

    Attributes:
        level: Blocks per cell.
        encodings: Pairs of a parent and a new block that were looked at.
        merged: Of those, how many were equivalent to another one.
        candidates: Cells that were judged.
        equivalents: Further encodings of the chosen cells, which a choice among encodings would
            have met and refused (Table 5.1).
        front, exploration: Cells chosen for the front and by the exploration step.
        descendants: Cells that were trained and are direct expansions of an exploration cell of
            the level before (Table 5.2); None where that had none.
        planned: Cells to be trained in all, reserves left out.
        trained: Cells trained.
        stopped: Trainings that were ended early.
        best_accuracy: Of the cells trained.
        seconds: (shortest, longest) training; None where times are not known.
        training_seconds: Of all trainings, also of those that were ended early.
        accuracy_quality, seconds_quality: How well the level was predicted; None: not at all.
        plan_seconds: What planning took.
        message: What the planner had to say.
    """

    level: int
    encodings: int | None
    merged: int | None
    candidates: int | None
    equivalents: int | None
    front: int
    exploration: int
    descendants: int | None
    planned: int
    trained: int
    stopped: int
    best_accuracy: float | None
    seconds: tuple[float, float] | None
    training_seconds: float
    accuracy_quality: PredictionQuality | None
    seconds_quality: PredictionQuality | None
    plan_seconds: float | None
    message: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the level as JSON values."""
        data = self._asdict()
        for name in ("accuracy_quality", "seconds_quality"):
            data[name] = None if data[name] is None else data[name]._asdict()
        return {**data, "seconds": None if self.seconds is None else list(self.seconds)}


def level_words(row: LevelSummary) -> dict[str, str]:
    """Return what tables say of a level, by the heads of their columns."""
    qualities = (row.accuracy_quality, row.seconds_quality)
    rhos = [digits(None if quality is None else quality.rho, ".2f") for quality in qualities]
    return {
        "level": level_name(row.level),
        "candidates": digits(row.candidates, ","),
        "trained": f"{row.trained} of {row.planned}" if row.planned else str(row.trained),
        "ended early": str(row.stopped or ""),
        "best accuracy": digits(row.best_accuracy, ".4f"),
        "seconds": " - ".join(digits(value, ".3g") for value in row.seconds or ()),
        "accuracy rho": rhos[0],
        "time rho": rhos[1],
        "": row.message or "",
    }


def summarize_levels(view: StudyView) -> tuple[LevelSummary, ...]:
    """Return what happened at each level that was planned or trained, in order."""
    quality = {row.level: row for row in level_quality(view)}
    rows = []
    # The plans of an adaptive search are of no level.
    plans = () if view.is_adaptive else view.plans
    planned_levels = {len(item.cell) for plan in view.plans for item in plan.cells}
    for level in sorted({plan.level for plan in plans} | planned_levels | set(view.levels)):
        reports = [plan.report for plan in plans if plan.level == level]
        trials = [trial for trial in view.complete if level_of(trial) == level]
        stopped = [trial for trial in view.stopped if level_of(trial) == level]
        cells = planned_cells(view, level)
        messages = [report.message for report in reports if report.message]
        if not cells and not trials and not messages:
            continue
        times = [trial.seconds for trial in trials if trial.seconds is not None]
        found = quality.get(level)
        rows.append(
            LevelSummary(
                level=level,
                encodings=_sum(report.encodings for report in reports),
                merged=_sum(report.merged for report in reports),
                candidates=_sum(report.candidates for report in reports[:1]),
                equivalents=_sum(report.equivalents for report in reports),
                front=sum(planned.role == "front" for planned in cells),
                exploration=sum(planned.role == "exploration" for planned in cells),
                descendants=_descendants(planned_cells(view, level - 1), trials),
                planned=sum(planned.role != "reserve" for planned in cells),
                trained=len(trials),
                stopped=len(stopped),
                best_accuracy=max((t.accuracy or 0.0 for t in trials), default=None),
                seconds=(min(times), max(times)) if times else None,
                training_seconds=sum(trial.trained_seconds for trial in (*trials, *stopped)),
                accuracy_quality=None if found is None else found.accuracy,
                seconds_quality=None if found is None else found.seconds,
                plan_seconds=_sum(report.seconds for report in reports),
                message="; ".join(messages) or None,
            )
        )
    return tuple(rows)


def planned_cells(view: StudyView, level: int) -> tuple[PlannedCell, ...]:
    """Return the cells of so many blocks of all plans, in order."""
    cells = (planned for plan in view.plans for planned in plan.cells)
    return tuple(planned for planned in cells if len(planned.cell) == level)


def _descendants(before: Sequence[PlannedCell], trials: Sequence[TrialRecord]) -> int | None:
    explored = [planned.cell for planned in before if planned.role == "exploration"]
    if not explored:
        return None
    cells = {trial.cell.canonical() for trial in trials if trial.cell is not None}
    return sum(descends(sorted(cells, key=str), explored))


def _sum(values: Iterable[Any]) -> Any:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
