"""A whole study as plain data: what figures, report, command line and users read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import optuna
from optuna.study import StudyDirection

from optuna_popnas.sampler.board import Board
from optuna_popnas.sampler.facts import read_fact
from optuna_popnas.sampler.optuna_internals import read_trials
from optuna_popnas.sampler.stored_plans import find_setup
from optuna_popnas.search import Plan
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace
from optuna_popnas.study.front import front
from optuna_popnas.study.records import trial_records
from optuna_popnas.study.records import TrialRecord


#: User attribute of a study: number of a trial -> accuracies of fresh trainings.
CONFIRMED = "confirmed"


class StudyView(NamedTuple):
    """A study as it stands in its storage.

    Attributes:
        study_name: Name of the study.
        stored_space: The search space, None if the study was not run by
            :class:`~optuna_popnas.POPNASSampler`: cells are then read from the parameters.
        settings: The sampler's settings, seed included.
        directions: ``"maximize"`` or ``"minimize"`` for each objective.
        trials: All trials by number, whatever their state.
        plans: All plans in order.
        done: Whether the search has ended.
        metric_names: Name of each objective.
        user_attrs: User attributes of the study, among them the settings that the command line
            keeps there.
        confirmed: Accuracies of trials that were trained again with fresh seeds, by number.
    """

    study_name: str
    stored_space: SearchSpace | None
    settings: dict[str, Any]
    directions: tuple[str, ...]
    trials: tuple[TrialRecord, ...]
    plans: tuple[Plan, ...]
    done: bool
    metric_names: tuple[str, ...]
    user_attrs: Mapping[str, Any]
    confirmed: Mapping[int, tuple[float, ...]]

    @property
    def is_adaptive(self) -> bool:
        """Whether cells of all depths were chosen in small waves, not level by level."""
        return self.settings.get("mode") == "adaptive"

    @property
    def complete(self) -> tuple[TrialRecord, ...]:
        """Finished trials with a known cell and accuracy."""
        return tuple(trial for trial in self.trials if trial.is_valid)

    @property
    def stopped(self) -> tuple[TrialRecord, ...]:
        """Trainings that were ended early, as they promised nothing."""
        return tuple(t for t in self.trials if t.state == "PRUNED" and t.user_attrs.get("stopped"))

    @property
    def measurements(self) -> dict[Cell, tuple[float, ...]]:
        """The accuracies of each trained cell, in canonical form: several if it was repeated."""
        found: dict[Cell, tuple[float, ...]] = {}
        for trial in self.complete:
            cell = (trial.cell or Cell()).canonical()
            found[cell] = (*found.get(cell, ()), trial.accuracy or 0.0)
        return found

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
        return front(self.complete, self.directions)

    def expected(self, trial: TrialRecord) -> float | None:
        """The accuracy to expect of a trial: the mean of fresh trainings, or its only one."""
        values = self.confirmed.get(trial.number, ())
        return sum(values) / len(values) if values else trial.accuracy

    @property
    def space(self) -> SearchSpace:
        """The search space; where it is not recorded, the smallest one that has all cells."""
        cells = (trial.cell for trial in self.trials if trial.cell is not None)
        return self.stored_space or SearchSpace.of(cells)


#: What figures, report and summary take.
StudyLike = optuna.Study | StudyView


def view_study(study: StudyLike) -> StudyView:
    """Read a study, whatever sampler ran it, as long as it used ``space.suggest``.

    What is a view already is returned as it is, so that several figures of one large study need
    read it only once.
    """
    if isinstance(study, StudyView):
        return study
    trials = read_trials(study)
    facts = [read_fact(trial) for trial in trials]
    setup = find_setup(facts)
    plans: tuple[Plan, ...] = ()
    done = False
    if setup is not None:
        board = Board(setup)
        board.update(facts)
        plans, done = tuple(board.plans), board.is_done
    settings = {} if setup is None else setup.settings
    return StudyView(
        study_name=study.study_name,
        stored_space=None if setup is None else setup.space,
        settings=settings,
        directions=tuple(
            "maximize" if direction == StudyDirection.MAXIMIZE else "minimize"
            for direction in study.directions
        ),
        trials=trial_records(trials, facts),
        plans=plans,
        done=done,
        metric_names=tuple(
            study.metric_names
            or _metric_names(len(study.directions), settings.get("objectives", ()))
        ),
        user_attrs=study.user_attrs,
        confirmed={
            int(number): tuple(values)
            for number, values in study.user_attrs.get(CONFIRMED, {}).items()
        },
    )


def level_of(trial: TrialRecord) -> int:
    """Return the blocks of a trial's cell."""
    return len(trial.cell or Cell())


def _metric_names(count: int, further: Sequence[str]) -> tuple[str, ...]:
    """Return what the objectives are, if the study does not say so."""
    names = ("accuracy", "training seconds", *further)[:count]
    return (*names, *(f"objective {index}" for index in range(len(names), count)))
