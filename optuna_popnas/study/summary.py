"""Where a search stands, in numbers and in words: for status, report, dashboard note."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, TYPE_CHECKING

from optuna_popnas.space import Cell
from optuna_popnas.study.quality import level_quality
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.view import view_study
from optuna_popnas.study.words import duration_words


if TYPE_CHECKING:
    from optuna_popnas.search import PredictionQuality
    from optuna_popnas.study.records import TrialRecord


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
    running = [trial for trial in view.trials if trial.state == "RUNNING"]
    searched = view.stored_space is not None
    state = "running" if running else "finished" if view.done else "stopped"
    if not view.trials:
        state = "empty"
    elif not searched and not running:
        state = "trials"
    times = [t.started for t in view.trials if t.started is not None]
    ends = [t.finished for t in view.trials if t.finished is not None]
    levels = _summarize_levels(view)
    level = view.plans[-1].level if view.plans else max(view.levels, default=None)
    if view.plans and not view.plans[-1].cells and len(view.plans) > 1:
        level = view.plans[-2].level
    return SearchSummary(
        study_name=view.study_name,
        state=state,
        level=level,
        max_blocks=None if view.stored_space is None else view.space.max_blocks,
        complete=len(view.complete),
        failed=sum(trial.is_failure for trial in view.trials),
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


def _summarize_levels(view: StudyView) -> tuple[LevelSummary, ...]:
    quality = {row.level: row for row in level_quality(view)}
    plans = view.plans
    rows = []
    for level in sorted({plan.level for plan in plans} | set(view.levels)):
        mine = [plan for plan in plans if plan.level == level]
        trials = [trial for trial in view.complete if level_of(trial) == level]
        cells = [planned for plan in mine for planned in plan.cells]
        if not cells and not trials and not any(plan.report.message for plan in mine):
            continue
        times = [trial.seconds for trial in trials if trial.seconds is not None]
        candidates = [
            plan.report.candidates for plan in mine if plan.report.candidates is not None
        ]
        messages = [plan.report.message for plan in mine if plan.report.message]
        spent = [plan.report.seconds for plan in mine if plan.report.seconds is not None]
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
                accuracy_quality=quality[level].accuracy if level in quality else None,
                seconds_quality=quality[level].seconds if level in quality else None,
                plan_seconds=sum(spent) if spent else None,
                message="; ".join(messages) or None,
            )
        )
    return tuple(rows)


def _seconds_left(view: StudyView, levels: Sequence[LevelSummary]) -> float | None:
    """Time left at the present pace, if the levels to come are as large as the last one."""
    ends = sorted(t.finished for t in view.complete if t.finished is not None)[-_RECENT:]
    if len(ends) < 2 or view.stored_space is None:
        return None
    gaps = sorted((b - a).total_seconds() for a, b in zip(ends, ends[1:]))
    # A search that was interrupted has a long gap, which says nothing of its pace.
    gaps = [gap for gap in gaps if gap <= 10 * gaps[len(gaps) // 2]]
    pace = sum(gaps) / len(gaps)
    now = levels[-1] if levels else None
    if now is None:
        return None
    left = max(now.planned - now.trained, 0)
    settings = view.settings
    cap = int(settings.get("max_children", 128)) + int(
        settings.get("max_exploration_children", 16)
    )
    chosen = [row.planned for row in levels if row.level >= 2]
    size = chosen[-1] if chosen else min(cap, 60)
    left += size * max(view.space.max_blocks - max(now.level, 1), 0)
    if now.level == 0:
        left += len(view.space.new_blocks(0))
    return left * pace


def _quality_json(quality: PredictionQuality | None) -> dict[str, Any] | None:
    return None if quality is None else dict(quality._asdict())
