"""Where a search stands, in numbers and in words: for status, report, dashboard note."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TYPE_CHECKING

from optuna_popnas.space import Cell
from optuna_popnas.visualization.study_view import level_of
from optuna_popnas.visualization.study_view import quality_by_level
from optuna_popnas.visualization.study_view import StudyLike
from optuna_popnas.visualization.study_view import StudyView
from optuna_popnas.visualization.study_view import view_study


if TYPE_CHECKING:
    from optuna_popnas.sampler.records import TrialRecord
    from optuna_popnas.search import PredictionQuality


_RECENT = 24  # finished trials that the pace is measured on


class LevelSummary(NamedTuple):
    """One level.

    Attributes:
        level: Blocks per cell.
        candidates: Cells that were judged; None where there was no choice or no plan.
        front, exploration: Cells chosen for the front and by the exploration step.
        planned: Cells to be trained in all, reserves left out.
        trained: Cells trained.
        best_accuracy: Of the cells trained.
        seconds: (shortest, longest) training; None where times are not known.
        accuracy_quality, seconds_quality: How well the level was predicted; None: not at all.
        plan_seconds: What planning took.
        message: What the planner had to say.
    """

    level: int
    candidates: int | None
    front: int
    exploration: int
    planned: int
    trained: int
    best_accuracy: float | None
    seconds: tuple[float, float] | None
    accuracy_quality: PredictionQuality | None
    seconds_quality: PredictionQuality | None
    plan_seconds: float | None
    message: str | None


class WorkerSummary(NamedTuple):
    """A worker that has a running trial.

    Attributes:
        name: ``host:process``, or "unknown" where the trial does not say.
        trial: Its trial.
        cell: The cell that it trains; None while it waits.
        since: When the trial began, local time.
    """

    name: str
    trial: int
    cell: Cell | None
    since: datetime | None


class SearchSummary(NamedTuple):
    """A whole search.

    Attributes:
        study_name: Name of the study.
        state: ``"empty"``, ``"running"``, ``"stopped"`` (nothing runs, not finished),
            ``"finished"``, or ``"trials"`` (a study of another sampler).
        level: The level that is being trained, or was trained last; None before the first.
        max_blocks: The last level; None if not known.
        complete: Trained cells.
        failed: Failed trainings; those that were interrupted are not counted.
        workers: Workers with a running trial; those that wait have no cell.
        best_accuracy: Of all cells.
        front: Trials that no other one dominates, the most accurate first.
        training_seconds: Of all trials together.
        waited_seconds: Waiting of all trials together.
        elapsed_seconds: From the start of the first to the end of the last trial.
        seconds_left: Estimate until the search ends, at the present pace; None if not running.
        levels: Each level.
    """

    study_name: str
    state: str
    level: int | None
    max_blocks: int | None
    complete: int
    failed: int
    workers: tuple[WorkerSummary, ...]
    best_accuracy: float | None
    front: tuple[TrialRecord, ...]
    training_seconds: float
    waited_seconds: float
    elapsed_seconds: float
    seconds_left: float | None
    levels: tuple[LevelSummary, ...]

    @property
    def sentence(self) -> str:
        """The state in one sentence."""
        if self.state == "empty":
            return "Nothing has been trained yet."
        cells = "1 cell" if self.complete == 1 else f"{self.complete:,} cells"
        trained = f"{cells} trained"
        if self.failed:
            trained += f", {self.failed} failed"
        if self.state == "trials":
            return f"{trained} (not a POPNAS search)."
        if self.state == "finished":
            return f"The search is finished: {trained}."
        now = next((row for row in self.levels if row.level == self.level), None)
        where = "" if now is None else f"level {now.level} of {self.max_blocks}, "
        where += "" if now is None else f"{now.trained} of {now.planned} cells; "
        if self.state == "stopped":
            return f"The search is not finished and nobody works on it: {where}{trained}."
        left = ""
        if self.seconds_left is not None:
            left = f", about {duration_words(self.seconds_left)} left"
        return f"The search is running: {where}{trained}{left}."

    def to_json(self) -> dict[str, Any]:
        """Return the summary as JSON values."""
        return {
            "study": self.study_name,
            "state": self.state,
            "level": self.level,
            "max_blocks": self.max_blocks,
            "complete": self.complete,
            "failed": self.failed,
            "best_accuracy": self.best_accuracy,
            "training_seconds": round(self.training_seconds, 3),
            "waited_seconds": round(self.waited_seconds, 3),
            "elapsed_seconds": round(self.elapsed_seconds, 3),
            "seconds_left": None if self.seconds_left is None else round(self.seconds_left, 1),
            "workers": [
                {
                    "name": worker.name,
                    "trial": worker.trial,
                    "cell": None if worker.cell is None else str(worker.cell),
                    "since": None if worker.since is None else worker.since.isoformat(),
                }
                for worker in self.workers
            ],
            "front": [
                {
                    "trial": trial.number,
                    "cell": str(trial.cell),
                    "accuracy": trial.accuracy,
                    "seconds": trial.seconds,
                    "values": list(trial.values or ()),
                    "parameters": trial.user_attrs.get("parameters"),
                }
                for trial in self.front
            ],
            "levels": [
                {
                    **row._asdict(),
                    "seconds": None if row.seconds is None else list(row.seconds),
                    "accuracy_quality": _quality_json(row.accuracy_quality),
                    "seconds_quality": _quality_json(row.seconds_quality),
                }
                for row in self.levels
            ],
        }


def summarize(study: StudyLike) -> SearchSummary:
    """Return where a search stands."""
    view = view_study(study)
    record = view.record
    running = [trial for trial in view.trials if trial.state == "RUNNING"]
    searched = record.space is not None
    state = "running" if running else "finished" if record.done else "stopped"
    if not view.trials:
        state = "empty"
    elif not searched and not running:
        state = "trials"
    times = [t.started for t in view.trials if t.started is not None]
    ends = [t.finished for t in view.trials if t.finished is not None]
    levels = _summarize_levels(view)
    level = record.plans[-1].level if record.plans else max(view.levels, default=None)
    if record.plans and not record.plans[-1].cells and len(record.plans) > 1:
        level = record.plans[-2].level
    return SearchSummary(
        study_name=record.study_name,
        state=state,
        level=level,
        max_blocks=None if record.space is None else record.space.max_blocks,
        complete=len(view.complete),
        failed=sum(map(is_failure, view.trials)),
        workers=tuple(
            WorkerSummary(trial.worker or "unknown", trial.number, trial.cell, trial.started)
            for trial in running
        ),
        best_accuracy=max((t.accuracy or 0.0 for t in view.complete), default=None),
        front=view.front,
        training_seconds=sum(trial.seconds or 0.0 for trial in view.complete),
        waited_seconds=sum(trial.waited_seconds for trial in view.trials),
        elapsed_seconds=(max(ends) - min(times)).total_seconds() if times and ends else 0.0,
        seconds_left=_seconds_left(view, levels) if state == "running" and searched else None,
        levels=levels,
    )


def is_failure(trial: TrialRecord) -> bool:
    """Whether a training failed, rather than being interrupted or lost with its worker."""
    from optuna_popnas.sampler.protocol import DEAD
    from optuna_popnas.sampler.protocol import INTERRUPTED

    if trial.state != "FAIL" or trial.cell is None:
        return False
    return not (trial.reason or "").startswith((DEAD, INTERRUPTED))


def _summarize_levels(view: StudyView) -> tuple[LevelSummary, ...]:
    accuracy, seconds = quality_by_level(view, "accuracy"), quality_by_level(view, "seconds")
    plans = view.record.plans
    rows = []
    for level in sorted({plan.level for plan in plans} | set(view.levels)):
        mine = [plan for plan in plans if plan.level == level]
        trials = [trial for trial in view.complete if level_of(trial) == level]
        cells = [planned for plan in mine for planned in plan.cells]
        if not cells and not trials and not any("message" in plan.facts for plan in mine):
            continue
        times = [trial.seconds for trial in trials if trial.seconds is not None]
        candidates = [plan.facts["candidates"] for plan in mine if "candidates" in plan.facts]
        messages = [str(plan.facts["message"]) for plan in mine if plan.facts.get("message")]
        spent = [plan.facts["plan_seconds"] for plan in mine if "plan_seconds" in plan.facts]
        rows.append(
            LevelSummary(
                level=level,
                candidates=candidates[0] if candidates else None,
                front=sum(planned.role == "front" for planned in cells),
                exploration=sum(planned.role == "exploration" for planned in cells),
                planned=sum(planned.role != "reserve" for planned in cells),
                trained=len(trials),
                best_accuracy=max((t.accuracy or 0.0 for t in trials), default=None),
                seconds=(min(times), max(times)) if times else None,
                accuracy_quality=accuracy.get(level),
                seconds_quality=seconds.get(level),
                plan_seconds=sum(spent) if spent else None,
                message="; ".join(messages) or None,
            )
        )
    return tuple(rows)


def _seconds_left(view: StudyView, levels: Sequence[LevelSummary]) -> float | None:
    """Time left at the present pace, if the levels to come are as large as the last one."""
    ends = sorted(t.finished for t in view.complete if t.finished is not None)[-_RECENT:]
    if len(ends) < 2 or view.record.space is None:
        return None
    gaps = sorted((b - a).total_seconds() for a, b in zip(ends, ends[1:]))
    # A search that was interrupted has a long gap, which says nothing of its pace.
    gaps = [gap for gap in gaps if gap <= 10 * gaps[len(gaps) // 2]]
    pace = sum(gaps) / len(gaps)
    now = levels[-1] if levels else None
    if now is None:
        return None
    left = max(now.planned - now.trained, 0)
    settings = view.record.settings
    cap = int(settings.get("max_children", 128)) + int(
        settings.get("max_exploration_children", 16)
    )
    chosen = [row.planned for row in levels if row.level >= 2]
    size = chosen[-1] if chosen else min(cap, 60)
    left += size * max(view.record.space.max_blocks - max(now.level, 1), 0)
    if now.level == 0:
        left += len(view.record.space.new_blocks(0))
    return left * pace


def duration_words(seconds: float) -> str:
    """Return a time span in words: ``"42 s"``, ``"3 min 20 s"``, ``"2 h 05 min"``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"


def cell_words(cell: Cell | None) -> str:
    """Return a cell in plain words, as short as it can be.

    Example:
        >>> cell_words(Cell([(-2, "3x3 conv", -1, "identity")]))
        '3x3 conv of -2 + identity of -1'
    """
    if cell is None:
        return "unknown"
    if not cell.blocks:
        return "empty cell: pooling and a linear layer"
    parts = []
    for block in cell:
        sides = [
            f"{operator} of {value if value < 0 else f'block {value}'}"
            for value, operator in ((block.in1, block.op1), (block.in2, block.op2))
        ]
        parts.append(f"twice {sides[0]}" if sides[0] == sides[1] else " + ".join(sides))
    if len(parts) == 1:
        return parts[0]
    return "; ".join(f"{index}: {part}" for index, part in enumerate(parts))


def _quality_json(quality: PredictionQuality | None) -> dict[str, Any] | None:
    return None if quality is None else dict(quality._asdict())
