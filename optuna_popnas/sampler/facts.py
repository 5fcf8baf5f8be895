"""What the sampler reads from one trial and what it writes on it, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
import math
from typing import Any, NamedTuple

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_popnas.sampler import attributes
from optuna_popnas.sampler.parameters import params_cell
from optuna_popnas.space import Cell


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

    def to_json(self) -> dict[str, Any]:
        """Return the claim as it is stored."""
        return {**self._asdict(), "cell": str(self.cell), "version": attributes.VERSION}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Claim:
        """Read what :meth:`to_json` returned."""
        values = {name: data[name] for name in cls._fields}
        return cls(**{**values, "cell": parse_cell(data["cell"])})


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
        result: Whether its objective has returned and the result is on record.
        waits: Whether it has said that it waits for a cell.
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
    result: bool = False
    waits: bool = False

    @property
    def is_open(self) -> bool:
        """Whether the trial is running."""
        return self.state == TrialState.RUNNING

    @property
    def is_valid(self) -> bool:
        """Whether a cell has been trained and measured."""
        return self.cell is not None and self.accuracy is not None


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


def read_fact(trial: FrozenTrial) -> Fact:
    """Read a trial."""
    system = trial.system_attrs
    claim = trial.user_attrs.get(attributes.CLAIM)
    claimed = None if claim is None else Claim.from_json(claim)
    reason = system.get(attributes.REASON) or trial.user_attrs.get("reason")
    result = system.get(attributes.RESULT)
    values = trial.values
    if values is None and trial.state == TrialState.RUNNING and result is not None:
        values = result["values"]
    cell = params_cell(trial.params)
    if cell is None and not trial.state.is_finished():
        cell = params_cell(system.get(attributes.FIXED_PARAMS, {}))
        if claimed is not None:
            cell = claimed.cell
    elif cell is None and trial.state != TrialState.COMPLETE and claimed is not None:
        cell = claimed.cell
    accuracy = seconds = None
    others: tuple[float, ...] = ()
    if values is not None and trial.state in (TrialState.COMPLETE, TrialState.RUNNING):
        problem = value_problem(values)
        reason = reason or problem
        if problem is None:
            accuracy = float(values[0])
            seconds = float(values[1]) if len(values) > 1 else None
            others = tuple(map(float, values[2:]))
    if attributes.SURPLUS in system:
        cell = None  # its parameters only keep it from standing out in a dashboard
        reason = system[attributes.SURPLUS]
    lead = system.get(attributes.LEAD)
    start = len(attributes.PLAN)
    return Fact(
        number=trial.number,
        state=trial.state,
        cell=cell,
        accuracy=accuracy,
        seconds=seconds,
        others=others,
        reason=None if reason is None else str(reason),
        claim=claimed,
        lead=None if lead is None else lead["plan"],
        plans=tuple(
            (int(key[start:]), value)
            for key, value in system.items()
            if key.startswith(attributes.PLAN)
        ),
        result=result is not None,
        waits=bool(system.get(attributes.WAIT)),
    )
