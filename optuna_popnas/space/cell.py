"""Blocks and cells (Sec. 4.1): the encoded form of an architecture."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, overload

import numpy as np

from optuna_popnas.space.equivalence import canonicalize
from optuna_popnas.space.operators import parse_operator


#: No cell has more blocks, and none reads further back.
MAX_BLOCKS = 20
MAX_LOOKBACKS = 20


class Block(NamedTuple):
    """Two operators whose results are added (Sec. 4.1).

    Attributes:
        in1: Input of the first operator: a lookback (-1 is the output of the previous cell, -2
            of the one before it) or the index of an earlier block of the cell, from 0.
        op1: The first operator, such as ``"3x3 conv"``.
        in2: Input of the second operator.
        op2: The second operator.
    """

    in1: int
    op1: str
    in2: int
    op2: str

    def check(self, index: int) -> None:
        """Raise ValueError if this cannot be block ``index`` of a cell."""
        for name, value in (("in1", self.in1), ("in2", self.in2)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise ValueError(
                    f"`{name}` of block {index} must be an integer, but got {value!r}."
                )
            if value >= index:
                allowed = f"or a block from 0 to {index - 1}" if index else "for the first block"
                raise ValueError(
                    f"`{name}` of block {index} must be a lookback (-1, -2, ...) {allowed}, "
                    f"but got {value}. A block reads only blocks before it."
                )
            if value < -MAX_LOOKBACKS:
                raise ValueError(
                    f"`{name}` of block {index} must be at least -{MAX_LOOKBACKS}, "
                    f"but got {value}."
                )
        parse_operator(self.op1)
        parse_operator(self.op2)


@dataclass(frozen=True)
class Cell(Sequence[Block]):
    """A cell: a sequence of blocks (Sec. 4.1). ``Cell()`` is the empty cell.

    Args:
        blocks: Blocks, or 4-tuples ``(in1, op1, in2, op2)``, in an order in which a block reads
            only blocks before it.

    Raises:
        ValueError: An operator is unknown, an input is no integer, a block reads itself, a later
            block or further back than 20 cells, or there are more than 20 blocks.

    Example:
        >>> cell = Cell([(-2, "3x3 conv", -1, "2x2 maxpool")])
        >>> print(cell)
        [(-2, '3x3 conv', -1, '2x2 maxpool')]
        >>> Cell.parse(str(cell)) == cell
        True
    """

    blocks: tuple[Block, ...] = ()

    def __init__(self, blocks: Iterable[Block | tuple[int, str, int, str]] = ()) -> None:
        checked = []
        for index, block in enumerate(blocks):
            if not isinstance(block, (tuple, list)) or len(block) != 4:
                raise ValueError(
                    f"Block {index} must be a tuple (in1, op1, in2, op2), but got {block!r}."
                )
            block = Block(*block)
            block.check(index)
            checked.append(block)
        if len(checked) > MAX_BLOCKS:
            raise ValueError(
                f"A cell must have at most {MAX_BLOCKS} blocks, but got {len(checked)}."
            )
        object.__setattr__(self, "blocks", tuple(checked))

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Read a cell in the thesis' notation, the inverse of ``str(cell)``.

        Raises:
            ValueError: The text is no such list, or the cell it names is not valid.
        """
        try:
            value = ast.literal_eval(text.strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError, AttributeError):
            value = None
        if not isinstance(value, (list, tuple)):
            raise ValueError(
                "A cell must be written as [(in1, 'op1', in2, 'op2'), ...], "
                f"but got {str(text)[:200]!r}."
            )
        return cls(value)

    def encode(self, index: Mapping[str, int]) -> list[tuple[int, int, int, int]]:
        """Return ``(in1, op1, in2, op2)`` of each block, operators as numbers.

        Raises:
            ValueError: An operator has no number.
        """
        try:
            return [(in1, index[op1], in2, index[op2]) for in1, op1, in2, op2 in self.blocks]
        except KeyError as error:
            raise ValueError(
                f"`operators` must hold every operator of the cell, but got none for {error}."
            ) from None

    @classmethod
    def decode(cls, rows: Iterable[Sequence[int]], names: Sequence[str]) -> Cell:
        """Read what :meth:`encode` wrote; ``names`` are the operators by number."""
        return cls(Block(in1, names[op1], in2, names[op2]) for in1, op1, in2, op2 in rows)

    def params(self) -> dict[str, Any]:
        """Return the trial parameters that make :meth:`SearchSpace.suggest` return this cell.

        To begin a search with cells that one knows: ``study.enqueue_trial(cell.params())``.

        Example:
            >>> Cell([(-2, "3x3 conv", -1, "identity")]).params()
            {'blocks': 1, 'b0_in1': -2, 'b0_op1': '3x3 conv', 'b0_in2': -1, 'b0_op2': 'identity'}
        """
        params: dict[str, Any] = {"blocks": len(self)}
        for index, block in enumerate(self.blocks):
            params |= {f"b{index}_{slot}": value for slot, value in block._asdict().items()}
        return params

    def __str__(self) -> str:
        return str([tuple(block) for block in self.blocks])

    def __repr__(self) -> str:
        return f"Cell({self})"

    @overload
    def __getitem__(self, index: int) -> Block: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Block, ...]: ...
    def __getitem__(self, index: int | slice) -> Block | tuple[Block, ...]:
        return self.blocks[index]

    def __len__(self) -> int:
        return len(self.blocks)

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    @property
    def operators(self) -> tuple[str, ...]:
        """The operators of all slots, block by block, two per block."""
        return tuple(op for block in self.blocks for op in (block.op1, block.op2))

    @property
    def inputs(self) -> tuple[int, ...]:
        """The inputs of all slots, block by block, two per block."""
        return tuple(value for block in self.blocks for value in (block.in1, block.in2))

    @property
    def lookbacks(self) -> tuple[int, ...]:
        """The lookbacks that are read, each once, ascending: ``(-2, -1)``."""
        return tuple(sorted({value for value in self.inputs if value < 0}))

    @property
    def outputs(self) -> tuple[int, ...]:
        """The blocks that no other block reads, ascending: what the cell's output is made of."""
        return tuple(sorted(set(range(len(self))) - set(self.inputs)))

    def canonical(self, operators: Sequence[str] | None = None) -> Cell:
        """Return the representative of all equivalent cells (Sec. 4.1.2).

        Two cells are equivalent if their graphs are isomorphic: blocks may be listed in another
        order and the branches of a block swapped. The representative is the smallest encoding
        in the order of inputs, then operators.

        Args:
            operators: The order of operators. The natural order (that of the thesis' list) if
                left out; a search space uses that of its own list.

        Raises:
            ValueError: An operator of the cell is not in the list.
        """
        if operators is None:
            return self._canonical
        if not self.blocks:
            return self
        index = {name: number for number, name in enumerate(operators)}
        encoding = canonicalize(
            np.array([self.encode(index)], dtype=np.int8),
            operators=len(operators),
            lookbacks=max(1, -min(self.inputs)),
        )
        return Cell.decode(encoding[0].tolist(), operators)

    @cached_property
    def _canonical(self) -> Cell:
        if not self.blocks:
            return self
        names = sorted(set(self.operators), key=lambda name: parse_operator(name).rank)
        return self.canonical(names)

    def parents(self) -> tuple[Cell, ...]:
        """Return the distinct cells that have one block less and grow into this one."""
        found: dict[Cell, None] = {}
        for last in self.outputs:
            kept = [block for place, block in enumerate(self.blocks) if place != last]
            rows = (
                (in1 - (in1 > last), op1, in2 - (in2 > last), op2) for in1, op1, in2, op2 in kept
            )
            found[Cell(rows).canonical()] = None
        return tuple(found)

    def is_equivalent(self, other: Cell) -> bool:
        """Whether both cells build the same network (isomorphic graphs, Sec. 4.1.2)."""
        return len(self) == len(other) and self.canonical() == other.canonical()
