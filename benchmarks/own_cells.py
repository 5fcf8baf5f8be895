"""How well cells are ranked when few were trained: part ``own-cells`` of ``predictors.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from functools import partial
from typing import Any

from corpus import rows
from corpus import tasks
import numpy as np
from predictors import flat_splits
from predictors import interval
from predictors import score
from predictors import Table
from scipy.stats import rankdata

from optuna_popnas import CellBatch
from optuna_popnas import NetworkConfig
from optuna_popnas import predictors as pr
from optuna_popnas import SearchSpace
from optuna_popnas.networks import cell_costs
from optuna_popnas.search import prediction_quality


OWN = (0, 6, 12, 20, 40, 80)
TASKS = ("fashion", "cifar10", "digits")


class SizeAlone:
    """Counts parameters, of a network for 10 classes; it learns nothing."""

    def __init__(self, space: SearchSpace, *, seed: int) -> None:
        self._space = space

    def fit(self, cells: CellBatch, accuracy: np.ndarray) -> SizeAlone:
        return self

    def predict(self, cells: CellBatch) -> np.ndarray:
        network = NetworkConfig(motifs=2, normal_cells=1, filters=8)
        size = {"in_channels": 1, "classes": 10, "image_size": 14}
        return cell_costs(cells, network, **size).parameters


class OtherTasks:
    """The size-aware model, of the other tasks' cells as well as of the task's own.

    Accuracies are ranks within their task; cells of other tasks count for a fifth of own ones.
    """

    def __init__(self, space: SearchSpace, *, seed: int, others: Sequence[Table] = ()) -> None:
        self._model = pr.SizeAwareAccuracyPredictor(space, seed=seed)
        self._space = space
        parts = []
        for table in others:
            rows = np.random.default_rng(0).permutation(len(table.cells))[:300]
            parts.append((table.cells.take(rows), _shares(table.accuracy[rows])))
        self._cells = [cell for cells, _ in parts for cell in cells]
        self._values = np.concatenate([values for _, values in parts])

    def fit(self, cells: CellBatch, accuracy: np.ndarray) -> OtherTasks:
        known: np.ndarray = self._values
        batch = CellBatch.from_cells(self._space, self._cells)
        if len(cells) >= 6:
            # Own ranks stand for the values that the others give to cells such as these.
            before = pr.SizeAwareAccuracyPredictor(self._space, seed=0).fit(batch, known)
            like = np.sort(before.predict(cells))
            known = np.concatenate([known, like[np.argsort(np.argsort(accuracy))]])
            batch = CellBatch.from_cells(self._space, [*self._cells, *cells])
        noise = np.where(np.arange(len(known)) < len(self._values), 5.0, 1.0)
        self._model.fit(batch, known, noise)
        return self

    def predict(self, cells: CellBatch) -> np.ndarray:
        return self._model.predict(cells)


def _shares(accuracy: np.ndarray) -> np.ndarray:
    return (rankdata(accuracy) - 0.5) / len(accuracy)


@cache
def corpus(name: str) -> Table:
    """All cells of a task of the corpus but for the empty one."""
    task = tasks.TASKS[name]
    found = [row for row in rows.read(tasks.output_folder() / f"{name}.csv") if len(row.cell)]
    return Table(
        CellBatch.from_cells(task.space, [row.cell for row in found]),
        np.array([np.mean(row.accuracy) for row in found]),
        np.array([row.relative for row in found]),
        3,
    )


def print_own_cells(splits: int) -> None:
    """Print ranks over all cells of two blocks or more from few cells of any depth."""
    for name in TASKS:
        table = corpus(name)
        others = [corpus(other) for other in TASKS if other != name]
        models: dict[str, Callable[..., Any]] = {
            "size alone": SizeAlone,
            "Gaussian process on ranks": pr.GaussianProcessAccuracyPredictor,
            "size-aware (default)": pr.SizeAwareAccuracyPredictor,
            "size-aware, and other tasks": partial(OtherTasks, others=others),
        }
        print(f"\n{name}: {len(table.cells)} cells; rho over cells of 2 blocks or more")
        for title, model in models.items():
            for count in OWN:
                if count == 0 and title.startswith("Gaussian"):
                    continue
                found = []
                for train, test in flat_splits(table, count, splits):
                    deep = test[table.cells.lengths[test] > 1]
                    predicted = score(
                        lambda: model(table.cells.space, seed=0),  # noqa: B023
                        table,
                        table.accuracy,
                        train,
                        deep,
                    )
                    found.append(prediction_quality(predicted, table.accuracy[deep]).rho)
                    if count == 0:  # nothing differs between splits
                        break
                text = interval(found) if count else f"{found[0]:.3f}"
                print(f"  {title:28} {count:3} own cells   rho {text}", flush=True)
