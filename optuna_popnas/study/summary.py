"""Where a search stands, in numbers and in words: for status, report, dashboard note."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from typing import Any, NamedTuple, TYPE_CHECKING

from optuna_popnas.search import expected_trials
from optuna_popnas.search import SearchConfig
from optuna_popnas.space import Cell
from optuna_popnas.study.levels import LevelSummary
from optuna_popnas.study.levels import summarize_levels
from optuna_popnas.study.search_time import search_time
from optuna_popnas.study.search_time import SearchTime
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.view import view_study
from optuna_popnas.study.words import duration_words


if TYPE_CHECKING:
    from optuna_popnas.study.records import TrialRecord


_RECENT = 24  # finished trials that the pace is measured on


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
        training_seconds: Of all trials together, of trainings that were ended early too.
        waited_seconds: Waiting of all trials together.
        elapsed_seconds: From the start of the first to the end of the last trial.
        seconds_left: Estimate until the search ends, at the present pace; None if not running.
        time: Where the time went.
        repeats: Trainings of cells that had been trained before.
        ended: Why the search ended, in the planner's words.
        waves: Waves that an adaptive search has planned; None of other searches.
        budget_seconds: Seconds of training that the search may spend; None: no budget.
        expected_gain: By how much the next cells were expected to raise front and accuracy, per
            second of training; None where it is not known.
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
    time: SearchTime
    repeats: int
    ended: str | None
    waves: int | None
    budget_seconds: float | None
    expected_gain: float | None
    levels: tuple[LevelSummary, ...]

    @property
    def trained(self) -> str:
        """How much was trained, without a full stop."""
        cells = "1 cell" if self.complete == 1 else f"{self.complete:,} cells"
        trained = f"{cells} trained"
        if self.failed:
            trained += f", {self.failed} failed"
        stopped = sum(row.stopped for row in self.levels)
        if stopped:
            trained += f", {stopped:,} ended early"
        if (self.failed or stopped) and self.budget_seconds is not None:
            trained += ","
        if self.budget_seconds is not None:
            trained += f" in {duration_words(self.time.training)} of training"
            trained += f" (budget {duration_words(self.budget_seconds)})"
        return trained

    @property
    def sentence(self) -> str:
        """The state in one sentence."""
        trained = self.trained
        if self.state == "empty":
            return "Nothing has been trained yet."
        if self.state == "trials":
            return f"{trained} (not a POPNAS search)."
        if self.state == "finished":
            return f"The search is finished: {trained}."
        now = next((row for row in self.levels if row.level == self.level), None)
        if self.waves is not None:
            now = None
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
            "time": {name: round(value, 3) for name, value in self.time._asdict().items()},
            "repeats": self.repeats,
            "ended": self.ended,
            "waves": self.waves,
            "budget_seconds": self.budget_seconds,
            "expected_gain": self.expected_gain,
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
            "levels": [row.to_json() for row in self.levels],
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
    levels = summarize_levels(view)
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
        training_seconds=sum(t.trained_seconds for t in (*view.complete, *view.stopped)),
        waited_seconds=sum(trial.waited_seconds for trial in view.trials),
        elapsed_seconds=(max(ends) - min(times)).total_seconds() if times and ends else 0.0,
        seconds_left=_seconds_left(view, levels) if state == "running" and searched else None,
        time=search_time(view),
        repeats=len(view.complete) - len(view.measurements),
        ended=view.plans[-1].report.message if view.done and view.plans else None,
        waves=sum(bool(plan.cells) for plan in view.plans) if view.is_adaptive else None,
        budget_seconds=view.settings.get("budget_seconds"),
        expected_gain=view.plans[-1].report.expected_gain if view.plans else None,
        levels=levels,
    )


def _budget_left(view: StudyView) -> float | None:
    """Wall time until the budget is spent, at the pace so far."""
    budget, time = view.settings.get("budget_seconds"), search_time(view)
    spent = sum(trial.trained_seconds for trial in (*view.complete, *view.stopped))
    if budget is None or spent <= 0:
        return None
    return max(float(budget) - spent, 0.0) * time.wall / spent


def _seconds_left(view: StudyView, levels: Sequence[LevelSummary]) -> float | None:
    """Time left at the present pace; levels to come count as the last one that was chosen."""
    if view.is_adaptive:
        return _budget_left(view)
    ends = sorted(t.finished for t in view.complete if t.finished is not None)[-_RECENT:]
    if len(ends) < 2 or view.stored_space is None:
        return None
    gaps = sorted((b - a).total_seconds() for a, b in zip(ends, ends[1:]))
    # A search that was interrupted has a long gap, which says nothing of its pace.
    gaps = [gap for gap in gaps if gap <= 10 * gaps[len(gaps) // 2]]
    pace = sum(gaps) / len(gaps)
    names = {entry.name for entry in fields(SearchConfig)}
    settings = {name: value for name, value in view.settings.items() if name in names}
    total = expected_trials(SearchConfig(**settings), view.space, view.plans)
    left = max(total - sum(row.trained for row in levels), 0)
    return left * pace
