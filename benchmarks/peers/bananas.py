"""A search like BANANAS (White et al., 2021): an ensemble of networks, mutations of the best."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPRegressor

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import SearchSpace
from optuna_popnas.predictors.features.structure import structural_features
from optuna_popnas.search import hypervolume
from optuna_popnas.search import pareto_front
from peers.cell_sampler import CellSampler
from peers.cell_sampler import Finished
from peers.cell_sampler import mutated


class BananasLike(CellSampler):
    """Independent Thompson sampling with an ensemble of small networks.

    Members see shares of paths, operators and pairs of a cell; each draws its own weights.
    Accuracies and log seconds are standardised. Candidates are mutations of cells of the measured
    front and random cells; those whose drawn accuracy and predicted seconds add most hypervolume
    are trained next, ten between two fits.

    Args:
        space: The cells.
        seed: Makes the search reproducible.
        start: Random cells to begin with.
        members: Networks of the ensemble.
        batch: Cells between two fits.
        candidates: Cells that are judged.
    """

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int,
        start: int = 20,
        members: int = 5,
        batch: int = 10,
        candidates: int = 300,
    ) -> None:
        super().__init__(space, seed=seed)
        self._start = start
        self._members = members
        self._batch = batch
        self._candidates = candidates
        self._queue: list[Cell] = []

    def propose(self, done: Finished) -> Cell:
        if len(done.cells) < self._start:
            return self.new_random_cell()
        self._queue = [cell for cell in self._queue if not self.is_known(cell)]
        if not self._queue:
            self._queue = self._plan(done)
        return self._queue.pop(0) if self._queue else self.new_random_cell()

    def _plan(self, done: Finished) -> list[Cell]:
        front = pareto_front(done.accuracy, done.seconds).tolist()
        found: dict[Cell, None] = {}
        for _ in range(5 * self._candidates):
            cell = done.cells[front[int(self.rng.integers(len(front)))]]
            for _ in range(int(self.rng.integers(1, 4))):
                cell = mutated(self.space, cell, self.rng)
            if self.rng.random() < 0.2:
                cell = self.random_cell()
            if not self.is_known(cell):
                found.setdefault(cell.canonical(self.space.operators))
            if len(found) >= self._candidates:
                break
        candidates = list(found)
        if not candidates:
            return []
        everything = CellBatch.from_cells(self.space, [*done.cells, *candidates])
        features = structural_features(everything.canonical()).astype(float)
        features = (features - features.mean(axis=0)) / (features.std(axis=0) + 1e-9)
        known, new = features[: len(done.cells)], features[len(done.cells) :]
        accuracy = self._drawn(known, done.accuracy, new)
        seconds = np.exp(self._drawn(known, np.log(done.seconds), new, mean=True))
        return [candidates[i] for i in self._chosen(done, accuracy, seconds)]

    def _drawn(
        self, known: np.ndarray, values: np.ndarray, new: np.ndarray, *, mean: bool = False
    ) -> np.ndarray:
        """Return the ensemble's mean, or a value drawn for each cell on its own."""
        center, scale = values.mean(), values.std() + 1e-9
        predicted = []
        for _ in range(self._members):
            model = MLPRegressor(
                hidden_layer_sizes=(20, 20),
                solver="lbfgs",
                alpha=1.0,
                max_iter=40,
                random_state=int(self.rng.integers(1 << 31)),
            )
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(known, (values - center) / scale)
            predicted.append(model.predict(new))
        drawn = np.mean(predicted, axis=0)
        if not mean:
            drawn = drawn + np.std(predicted, axis=0) * self.rng.normal(size=len(new))
        return np.asarray(center + scale * drawn)

    def _chosen(self, done: Finished, accuracy: np.ndarray, seconds: np.ndarray) -> list[int]:
        """Return candidates by the hypervolume (log seconds) that they add, one after another."""
        gains = np.concatenate([done.accuracy, accuracy])
        costs = np.log(np.concatenate([done.seconds, seconds]))
        costs -= costs.min()
        limit = float(costs.max()) * 1.05 + 1e-9
        count = len(done.accuracy)
        front = pareto_front(done.accuracy, costs[:count]).tolist()
        chosen: list[int] = []
        while len(chosen) < min(self._batch, len(accuracy)):
            base = hypervolume(gains[front], costs[front], reference_cost=limit)
            best, most = -1, -1.0
            for i in range(len(accuracy)):
                if i in chosen:
                    continue
                rows = [*front, count + i]
                gain = hypervolume(gains[rows], costs[rows], reference_cost=limit) - base
                if gain > most:
                    best, most = i, gain
            if most <= 0:
                left = [i for i in np.argsort(-accuracy).tolist() if i not in chosen]
                best = left[0]
            chosen.append(best)
            front.append(count + best)
        return chosen
