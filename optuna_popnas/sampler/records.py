"""A study as plain records: for reports, figures, the command line and the sampler itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_popnas.sampler import attributes
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.facts import read_fact
from optuna_popnas.sampler.protocol import Board
from optuna_popnas.sampler.stored_plans import find_setup
from optuna_popnas.search import pareto_front
from optuna_popnas.search import Plan
from optuna_popnas.search import prediction_quality
from optuna_popnas.search import PredictionQuality
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


class TrialRecord(NamedTuple):
    """One trial.

    Attributes:
        number: The trial's number.
        state: ``"COMPLETE"``, ``"RUNNING"``, ``"WAITING"``, ``"FAIL"`` or ``"PRUNED"``.
        cell: The cell it trains, None if it has none.
        level: Blocks of the cell.
        wave: Wave of the level that the cell belongs to; None if it is of no plan.
        role: Why the cell was chosen, see :data:`~optuna_popnas.search.observation.Role`;
            ``"enqueued"`` if a user chose it, None if another sampler did.
        attempt: 1 for the first trial of the cell, 2 for the next ...
        predicted_accuracy: What the plan predicted, None if nothing.
        predicted_seconds: Likewise.
        accuracy: Measured, None if there is no valid value.
        seconds: Measured, likewise.
        values: The values as the objective returned them.
        waited_seconds: Seconds the trial waited for its cell.
        worker: ``host:process`` that ran it.
        started: Local time.
        finished: Local time.
        user_attrs: What sampler, objective and users wrote on the trial.
        reason: Why it failed or does not count, if that is known.
    """

    number: int
    state: str
    cell: Cell | None
    level: int | None
    wave: int | None
    role: str | None
    attempt: int
    predicted_accuracy: float | None
    predicted_seconds: float | None
    accuracy: float | None
    seconds: float | None
    values: tuple[float, ...] | None
    waited_seconds: float
    worker: str | None
    started: datetime | None
    finished: datetime | None
    user_attrs: dict[str, Any]
    reason: str | None

    @property
    def is_valid(self) -> bool:
        """Whether the cell has been trained and measured."""
        return self.state == "COMPLETE" and self.cell is not None and self.accuracy is not None


class SearchRecord(NamedTuple):
    """A whole study.

    Attributes:
        study_name: Name of the study.
        space: The search space, None if the study was not run by
            :class:`~optuna_popnas.POPNASSampler`: cells are then read from the parameters.
        settings: The sampler's settings, seed included.
        directions: ``"maximize"`` or ``"minimize"`` for each objective.
        trials: All trials by number.
        plans: All plans in order.
        done: Whether the search has ended.
    """

    study_name: str
    space: SearchSpace | None
    settings: dict[str, Any]
    directions: tuple[str, ...]
    trials: tuple[TrialRecord, ...]
    plans: tuple[Plan, ...]
    done: bool


class LevelQuality(NamedTuple):
    """How well a level was predicted before it was trained (Sec. 6.2).

    Attributes:
        level: Blocks per cell.
        accuracy: Of the accuracy predictor.
        seconds: Of the time predictor; None where time was not predicted.
    """

    level: int
    accuracy: PredictionQuality
    seconds: PredictionQuality | None


def read_search(study: optuna.Study) -> SearchRecord:
    """Read a study, whatever sampler ran it, as long as it used ``space.suggest``."""
    trials = attributes.read_trials(study)
    facts = [read_fact(trial) for trial in trials]
    setup = find_setup(facts)
    plans: tuple[Plan, ...] = ()
    done = False
    if setup is not None:
        board = Board.of(setup.space, setup.settings)
        board.update(facts)
        plans, done = board.plans, board.is_done
    attempts: Counter[int] = Counter()
    records = [
        _trial_record(trial, fact, key, attempts)
        for trial, fact, key in zip(trials, facts, _cell_keys(facts))
    ]
    return SearchRecord(
        study_name=study.study_name,
        space=None if setup is None else setup.space,
        settings={} if setup is None else setup.settings,
        directions=tuple(
            "maximize" if direction == StudyDirection.MAXIMIZE else "minimize"
            for direction in study.directions
        ),
        trials=tuple(records),
        plans=plans,
        done=done,
    )


def front(trials: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Return the trials that no other dominates, the most accurate first.

    Where time was not measured this is the most accurate trial alone.
    """
    valid = [trial for trial in trials if trial.is_valid]
    values = np.array([trial.values for trial in valid], dtype=np.float64)
    if not valid:
        return ()
    rows = pareto_front(values[:, 0], values[:, 1:] if values.shape[1] > 1 else 0 * values)
    return tuple(valid[row] for row in rows)


def level_quality(search: SearchRecord) -> tuple[LevelQuality, ...]:
    """Compare predictions and measurements, level by level, as far as they go."""
    qualities = []
    for level in sorted({plan.level for plan in search.plans}):
        rows = [
            trial
            for trial in search.trials
            if trial.is_valid and trial.level == level and trial.predicted_accuracy is not None
        ]
        if not rows:
            continue
        accuracy = _quality([(row.predicted_accuracy, row.accuracy) for row in rows])
        timed = [(row.predicted_seconds, row.seconds) for row in rows]
        timed = [pair for pair in timed if None not in pair]
        qualities.append(LevelQuality(level, accuracy, _quality(timed) if timed else None))
    return tuple(qualities)


def _quality(pairs: list[tuple[float | None, float | None]]) -> PredictionQuality:
    """Compare ``(predicted, measured)`` pairs."""
    columns = np.array(pairs, dtype=np.float64).T
    return prediction_quality(columns[0], columns[1])


def _cell_keys(facts: Sequence[Fact]) -> list[int]:
    """Return what equivalent cells have in common, for each trial; 0 where there is no cell."""
    cells = [fact.cell or Cell() for fact in facts]
    keys: list[int] = CellBatch.from_cells(SearchSpace.of(cells), cells).keys.tolist()
    return [0 if fact.cell is None else key for fact, key in zip(facts, keys)]


def _trial_record(trial: FrozenTrial, fact: Fact, key: int, attempts: Counter[int]) -> TrialRecord:
    claim = fact.claim
    wave = role = accuracy = seconds = None
    if claim is not None and claim.cell == fact.cell:
        wave, role = claim.wave, claim.role
        accuracy, seconds = claim.predicted_accuracy, claim.predicted_seconds
    elif params_fixed(trial) and fact.cell is not None:
        role = "enqueued"
    attempt = 1
    if fact.cell is not None:
        attempts[key] += trial.state != TrialState.WAITING
        attempt = max(attempts[key], 1)
    return TrialRecord(
        number=trial.number,
        state=trial.state.name,
        cell=fact.cell,
        level=None if fact.cell is None else len(fact.cell),
        wave=wave,
        role=role,
        attempt=attempt,
        predicted_accuracy=accuracy,
        predicted_seconds=seconds,
        accuracy=fact.accuracy if trial.state == TrialState.COMPLETE else None,
        seconds=fact.seconds if trial.state == TrialState.COMPLETE else None,
        values=None if trial.values is None else tuple(trial.values),
        waited_seconds=0.0 if claim is None else claim.waited_seconds,
        worker=None if claim is None else claim.worker,
        started=trial.datetime_start,
        finished=trial.datetime_complete,
        user_attrs=dict(trial.user_attrs),
        reason=fact.reason,
    )


def params_fixed(trial: FrozenTrial) -> bool:
    """Whether a user enqueued the trial with parameters."""
    return bool(trial.system_attrs.get(attributes.FIXED_PARAMS))
