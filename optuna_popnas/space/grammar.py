"""What cells of a search space are written with: operators, numbers of blocks and lookbacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
import hashlib
import json
from typing import Any

import numpy as np

from optuna_popnas.space.cell import Cell
from optuna_popnas.space.cell import MAX_BLOCKS
from optuna_popnas.space.cell import MAX_LOOKBACKS
from optuna_popnas.space.operators import PAPER_OPERATORS
from optuna_popnas.space.operators import parse_operator


MAX_OPERATORS = 100


@dataclass(frozen=True)
class Grammar:
    """The operators, blocks and lookbacks that a cell may use, numbered.

    :class:`~optuna_popnas.SearchSpace` is a grammar that can grow cells, and describes them.
    """

    operators: tuple[str, ...] = PAPER_OPERATORS
    max_blocks: int = 5
    lookbacks: int = 2

    def __init__(
        self,
        operators: Sequence[str] = PAPER_OPERATORS,
        max_blocks: int = 5,
        lookbacks: int = 2,
    ) -> None:
        if isinstance(operators, str):
            raise ValueError(
                f"`operators` must be a sequence of names, but got the string {operators!r}."
            )
        operators = tuple(operators)
        for name in operators:
            parse_operator(name)
        repeated = [name for name in dict.fromkeys(operators) if operators.count(name) > 1]
        if repeated:
            raise ValueError(
                f"`operators` must not repeat a name, but got {repeated[0]!r} more than once."
            )
        if not 1 <= len(operators) <= MAX_OPERATORS:
            raise ValueError(
                f"`operators` must hold 1 to {MAX_OPERATORS} names, but got {len(operators)}."
            )
        _check_range("max_blocks", max_blocks, MAX_BLOCKS)
        _check_range("lookbacks", lookbacks, MAX_LOOKBACKS)
        object.__setattr__(self, "operators", operators)
        object.__setattr__(self, "max_blocks", int(max_blocks))
        object.__setattr__(self, "lookbacks", int(lookbacks))

    @cached_property
    def operator_index(self) -> dict[str, int]:
        """Operator name -> its number."""
        return {name: index for index, name in enumerate(self.operators)}

    @cached_property
    def fingerprint(self) -> str:
        """A short text that two spaces share if and only if they are equal."""
        parts = [self.operators, self.max_blocks, self.lookbacks]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]

    def to_dict(self) -> dict[str, Any]:
        """Return the space as JSON values; ``SearchSpace(**...)`` is the inverse."""
        return {
            "operators": list(self.operators),
            "max_blocks": self.max_blocks,
            "lookbacks": self.lookbacks,
        }

    def inputs(self, block: int) -> tuple[int, ...]:
        """Return the values that an input of this block (from 0) can take: I_(block+1)."""
        return (*range(-self.lookbacks, 0), *range(block))

    def check(self, cell: Cell) -> None:
        """Raise ValueError if the cell is not in this space."""
        if len(cell) > self.max_blocks:
            raise ValueError(
                f"A cell must have at most {self.max_blocks} blocks in this space, "
                f"but got {len(cell)} in {cell}."
            )
        for block in cell:
            for value in (block.in1, block.in2):
                if value < -self.lookbacks:
                    raise ValueError(
                        f"Lookbacks must be from -{self.lookbacks} to -1 in this space, "
                        f"but got {value} in {cell}."
                    )
            for name in (block.op1, block.op2):
                if name not in self.operator_index:
                    raise ValueError(
                        f"Operators must be among those of this space, but got {name!r} in "
                        f"{cell}. The space has {', '.join(self.operators)}."
                    )


def _check_range(name: str, value: int, largest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"`{name}` must be an integer, but got {value!r}.")
    if not 1 <= value <= largest:
        raise ValueError(f"`{name}` must be between 1 and {largest}, but got {value}.")
