"""The search space (Sec. 4.1): which cells there are, and how they grow block by block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from optuna_popnas.space.batch import CellBatch
from optuna_popnas.space.cell import Block
from optuna_popnas.space.cell import Cell
from optuna_popnas.space.equivalence import add_blocks
from optuna_popnas.space.grammar import Grammar


#: User attribute of a trial: numbers of the blocks whose parameters its cell does not use.
UNUSED_BLOCKS = "unused_blocks"


class Suggests(Protocol):
    """What :meth:`SearchSpace.suggest` needs of an Optuna trial."""

    def suggest_int(self, name: str, low: int, high: int, /) -> int: ...

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any: ...

    def set_user_attr(self, key: str, value: Any, /) -> None: ...


class LevelProfile(NamedTuple):
    """Sizes of one level of the space, see :meth:`SearchSpace.profile`.

    Attributes:
        blocks: Blocks per cell at this level.
        inputs: Values that an input of the last block can take (``|I_b|``).
        new_blocks: Distinct blocks that can be added at this level (Sec. 4.1.3).
        upper_bound: Product of ``new_blocks`` up to this level, equivalent cells included.
    """

    blocks: int
    inputs: int
    new_blocks: int
    upper_bound: int


class SearchSpace(Grammar):
    """All cells of at most ``max_blocks`` blocks over some operators and lookbacks (Sec. 4.1).

    Args:
        operators: Operator names, see :mod:`optuna_popnas.space.operators`. Their order numbers
            them.
        max_blocks: The largest number of blocks of a cell (B).
        lookbacks: How many previous cells a block can read (L): inputs -1 ... -L.

    Raises:
        ValueError: An operator is unknown or listed twice, none is given, or a number is out of
            range.

    Example:
        >>> space = SearchSpace(PAPER_OPERATORS, max_blocks=5, lookbacks=2)
        >>> len(space.first_level())
        300
        >>> [level.new_blocks for level in space.profile()]
        [300, 666, 1176, 1830, 2628]
    """

    @classmethod
    def of(
        cls,
        cells: Iterable[Cell],
        operators: Iterable[str] = (),
        *,
        max_blocks: int = 1,
        lookbacks: int = 1,
    ) -> SearchSpace:
        """Return the smallest space that has all of these cells.

        Args:
            cells: The cells.
            operators: Names that come first in the space, used or not; further ones follow in
                the order in which the cells use them.
            max_blocks: At least so many blocks, used or not.
            lookbacks: At least so many lookbacks, used or not.
        """
        cells = tuple(cells)
        names = dict.fromkeys(operators)
        names |= dict.fromkeys(name for cell in cells for name in cell.operators)
        return cls(
            tuple(names) or ("identity",),
            max_blocks=max([max_blocks, *map(len, cells)]),
            lookbacks=max([lookbacks, *(-value for cell in cells for value in cell.inputs)]),
        )

    def __contains__(self, cell: object) -> bool:
        """Whether a cell is in this space."""
        return (
            isinstance(cell, Cell)
            and len(cell) <= self.max_blocks
            and all(-value <= self.lookbacks for value in cell.lookbacks)
            and all(name in self.operator_index for name in cell.operators)
        )

    def suggest(self, trial: Suggests) -> Cell:
        """Suggest a cell; works under every Optuna sampler.

        The parameters are ``blocks`` and, for block ``i`` from 0, ``b{i}_in1``, ``b{i}_op1``,
        ``b{i}_in2`` and ``b{i}_op2``; their distributions never change. A sampler that plans
        whole cells, as :class:`~optuna_popnas.POPNASSampler` does, is asked for those of the
        cell. All others are asked for those of ``max_blocks`` blocks in every trial, as samplers
        of several parameters at once model what all trials have in common; those past the cell's
        last block are ignored, and the blocks that the cell has not are listed in the trial's
        user attribute ``"unused_blocks"``.
        """
        blocks = trial.suggest_int("blocks", 0, self.max_blocks)
        study = getattr(trial, "study", None)
        fixed_length = study is not None and not getattr(study.sampler, "plans_cells", False)
        cell = []
        for i in range(self.max_blocks if fixed_length else blocks):
            inputs = self.inputs(i)
            cell.append(
                Block(
                    trial.suggest_categorical(f"b{i}_in1", inputs),
                    trial.suggest_categorical(f"b{i}_op1", self.operators),
                    trial.suggest_categorical(f"b{i}_in2", inputs),
                    trial.suggest_categorical(f"b{i}_op2", self.operators),
                )
            )
        if len(cell) > blocks:
            trial.set_user_attr(UNUSED_BLOCKS, list(range(blocks, self.max_blocks)))
        return Cell(cell[:blocks])

    def new_blocks(self, index: int, *, flat: bool = False) -> npt.NDArray[np.int8]:
        """Return the distinct blocks that can stand at ``index`` (Sec. 4.1.1).

        Of a block and its mirror image the one with ``in2 >= in1 and (in2 != in1 or op2 >=
        op1)`` is kept.

        Args:
            index: Place of the block in its cell, from 0.
            flat: Only those that read lookbacks.

        Returns:
            ``(m, 4)`` array of ``(in1, op1, in2, op2)``, operators as indices.
        """
        values = np.array(self.inputs(0 if flat else index), dtype=np.int8)
        count = len(self.operators)
        branches = np.stack(
            [np.repeat(values, count), np.tile(np.arange(count, dtype=np.int8), len(values))], 1
        )
        first, second = np.triu_indices(len(branches))
        return np.concatenate([branches[first], branches[second]], axis=1)

    def first_level(self) -> CellBatch:
        """Return all cells of one block, 300 for the thesis' space, in canonical form."""
        return CellBatch(self, self.new_blocks(0)[:, None, :])._mark_canonical()

    def random_cells(self, blocks: int, count: int, *, rng: np.random.Generator) -> CellBatch:
        """Return cells of so many blocks, drawn evenly from all encodings: some may be equal."""
        encoding = np.zeros((count, blocks, 4), dtype=np.int8)
        for index in range(blocks):
            encoding[:, index, 0::2] = rng.integers(-self.lookbacks, index, (count, 2))
            encoding[:, index, 1::2] = rng.integers(0, len(self.operators), (count, 2))
        return CellBatch(self, encoding)

    def expand(
        self,
        cells: Sequence[Cell],
        *,
        merge_equivalent: bool = True,
        flat: bool = False,
        max_encodings: int | None = None,
        rng: np.random.Generator | None = None,
    ) -> CellBatch:
        """Return every cell that has one block more than one of these (Sec. 4.3.1).

        Args:
            cells: Cells that all have the same number of blocks.
            merge_equivalent: Keep one of equivalent cells. POPNASv1 keeps all.
            flat: Add only blocks that read lookbacks, as POPNASv1 does.
            max_encodings: If there are more pairs of a cell and a new block, take a sample of
                this size.
            rng: Draws the sample; needed with ``max_encodings``.

        Returns:
            The distinct cells in canonical form, in an order that does not depend on that of
            ``cells``.

        Raises:
            ValueError: The cells differ in length or are at ``max_blocks`` already.
        """
        batch = CellBatch.from_cells(self, cells)
        lengths = np.unique(batch.lengths)
        if len(lengths) > 1:
            raise ValueError(
                "`cells` must all have the same number of blocks, "
                f"but got {lengths.tolist()}. Expand one level at a time."
            )
        b = int(lengths[0]) if len(lengths) else 0
        if b >= self.max_blocks:
            raise ValueError(
                f"`cells` must have fewer than max_blocks={self.max_blocks} blocks, but got {b}."
            )
        if merge_equivalent:
            batch = batch.unique()
        blocks = self.new_blocks(b, flat=flat)
        n, m = len(batch), len(blocks)
        pairs = np.arange(n * m)
        if max_encodings is not None and n * m > max_encodings:
            if rng is None:
                raise ValueError("`rng` must be given with `max_encodings`, but got None.")
            pairs = np.sort(rng.choice(n * m, size=max_encodings, replace=False))
        parents = batch.encoding[:, :b]
        if not merge_equivalent:
            parent, block = np.divmod(pairs, m)
            return CellBatch(self, np.concatenate([parents[parent], blocks[block, None]], axis=1))
        children = add_blocks(
            parents, blocks, pairs, operators=len(self.operators), lookbacks=self.lookbacks
        )
        return CellBatch(self, children)._mark_canonical().unique()

    def profile(self) -> tuple[LevelProfile, ...]:
        """Return the sizes of levels 1 ... ``max_blocks``, before any training (Sec. 4.1.3)."""
        levels, bound = [], 1
        for b in range(1, self.max_blocks + 1):
            inputs = self.lookbacks + b - 1
            branches = inputs * len(self.operators)
            new = branches * (branches + 1) // 2
            bound *= new
            levels.append(LevelProfile(b, inputs, new, bound))
        return tuple(levels)
