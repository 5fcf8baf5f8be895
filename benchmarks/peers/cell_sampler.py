"""Samplers that choose whole cells from the finished trials of a study."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_popnas import Cell
from optuna_popnas import SearchSpace
from optuna_popnas.sampler.parameters import cell_distributions
from optuna_popnas.sampler.parameters import params_cell


Floats = npt.NDArray[np.float64]


class Finished(NamedTuple):
    """The distinct cells that were trained, in their order.

    Attributes:
        cells: ``n`` cells in canonical form.
        accuracy: ``(n,)`` measured.
        seconds: ``(n,)`` measured.
    """

    cells: list[Cell]
    accuracy: Floats
    seconds: Floats


class CellSampler(BaseSampler, ABC):
    """Base of the samplers here: :meth:`propose` is all that they differ in.

    Args:
        space: The cells.
        seed: Makes the search reproducible.
    """

    plans_cells = True

    def __init__(self, space: SearchSpace, *, seed: int) -> None:
        self.space = space
        self.rng = np.random.default_rng(seed)
        self._independent = RandomSampler(seed=seed)
        self._finished: dict[Cell, tuple[float, float]] = {}
        self._failed: set[Cell] = set()
        self._seen = 0

    @abstractmethod
    def propose(self, done: Finished) -> Cell:
        """Return the cell to train next."""

    def is_known(self, cell: Cell) -> bool:
        """Whether a cell was trained, or cannot be."""
        cell = cell.canonical(self.space.operators)
        return cell in self._finished or cell in self._failed

    def random_cell(self) -> Cell:
        """Return a cell of a random number of blocks, inputs and operators."""
        return random_cell(
            self.space, int(self.rng.integers(1, self.space.max_blocks + 1)), self.rng
        )

    def new_random_cell(self) -> Cell:
        """Return a random cell that is not known, if one is found."""
        for _ in range(200):
            cell = self.random_cell()
            if not self.is_known(cell):
                break
        return cell

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return cell_distributions(self.space)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        self._take_in(study)
        values = np.array(list(self._finished.values())).reshape(-1, 2)
        done = Finished(list(self._finished), values[:, 0], values[:, 1])
        return self.propose(done).params()

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def _take_in(self, study: optuna.Study) -> None:
        trials = study.get_trials(deepcopy=False)
        for trial in trials[self._seen :]:
            if not trial.state.is_finished():
                break
            self._seen += 1
            cell = params_cell(trial.params)
            if cell is None:
                continue
            cell = cell.canonical(self.space.operators)
            if trial.state == TrialState.COMPLETE:
                accuracy, seconds = (*trial.values, 1.0)[:2]
                self._finished.setdefault(cell, (accuracy, seconds))
            else:
                self._failed.add(cell)


def random_cell(space: SearchSpace, blocks: int, rng: np.random.Generator) -> Cell:
    """Return a cell of so many blocks whose inputs and operators are independent."""
    return Cell(
        (_pick(space.inputs(i), rng), _pick(space.operators, rng))
        + (_pick(space.inputs(i), rng), _pick(space.operators, rng))
        for i in range(blocks)
    )


def mutated(space: SearchSpace, cell: Cell, rng: np.random.Generator) -> Cell:
    """Return a cell changed in one place, as AmoebaNet's are (Real et al., 2019).

    One operator or one input is drawn anew. As the number of blocks is not fixed here, one
    mutation in five appends a block, and one in five removes a block that no other reads.
    """
    kind = rng.random()
    if not len(cell) or (kind < 0.2 and len(cell) < space.max_blocks):
        i = len(cell)
        block = random_cell(space, i + 1, rng).blocks[i]
        return Cell([*cell.blocks, block])
    if kind < 0.4 and len(cell) > 1:
        return without_block(cell, _pick(cell.outputs, rng))
    i = int(rng.integers(len(cell)))
    slot = int(rng.integers(4))
    values = space.inputs(i) if slot % 2 == 0 else space.operators
    others = [value for value in values if value != cell.blocks[i][slot]]
    if not others:
        return mutated(space, cell, rng)
    block = list(cell.blocks[i])
    block[slot] = _pick(others, rng)
    return Cell([*cell.blocks[:i], tuple(block), *cell.blocks[i + 1 :]])


def without_block(cell: Cell, index: int) -> Cell:
    """Return a cell without a block that no other block reads."""

    def shifted(value: int) -> int:
        return value - 1 if value > index else value

    return Cell(
        (shifted(block.in1), block.op1, shifted(block.in2), block.op2)
        for i, block in enumerate(cell)
        if i != index
    )


def neighbours(space: SearchSpace, cell: Cell) -> list[Cell]:
    """Return all cells that :func:`mutated` may give, but for those of a block more."""
    found = []
    for i, block in enumerate(cell):
        for slot in range(4):
            for value in space.inputs(i) if slot % 2 == 0 else space.operators:
                if value != block[slot]:
                    changed = list(block)
                    changed[slot] = value
                    found.append(Cell([*cell.blocks[:i], tuple(changed), *cell.blocks[i + 1 :]]))
    if len(cell) > 1:
        found += [without_block(cell, index) for index in cell.outputs]
    return found


def _pick(values: Any, rng: np.random.Generator) -> Any:
    return values[int(rng.integers(len(values)))]
