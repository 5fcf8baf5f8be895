"""What the search decides: the cells to be trained next, and how they were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from typing import Any, NamedTuple

from optuna_popnas.search.observation import Probe
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


_PLAN_VERSION = 2
# Names of version 1 that have changed; its other entries that are no fields are not read.
_FORMER_NAMES = {"already_trained": "known", "plan_seconds": "seconds"}
_PREDICTIONS = ("accuracy", "seconds", "accuracy_std", "seconds_std")


class PlannedCell(NamedTuple):
    """A cell of a plan, with what was predicted of it (None: nothing).

    Attributes:
        cell: The cell.
        role: Why it was chosen: ``"empty"``, ``"first"``, ``"pilot"``, ``"front"``,
            ``"exploration"``, ``"reserve"`` (trained only by workers that would idle) or
            ``"repeat"`` (planned before, trained again with another seed).
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


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """How a plan was made, for reports and figures; None: not counted.

    Attributes:
        message: A sentence for people, such as why the search ends here.
        parents: Cells that were expanded.
        encodings: Pairs of a parent and a new block.
        merged: Of those that were looked at (all, unless there are more than the settings
            allow), how many were equivalent to another one.
        known: Distinct ones that were left out, as they had been trained.
        candidates: Distinct cells that were predicted, or chosen from.
        over_limit: Of the candidates, how many were over the time limit or another limit.
        equivalents: Further encodings of the chosen cells: what a choice among encodings would
            have met and refused (Table 5.1).
        sample: Up to 300 estimates of candidates: ``(accuracy, seconds)`` or ``(accuracy,)``.
        probes: New estimates of training times.
        seconds: Wall time of planning, probes included.
        expected_gain: Hypervolume per second that the best cell of the plan promises.
        budget_left: Seconds of training that were left when the plan was made.
        warm_weight: What the cells of other searches counted for, from 0 to 1.
    """

    message: str | None = None
    parents: int | None = None
    encodings: int | None = None
    merged: int | None = None
    known: int | None = None
    candidates: int | None = None
    over_limit: int | None = None
    equivalents: int | None = None
    sample: tuple[tuple[float, ...], ...] = ()
    probes: tuple[Probe, ...] = ()
    seconds: float | None = None
    expected_gain: float | None = None
    budget_left: float | None = None
    warm_weight: float | None = None

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """Return what is known as JSON values, see :meth:`from_json`."""
        data = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        if self.probes:
            data["probes"] = [
                [encode_cell(probe.cell, space), _digits(probe.seconds)] for probe in self.probes
            ]
        if self.sample:
            data["sample"] = [list(row) for row in self.sample]
        return data

    @classmethod
    def from_json(cls, data: dict[str, Any], space: SearchSpace) -> PlanReport:
        """Read what :meth:`to_json` wrote, or the facts of a plan of version 1."""
        names = {entry.name for entry in fields(cls)}
        values = {_FORMER_NAMES.get(name, name): value for name, value in data.items()}
        values = {name: value for name, value in values.items() if name in names}
        values["sample"] = tuple(map(tuple, data.get("sample", ())))
        values["probes"] = tuple(
            Probe(decode_cell(code, space), seconds) for code, seconds in data.get("probes", ())
        )
        return cls(**values)


@dataclass(frozen=True)
class Plan:
    """The cells of one level, or of one wave of a level, in the order of training.

    A plan without cells ends the search; ``report.message`` says why.

    Args:
        level: Blocks per cell.
        wave: Number of the wave within the level, from 0.
        cells: What to train.
        report: How the plan was made.
    """

    level: int
    wave: int
    cells: tuple[PlannedCell, ...]
    report: PlanReport = field(default_factory=PlanReport)

    def to_json(self, space: SearchSpace) -> dict[str, Any]:
        """Return the plan as compact JSON values, see :meth:`from_json`."""
        columns = {
            name: [_digits(getattr(planned, name)) for planned in self.cells]
            for name in _PREDICTIONS
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
            "report": self.report.to_json(space),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], space: SearchSpace) -> Plan:
        """Read what :meth:`to_json` wrote, now or in version 1.

        Raises:
            ValueError: The plan is of another version or of another space.
        """
        if data.get("version") not in (1, _PLAN_VERSION):
            raise ValueError(
                f"A plan must have version 1 to {_PLAN_VERSION}, but got {data.get('version')!r}. "
                "It was written by another version of this package."
            )
        if data.get("space") != space.fingerprint:
            raise ValueError(
                f"A plan must be of this search space ({space.fingerprint}), "
                f"but got one of {data.get('space')!r}."
            )
        cells = [decode_cell(code, space) for code in data["cells"]]
        empty = [None] * len(cells)
        planned = map(
            PlannedCell, cells, data["roles"], *(data.get(name, empty) for name in _PREDICTIONS)
        )
        report = PlanReport.from_json(data.get("report", data.get("facts", {})), space)
        return cls(int(data["level"]), int(data["wave"]), tuple(planned), report)


def encode_cell(cell: Cell, space: SearchSpace) -> list[int]:
    """Return a cell as a flat list of integers, four per block; :func:`decode_cell` inverts."""
    return [number for block in cell.encode(space.operator_index) for number in block]


def decode_cell(code: Sequence[int], space: SearchSpace) -> Cell:
    """Read what :func:`encode_cell` wrote."""
    return Cell.decode(zip(*[iter(map(int, code))] * 4), space.operators)


def _digits(value: float | None) -> float | None:
    # Six digits: small in the database, and equal for planners whose arithmetic differs by bits.
    return None if value is None else float(f"{value:.6g}")
