"""The corpus's files: one line a training, or a stack of trainings, of one cell."""

from __future__ import annotations

from collections.abc import Sequence
import csv
from dataclasses import dataclass
from pathlib import Path

from optuna_popnas import Cell


FIELDS = ("cell", "seed", "accuracy", "curve", "seconds", "relative", "parameters", "flops")
_SCALE = 10_000


@dataclass(frozen=True)
class Row:
    """What training a cell with one or several seeds gave.

    Attributes:
        cell: The cell, in canonical form.
        seed: The first seed; others follow it.
        accuracy: Accuracy of each seed after the last epoch.
        curve: Validation accuracies of each seed after the epochs of ``CURVE``.
        seconds: Processor seconds to train one network.
        relative: The same, of the reference cell taken by turns with it.
        parameters: Parameters of the network.
        flops: Operations for one image.
    """

    cell: Cell
    seed: int
    accuracy: tuple[float, ...]
    curve: tuple[tuple[float, ...], ...]
    seconds: float
    relative: float
    parameters: int
    flops: int

    def to_dict(self) -> dict[str, str]:
        """Return the line's columns; accuracies in units of 0.0001."""
        return {
            "cell": str(self.cell),
            "seed": str(self.seed),
            "accuracy": _packed(self.accuracy),
            "curve": "/".join(map(_packed, self.curve)),
            "seconds": f"{self.seconds:.4g}",
            "relative": f"{self.relative:.4g}",
            "parameters": str(self.parameters),
            "flops": str(self.flops),
        }

    @classmethod
    def from_dict(cls, row: dict[str, str]) -> Row:
        """Read a line; the inverse of :meth:`to_dict` up to rounding."""
        return cls(
            cell=Cell.parse(row["cell"]),
            seed=int(row["seed"]),
            accuracy=_unpacked(row["accuracy"]),
            curve=tuple(_unpacked(part) for part in row["curve"].split("/")),
            seconds=float(row["seconds"]),
            relative=float(row["relative"]),
            parameters=int(row["parameters"]),
            flops=int(row["flops"]),
        )


def read(path: Path) -> list[Row]:
    """Return the rows of a file; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [Row.from_dict(row) for row in csv.DictReader(file)]


def append(path: Path, row: Row) -> None:
    """Add a row at the end of a file, in one write."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row.to_dict())


def _packed(values: Sequence[float]) -> str:
    return " ".join(str(round(_SCALE * value)) for value in values)


def _unpacked(text: str) -> tuple[float, ...]:
    return tuple(int(value) / _SCALE for value in text.split())
