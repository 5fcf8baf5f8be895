"""Regularised evolution and local search, for two objectives."""

from __future__ import annotations

import numpy as np

from optuna_popnas import Cell
from optuna_popnas import SearchSpace
from optuna_popnas.search import pareto_front
from peers.cell_sampler import CellSampler
from peers.cell_sampler import Finished
from peers.cell_sampler import mutated
from peers.cell_sampler import neighbours


class RegularizedEvolution(CellSampler):
    """Aging evolution (Real et al., 2019): the oldest die, a tournament's winner is changed.

    The paper has accuracy alone. Here each tournament weighs the ranks of accuracy and of seconds
    by a random number, so that parents come from all along the front.

    Args:
        space: The cells.
        seed: Makes the search reproducible.
        population: Cells that are alive.
        sample: Cells of a tournament.
    """

    def __init__(
        self, space: SearchSpace, *, seed: int, population: int = 30, sample: int = 8
    ) -> None:
        super().__init__(space, seed=seed)
        self._population = population
        self._sample = sample

    def propose(self, done: Finished) -> Cell:
        if len(done.cells) < self._population:
            return self.new_random_cell()
        alive = np.arange(len(done.cells))[-self._population :]
        few = self.rng.choice(alive, self._sample, replace=False)
        weight = self.rng.random()
        ranks = weight * _ranks(done.accuracy[few])
        ranks += (1 - weight) * _ranks(-done.seconds[few])
        parent = done.cells[few[int(np.argmax(ranks))]]
        for _ in range(50):
            child = mutated(self.space, parent, self.rng)
            if not self.is_known(child):
                return child
            if self.rng.random() < 0.3:
                parent = child
        return self.new_random_cell()


class LocalSearch(CellSampler):
    """Pareto local search: neighbours of the front's cells, in random order.

    White et al. (2021) found plain local search hard to beat on tabular benchmarks. For two
    objectives the cells to leave from are those of the measured front; a cell is done with when
    all its neighbours are known.

    Args:
        space: The cells.
        seed: Makes the search reproducible.
        start: Random cells to begin with.
    """

    def __init__(self, space: SearchSpace, *, seed: int, start: int = 5) -> None:
        super().__init__(space, seed=seed)
        self._start = start
        self._around: dict[Cell, list[Cell]] = {}

    def propose(self, done: Finished) -> Cell:
        if len(done.cells) < self._start:
            return self.new_random_cell()
        front = pareto_front(done.accuracy, done.seconds)
        for i in self.rng.permutation(front).tolist():
            cell = done.cells[i]
            if cell not in self._around:
                found = neighbours(self.space, cell)
                longer = [mutated(self.space, cell, self.rng) for _ in range(60)]
                found += [other for other in longer if len(other) > len(cell)]
                self._around[cell] = [found[j] for j in self.rng.permutation(len(found))]
            left = self._around[cell]
            while left:
                neighbour = left.pop()
                if not self.is_known(neighbour):
                    return neighbour
        return self.new_random_cell()


def _ranks(values: np.ndarray) -> np.ndarray:
    return np.argsort(np.argsort(values)).astype(float)
