"""What the search knows and what it decides, as plain data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from typing import Any, Literal, NamedTuple

import numpy as np

from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


Mode = Literal["popnas", "pnas", "popnas-v1"]
MODES: tuple[str, ...] = ("popnas", "pnas", "popnas-v1")

#: Why a cell was chosen. "reserve" cells are trained only by workers that would idle.
Role = Literal["empty", "first", "pilot", "front", "exploration", "reserve"]

_PLAN_VERSION = 1


class Observation(NamedTuple):
    """A cell that has been trained.

    Attributes:
        cell: The cell.
        accuracy: Its validation accuracy.
        seconds: Its training time, or None where time is not measured.
        others: The values of all further objectives, measured or computed.
    """

    cell: Cell
    accuracy: float
    seconds: float | None = None
    others: tuple[float, ...] = ()


class Probe(NamedTuple):
    """A cheap estimate of a cell's training time.

    Attributes:
        cell: The cell.
        seconds: Estimated seconds of a whole training.
    """

    cell: Cell
    seconds: float


@dataclass(frozen=True)
class SearchConfig:
    """Settings of the search (Sec. 4.3, 6.1).

    Args:
        mode: ``"popnas"`` (the thesis), ``"pnas"`` (most accurate cells, no time) or
            ``"popnas-v1"`` (Sec. 3.4: no exploration, no equivalence, lookback -1 only).
        max_children: At most so many cells of the front are trained per level (K).
        max_exploration_children: At most so many more by the exploration step (J).
        time_limit: Candidates that are predicted to train longer are dropped, seconds (T).
        limits: More upper bounds, by the name of a computed cost such as ``"parameters"``, or of
            an objective.
        objectives: Objectives besides accuracy and time. Those that are no computed costs are
            measured, and predicted as time is.
        reserve: So many next-best cells are added to each plan, for workers that would idle.
        pilot: So many spread cells are trained before each level is planned.
        probes: So many spread candidates are timed by the probe before a level is planned.
        optimism: Accuracy is judged at its prediction plus so many standard deviations.
        max_candidates: A level with more candidates is sampled down to this number.
        total_cells: Cells of a network that reads lookback -1, for the time predictor.

    Raises:
        ValueError: A setting is out of range.
    """

    mode: str = "popnas"
    max_children: int = 128
    max_exploration_children: int = 16
    time_limit: float | None = None
    limits: dict[str, float] = field(default_factory=dict)
    objectives: tuple[str, ...] = ()
    reserve: int = 0
    pilot: int = 0
    probes: int = 24
    optimism: float = 0.0
    max_candidates: int = 4_000_000
    total_cells: int = 8

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(
                f"`mode` must be one of {', '.join(map(repr, MODES))}, but got {self.mode!r}."
            )
        for name, low in (
            ("max_children", 1),
            ("max_exploration_children", 0),
            ("reserve", 0),
            ("pilot", 0),
            ("probes", 0),
            ("max_candidates", 1),
            ("total_cells", 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
                raise ValueError(
                    f"`{name}` must be an integer of at least {low}, but got {value!r}."
                )
        if not self.optimism >= 0:
            raise ValueError(f"`optimism` must be at least 0, but got {self.optimism!r}.")
        for name, limit in {"time_limit": self.time_limit, **self.limits}.items():
            if limit is not None and not limit > 0:
                raise ValueError(f"`{name}` must be greater than 0, but got {limit!r}.")

    def check_space(self, space: SearchSpace) -> None:
        """Raise ValueError if this mode cannot search this space."""
        if self.mode == "popnas-v1" and space.lookbacks != 1:
            raise ValueError(
                "`lookbacks` must be 1 in mode 'popnas-v1' (Sec. 3.4.1), "
                f"but got {space.lookbacks}. Build the space with lookbacks=1."
            )


class PlannedCell(NamedTuple):
    """A cell of a plan, with what was predicted of it (None: nothing).

    Attributes:
        cell: The cell.
        role: Why it was chosen.
        accuracy: Predicted validation accuracy.
        seconds: Predicted training time in seconds.
        accuracy_std: Standard deviation of the predicted accuracy.
        seconds_std: Standard deviation of the predicted time in seconds.
    """

    cell: Cell
    role: str
    accuracy: float | None = None
    seconds: float | None = None
    accuracy_std: float | None = None
    seconds_std: float | None = None


@dataclass(frozen=True)
class Plan:
    """The cells of one level, or of one wave of a level, in the order of training.

    A plan without cells ends the search; ``facts["message"]`` says why.

    Args:
        level: Blocks per cell.
        wave: Number of the wave within the level, from 0.
        cells: What to train.
        facts: JSON values for reports: number of candidates, seconds spent, exploration sets, a
            sample of all estimates, new probes, messages.
    """

    level: int
    wave: int
    cells: tuple[PlannedCell, ...]
    facts: dict[str, Any] = field(default_factory=dict)

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """Return the plan as compact JSON values, see :meth:`from_json`."""
        columns = {
            name: _rounded([getattr(planned, name) for planned in self.cells])
            for name in ("accuracy", "seconds", "accuracy_std", "seconds_std")
        }
        return {
            "version": _PLAN_VERSION,
            "space": space.fingerprint,
            "level": self.level,
            "wave": self.wave,
            "cells": [encode_cell(planned.cell, space) for planned in self.cells],
            "roles": [planned.role for planned in self.cells],
            **{
                name: column
                for name, column in columns.items()
                if column.count(None) < len(column)
            },
            "facts": self.facts,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], space: SearchSpace) -> Plan:
        """Read what :meth:`to_json` wrote.

        Raises:
            ValueError: The plan is of another version or of another space.
        """
        if data.get("version") != _PLAN_VERSION:
            raise ValueError(
                f"A plan must have version {_PLAN_VERSION}, but got {data.get('version')!r}. "
                "It was written by another version of this package."
            )
        if data.get("space") != space.fingerprint:
            raise ValueError(
                f"A plan must be of this search space ({space.fingerprint}), "
                f"but got one of {data.get('space')!r}."
            )
        cells = [decode_cell(code, space) for code in data["cells"]]
        empty = [None] * len(cells)
        columns = [
            data.get(name, empty)
            for name in ("accuracy", "seconds", "accuracy_std", "seconds_std")
        ]
        planned = tuple(
            PlannedCell(cell, role, *values)
            for cell, role, *values in zip(cells, data["roles"], *columns)
        )
        return cls(int(data["level"]), int(data["wave"]), planned, dict(data["facts"]))


def encode_cell(cell: Cell, space: SearchSpace) -> list[int]:
    """Return a cell as a flat list of integers, four per block; :func:`decode_cell` inverts."""
    return [number for block in cell.encode(space.operator_index) for number in block]


def decode_cell(code: Sequence[int], space: SearchSpace) -> Cell:
    """Read what :func:`encode_cell` wrote."""
    return Cell.decode(zip(*[iter(map(int, code))] * 4), space.operators)


def _rounded(values: list[float | None]) -> list[float | None]:
    # Six digits: small in the database, and equal for planners whose arithmetic differs by bits.
    return [None if value is None else float(f"{value:.6g}") for value in values]
