"""What the sampler reads from one trial and what it writes on it, as plain data.

Whatever else is in the database, of users, of other programs or of other versions, is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
import math
from typing import Any, NamedTuple, TypeGuard

from optuna.study import StudyDirection
from optuna.trial import BaseTrial
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.parameters import params_cell
from optuna_popnas.sampler.plan_text import join_plan
from optuna_popnas.sampler.plan_text import PLAN
from optuna_popnas.sampler.plan_text import VERSION
from optuna_popnas.space import Cell


# A user attribute, as people want to see it: the cell this trial trains, and why. One write, as
# each takes a disk's time.
CLAIM = "popnas"

# User attributes that objectives write.
DEVICE = "device"
CALIBRATION = "calibration"  # the seconds are those of the study's reference device
STOPPED = "stopped"  # the training was ended early, as it promised nothing
TIME_PARTS = "time_parts"  # where the time of a training went
CURVE = "learning_curve"  # validation accuracies, an epoch each
MACHINE_FAILURE = "machine_failure"  # the training failed by no fault of the cell
SECONDS = "seconds"  # what a training that was ended early would have cost
TOTAL_CELLS = "total_cells"  # of a network like the trial\'s that reads lookback -1
EXPECTED = "expected_accuracy"  # to which its curve leads

NO_CELL = (
    "It asked for no cell, so that none was trained. Call `cell = space.suggest(trial)` in the "
    "objective, with the sampler's space."
)

# System attributes of a trial. All values are JSON; that of a mark is a dict that says who wrote
# it and on which trial, as retried trials are copies of others, marks included.
LEAD = "popnas:lead"  # number of the plan that this trial is making
WAIT = "popnas:wait"  # that this trial waits for a cell
OWNER = "popnas:owner"  # who runs this trial, where no claim says so
SURPLUS = "popnas:surplus"  # why this trial was not needed
BEAT = "popnas:beat"  # counts up while the trial's process lives
REASON = "popnas:reason"  # why a trial failed

#: Beginnings of reasons of failed trials that say nothing about the cell.
DEAD = "declared dead"
INTERRUPTED = "interrupted"


class Claim(NamedTuple):
    """That a trial trains a cell of a plan; shown to people as a user attribute.

    Attributes:
        cell: The cell; it holds even if the plan should be replaced.
        level: Blocks of the cell.
        wave: Wave of the level.
        role: Why the cell was chosen.
        predicted_accuracy: What the plan predicted, None if nothing.
        predicted_seconds: Likewise.
        attempt: 1 for the first trial of the cell, 2 for the next ...
        waited_seconds: Seconds the trial waited for the cell.
        worker: Who trains it, for people: ``host:process``.
        process: Who trains it, for :mod:`~optuna_popnas.sampler.liveness`.
        plan: Number of the plan, from 0.
        place: Position of the cell in the plan, from 0.
        repeat: How many other trainings of the cell were planned before: 0 for the first.
        seat: What a worker that is started again has in common with the one before.
        trial: Number of the trial that claims.
    """

    cell: Cell
    level: int
    wave: int
    role: str
    predicted_accuracy: float | None
    predicted_seconds: float | None
    attempt: int
    waited_seconds: float
    worker: str
    process: str
    plan: int
    place: int
    repeat: int = 0
    seat: str = ""
    trial: int = -1

    def to_json(self) -> dict[str, Any]:
        """Return the claim as it is stored."""
        return {**self._asdict(), "cell": str(self.cell), "version": VERSION}

    @classmethod
    def from_json(cls, data: Any) -> Claim | None:
        """Read what :meth:`to_json` returned; None if it is something else."""
        if not isinstance(data, dict) or data.get("version") != VERSION:
            return None
        try:
            values = {**cls._field_defaults, **{k: data[k] for k in cls._fields if k in data}}
            claim = cls(**{**values, "cell": parse_cell(data["cell"])})
        except (KeyError, TypeError, ValueError, AttributeError):
            return None
        numbers = (claim.level, claim.wave, claim.attempt, claim.plan, claim.place, claim.repeat)
        texts = (claim.role, claim.worker, claim.process, claim.seat)
        guesses = (claim.predicted_accuracy, claim.predicted_seconds, claim.waited_seconds)
        sound = (
            all(isinstance(number, int) for number in (*numbers, claim.trial))
            and min(claim.plan, claim.place, claim.repeat) >= 0
            and all(isinstance(text, str) for text in texts)
            and all(guess is None or _is_number(guess) for guess in guesses)
            and claim.waited_seconds is not None
        )
        return claim if sound else None


class Fact(NamedTuple):
    """One trial as the protocol sees it.

    Attributes:
        number: The trial's number.
        state: Its state.
        cell: The cell it trains or has trained; None if it has none (yet).
        accuracy: Measured accuracy, None if there is no valid one.
        seconds: Measured time, likewise.
        others: Values of further objectives.
        reason: Why it failed, if that is known.
        claim: Its claim, if it got its cell from a plan.
        lead: Number of the plan that it is making.
        plans: Numbers of the plans it carries -> their JSON.
        waits: Whether it has said that it waits for a cell.
        seat: Who runs it, see :class:`Claim`; None if nobody has said so.
        curve: Validation accuracies of a training that was stopped early.
        spent: Seconds of training where the objective says so, else those that the trial took.
        device: On which device its seconds were measured, if they were not converted.
        total_cells: Cells of a network like its own that reads lookback -1, if it says so.
    """

    number: int
    state: TrialState
    cell: Cell | None
    accuracy: float | None = None
    seconds: float | None = None
    others: tuple[float, ...] = ()
    reason: str | None = None
    claim: Claim | None = None
    lead: int | None = None
    plans: tuple[tuple[int, dict[str, Any]], ...] = ()
    waits: bool = False
    seat: str | None = None
    curve: tuple[float, ...] = ()
    spent: float = 0.0
    device: str | None = None
    total_cells: int | None = None

    @property
    def is_valid(self) -> bool:
        """Whether a cell has been trained and measured, if only in part."""
        return self.cell is not None and self.accuracy is not None

    @property
    def is_blameless(self) -> bool:
        """Whether the trial failed by no fault of its cell."""
        return self.reason is None or self.reason.startswith((DEAD, INTERRUPTED))


@lru_cache(maxsize=100_000)
def parse_cell(text: str) -> Cell:
    """Read a cell; the same text gives the same object."""
    return Cell.parse(text)


def direction_problem(
    directions: Sequence[StudyDirection], objectives: Sequence[str] = ()
) -> str | None:
    """Return what is wrong with the directions of a study, or None.

    Args:
        directions: Directions of the study.
        objectives: Names of the objectives after accuracy and time.
    """
    names = [direction.name.lower() for direction in directions]
    full = ["maximize", "minimize", *("minimize" for _ in objectives)]
    if names == full or (names == ["maximize"] and not objectives):
        return None
    meaning = ", ".join(["accuracy", "seconds", *objectives])
    alone = "" if objectives else " or ['maximize'] (accuracy alone)"
    return (
        f"`directions` must be {full} ({meaning}){alone}, but got {names}. "
        "Create a study with these directions."
    )


def value_problem(values: Sequence[float]) -> str | None:
    """Return what is wrong with the values of an objective, or None."""
    if not math.isfinite(values[0]):
        return (
            f"The accuracy must be a finite number, but got {values[0]}. "
            "The trial counts as failed."
        )
    if len(values) > 1 and not (math.isfinite(values[1]) and values[1] > 0):
        return (
            f"The time must be a finite number of seconds greater than 0, but got {values[1]}. "
            "The trial counts as failed."
        )
    for value in values[2:]:
        if not (math.isfinite(value) and value >= 0):
            return (
                "Further objectives must be finite numbers of at least 0, but one of them is "
                f"{value}. The trial counts as failed."
            )
    return None


def mark_of(trial: FrozenTrial, key: str) -> dict[str, Any] | None:
    """Return what a worker wrote on this trial itself, None if that is nothing."""
    mark = trial.system_attrs.get(key)
    if not isinstance(mark, dict) or mark.get("trial", trial.number) != trial.number:
        return None
    return mark


def claim_of(trial: FrozenTrial) -> Claim | None:
    """Return the claim of this trial itself, None if it has none."""
    claim = Claim.from_json(trial.user_attrs.get(CLAIM))
    return None if claim is None or claim.trial not in (-1, trial.number) else claim


def repeat_of(trial: BaseTrial) -> int:
    """Return how many trainings of the trial's cell were planned before, 0 if it is the first."""
    claim = Claim.from_json(trial.user_attrs.get(CLAIM))
    return 0 if claim is None else claim.repeat


def read_fact(trial: FrozenTrial) -> Fact:
    """Read a trial."""
    system = trial.system_attrs
    claim = claim_of(trial)
    reason = system.get(REASON) or trial.user_attrs.get("reason")
    if MACHINE_FAILURE in trial.user_attrs:
        reason = f"{INTERRUPTED}: {trial.user_attrs[MACHINE_FAILURE]}"
    finished = trial.state.is_finished()
    cell = params_cell(trial.params)
    if not finished and claim is not None:
        cell = claim.cell
    elif cell is None and not finished:
        fixed = system.get(internals.FIXED_PARAMS)
        cell = params_cell(fixed) if isinstance(fixed, dict) else None
    elif cell is None and trial.state != TrialState.COMPLETE and claim is not None:
        cell = claim.cell
    if SURPLUS in system:
        cell = None  # its parameters only keep it from standing out in a dashboard
        reason = system[SURPLUS]
    spent = _trained(trial.user_attrs)
    if spent is None:
        spent = _duration(trial) - (0.0 if claim is None else claim.waited_seconds)
    values = trial.values
    curve: tuple[float, ...] = ()
    if trial.state == TrialState.PRUNED:
        curve = _curve(trial.user_attrs)
        values = _partial_values(trial.user_attrs, curve, spent) if curve else None
    elif trial.state != TrialState.COMPLETE:
        values = None
    problem = None if values is None else value_problem(values)
    valid = values if problem is None else None
    lead, waits, owner = (mark_of(trial, key) for key in (LEAD, WAIT, OWNER))
    device = trial.user_attrs.get(DEVICE)
    total = trial.user_attrs.get(TOTAL_CELLS)
    seats = [None if claim is None else claim.seat]
    seats += [mark.get("seat") for mark in (waits, lead, owner) if mark]
    return Fact(
        number=trial.number,
        state=trial.state,
        cell=cell,
        accuracy=float(valid[0]) if valid else None,
        seconds=float(valid[1]) if valid and len(valid) > 1 else None,
        others=tuple(map(float, valid[2:])) if valid else (),
        reason=None if not (reason or problem) else str(reason or problem),
        claim=claim,
        lead=lead["plan"] if lead and isinstance(lead.get("plan"), int) else None,
        plans=tuple(_plans(system)),
        waits=waits is not None,
        seat=next((seat for seat in seats if isinstance(seat, str) and seat), None),
        curve=curve,
        spent=max(spent, 0.0),
        device=None if device is None or CALIBRATION in trial.user_attrs else str(device),
        total_cells=total if isinstance(total, int) and total > 0 else None,
    )


def _plans(system: Mapping[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """Return the plans on a trial, those in parts put together."""
    plans = []
    for key, value in system.items():
        number = key[len(PLAN) :]
        if key.startswith(PLAN) and number.isdecimal():
            joined = join_plan(value, int(number), system)
            if joined is not None:
                plans.append((int(number), joined))
    return plans


def _curve(attrs: Mapping[str, Any]) -> tuple[float, ...]:
    """Return the learning curve of a training that was ended early, () if it was not."""
    curve = attrs.get(CURVE)
    if not attrs.get(STOPPED) or not isinstance(curve, list) or not all(map(_is_number, curve)):
        return ()
    return tuple(map(float, curve))


def _partial_values(attrs: Mapping[str, Any], curve: Sequence[float], spent: float) -> list[float]:
    seconds = attrs.get(SECONDS, spent)
    accuracy = attrs.get(EXPECTED)
    return [
        float(accuracy) if _is_number(accuracy) else max(curve),
        float(seconds) if _is_number(seconds) else spent,
    ]


def _trained(attrs: Mapping[str, Any]) -> float | None:
    """Return the seconds of training that an objective has measured, None if it has not."""
    parts = attrs.get(TIME_PARTS)
    seconds = parts.get("train_seconds") if isinstance(parts, dict) else None
    return float(seconds) if _is_number(seconds) else None


def _duration(trial: FrozenTrial) -> float:
    if trial.datetime_start is None or trial.datetime_complete is None:
        return 0.0
    return (trial.datetime_complete - trial.datetime_start).total_seconds()


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and math.isfinite(value)
