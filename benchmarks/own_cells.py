"""How well cells are ranked when few were trained: part ``own-cells`` of ``predictors.py``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from functools import partial
from typing import Any

from corpus import rows
from corpus import tasks
import numpy as np
from peers.catalogue import accuracy_without
from peers.catalogue import cells_of_others
from predictors import flat_splits
from predictors import interval
from predictors import score
from predictors import Table
import priors

from optuna_popnas import CellBatch
from optuna_popnas import NetworkConfig
from optuna_popnas import predictors as pr
from optuna_popnas import SearchSpace
from optuna_popnas.networks import cell_costs
from optuna_popnas.predictors.guide import KnownCells
from optuna_popnas.search import prediction_quality


OWN = (0, 6, 12, 20, 40, 80)
#: Task -> its data set, of which the size-aware model's prior knows nothing.
TASKS = {"fashion": "fashion-mnist", "cifar10": "cifar10", "digits4": "digits"}


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


def _of_searches(
    data: str, known: Sequence[KnownCells], space: SearchSpace, *, seed: int
) -> pr.ExploringAccuracyPredictor:
    """Return what predicts in the adaptive search; it knows nothing of the data set."""
    model = accuracy_without(data)(space, seed=seed)
    model.learn_from(known)
    return model


def print_own_cells(splits: int) -> None:
    """Print ranks over all cells of two blocks or more from few cells of any depth."""
    for name, data in TASKS.items():
        table = corpus(name)
        models: dict[str, Callable[..., Any]] = {
            "size alone": SizeAlone,
            "Gaussian process on ranks": pr.GaussianProcessAccuracyPredictor,
            "size-aware": partial(
                pr.SizeAwareAccuracyPredictor, prior=priors.prior("accuracy", data)
            ),
            "the same, of searches": partial(_of_searches, data, []),
            "with cells of other data": partial(_of_searches, data, cells_of_others(data)),
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
