"""What figures, report and command line read of a study: one look, plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TYPE_CHECKING

from optuna_popnas.search import pareto_front
from optuna_popnas.search import PredictionQuality
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


if TYPE_CHECKING:
    from optuna import Study

    from optuna_popnas.sampler.records import SearchRecord
    from optuna_popnas.sampler.records import TrialRecord


class StudyView(NamedTuple):
    """A study as the figures see it.

    Attributes:
        record: The search, from its storage.
        metric_names: Name of each objective.
        user_attrs: User attributes of the study, among them the settings that the command line
            keeps there.
    """

    record: SearchRecord
    metric_names: tuple[str, ...]
    user_attrs: Mapping[str, Any]

    @property
    def trials(self) -> tuple[TrialRecord, ...]:
        """All trials, whatever their state."""
        return self.record.trials

    @property
    def complete(self) -> tuple[TrialRecord, ...]:
        """Finished trials with a known cell and accuracy."""
        return tuple(trial for trial in self.record.trials if trial.is_valid)

    @property
    def timed(self) -> tuple[TrialRecord, ...]:
        """Finished trials that also have training seconds."""
        return tuple(trial for trial in self.complete if trial.seconds is not None)

    @property
    def levels(self) -> tuple[int, ...]:
        """Levels with a finished trial, ascending."""
        return tuple(sorted({level_of(trial) for trial in self.complete}))

    @property
    def front(self) -> tuple[TrialRecord, ...]:
        """Trials that no other one dominates, in all objectives, the most accurate first."""
        return front_of(self.complete, self.record.directions)

    @property
    def space(self) -> SearchSpace:
        """The search space; where it is not recorded, the smallest one that has all cells."""
        cells = (trial.cell for trial in self.record.trials if trial.cell is not None)
        return self.record.space or SearchSpace.of(cells)


#: What the figure functions take.
StudyLike = Any


def view_study(study: Study | StudyView) -> StudyView:
    """Read a study once; what is a view already is returned as it is."""
    if isinstance(study, StudyView):
        return study
    from optuna_popnas.sampler.records import read_search

    record = read_search(study)
    further = record.settings.get("objectives", ())
    names = study.metric_names or _metric_names(len(study.directions), further)
    return StudyView(record, tuple(names), dict(study.user_attrs))


def _metric_names(count: int, further: Sequence[str]) -> tuple[str, ...]:
    """Return what the objectives are, if the study does not say so."""
    names = ("accuracy", "training seconds", *further)[:count]
    return (*names, *(f"objective {index}" for index in range(len(names), count)))


def level_of(trial: TrialRecord) -> int:
    """Return the blocks of a trial's cell."""
    return len(trial.cell or Cell())


def front_of(trials: Sequence[TrialRecord], directions: Sequence[str]) -> tuple[TrialRecord, ...]:
    """Return the trials that no other one dominates, in all objectives."""
    known = [trial for trial in trials if trial.values is not None]
    if not known:
        return ()
    signs = [-1.0 if direction == "maximize" else 1.0 for direction in directions]
    costs = [[s * v for s, v in zip(signs, trial.values or ())] for trial in known]
    rows = pareto_front([-cost[0] for cost in costs], [cost[1:] for cost in costs])
    return tuple(known[row] for row in rows)


def quality_by_level(view: StudyView, target: str) -> dict[int, PredictionQuality]:
    """Return how well each level was predicted before it was trained (Tables 6.2 and 6.3).

    Args:
        view: The study.
        target: ``"accuracy"`` or ``"seconds"``.
    """
    from optuna_popnas.sampler.records import level_quality

    rows = {row.level: getattr(row, target) for row in level_quality(view.record)}
    return {level: quality for level, quality in rows.items() if quality is not None}
