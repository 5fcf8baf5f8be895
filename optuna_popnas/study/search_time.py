"""Where the time of a search went (the search times of Table 6.4, in full)."""

from __future__ import annotations

from typing import NamedTuple

from optuna_popnas.study.view import StudyView


class SearchTime(NamedTuple):
    """The time of a search in seconds; all workers together, but for the last one.

    Attributes:
        training: Of all finished trials, those that were ended early and those that failed too.
        validation: Of all finished trials.
        setup: Building networks, moving data, warming up.
        planning: Fitting models and choosing cells, wall time.
        waiting: Waiting for a cell, while another worker planned or the last cells of a level
            were trained.
        other: The rest of the trials: reading and writing the storage, failed trainings.
        wall: Wall time during which there was a trial: pauses between two runs are left out.
    """

    training: float
    validation: float
    setup: float
    planning: float
    waiting: float
    other: float
    wall: float

    @property
    def total(self) -> float:
        """All parts together: seconds of workers."""
        return sum(self[:-1])


def search_time(view: StudyView) -> SearchTime:
    """Return where the time of a search went.

    Where the clock of the trainings is not the wall's, as that of processes on busy cores, the
    parts need not add up to the trials' length; nothing is negative, though.
    """
    training = validation = setup = waiting = length = 0.0
    spans = []
    for trial in view.trials:
        if trial.started is None or trial.finished is None:
            continue
        spans.append((trial.started.timestamp(), trial.finished.timestamp()))
        length += spans[-1][1] - spans[-1][0]
        parts = trial.user_attrs.get("time_parts")
        parts = parts if isinstance(parts, dict) else {}
        training += float(parts.get("train_seconds", trial.trained_seconds))
        validation += float(parts.get("validation_seconds", 0.0))
        setup += float(parts.get("setup_seconds", 0.0))
        waiting += trial.waited_seconds
    planning = sum(plan.report.seconds or 0.0 for plan in view.plans)
    # The leader waits for its own plan.
    waiting = max(waiting - planning, 0.0)
    known = training + validation + setup + planning + waiting
    return SearchTime(
        training, validation, setup, planning, waiting, max(length - known, 0.0), _union(spans)
    )


def _union(spans: list[tuple[float, float]]) -> float:
    """Return how much time at least one span covers."""
    covered, end = 0.0, float("-inf")
    for start, stop in sorted(spans):
        covered += max(stop - max(start, end), 0.0)
        end = max(end, stop)
    return covered
