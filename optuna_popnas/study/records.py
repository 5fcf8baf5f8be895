"""The trials of a study as plain records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_popnas.sampler.facts import DEAD
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.facts import INTERRUPTED
from optuna_popnas.sampler.optuna_internals import FIXED_PARAMS
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
        feasible: Whether the trial keeps the study's constraints.
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
    feasible: bool
    user_attrs: dict[str, Any]
    reason: str | None

    @property
    def is_valid(self) -> bool:
        """Whether the cell has been trained and measured."""
        return self.state == "COMPLETE" and self.cell is not None and self.accuracy is not None

    @property
    def curve(self) -> tuple[float, ...]:
        """Validation accuracy after each epoch; empty where the objective did not write it."""
        values = self.user_attrs.get("learning_curve") or self.user_attrs.get("curve")
        if not isinstance(values, (list, tuple)):
            return ()
        return tuple(float(value) for value in values if isinstance(value, (int, float)))

    @property
    def trained_seconds(self) -> float:
        """Seconds of training, also of one that was ended early; 0 where they are not known."""
        parts = self.user_attrs.get("time_parts")
        known = parts.get("train_seconds") if isinstance(parts, dict) else None
        return float(known if self.seconds is None and known else self.seconds or 0.0)

    @property
    def is_failure(self) -> bool:
        """Whether the training failed, rather than being interrupted or lost with its worker."""
        if self.state != "FAIL" or self.cell is None:
            return False
        return not (self.reason or "").startswith((DEAD, INTERRUPTED))


def trial_records(trials: Sequence[FrozenTrial], facts: Sequence[Fact]) -> tuple[TrialRecord, ...]:
    """Return the trials of a study as records, in their order."""
    attempts: Counter[int] = Counter()
    return tuple(
        _trial_record(trial, fact, key, attempts)
        for trial, fact, key in zip(trials, facts, _cell_keys(facts))
    )


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
    elif fact.cell is not None and trial.system_attrs.get(FIXED_PARAMS):
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
        feasible=all(value <= 0 for value in trial.constraints.values()),
        user_attrs=dict(trial.user_attrs),
        reason=fact.reason,
    )
