"""Waiting at a level's end against training its next-best cells meanwhile: a simulation.

    python benchmarks/speculation.py
    python benchmarks/speculation.py --workers 64 --spread 10 --max-blocks 4

Accuracies and times are made up; the times are spread 10:1. Waiting is the thesis's search;
speculating workers train a level's next-best cells instead
(``POPNASSampler(idle="speculate")``).
"""

from __future__ import annotations

import os


for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse  # noqa: E402
import zlib  # noqa: E402

import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
from simulation import simulate  # noqa: E402

from optuna_popnas.sampler.planner import Planner  # noqa: E402
from optuna_popnas.search import hypervolume  # noqa: E402
from optuna_popnas.search import SearchConfig  # noqa: E402
from optuna_popnas.space import Cell  # noqa: E402
from optuna_popnas.space import CellBatch  # noqa: E402
from optuna_popnas.space import SearchSpace  # noqa: E402


class World:
    """Made-up accuracies and times, and predictors that know a part of the truth.

    Args:
        space: The search space.
        spread: The slowest training takes so many times the quickest.
        seed: Of the made-up numbers.
    """

    def __init__(self, space: SearchSpace, spread: float, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.space = space
        self._spread = spread
        self._cost = rng.uniform(0.0, 1.0, len(space.operators))
        # Costly operators are better, with diminishing returns: fronts of some dozen cells.
        self._gain = 0.3 * np.sqrt(self._cost) * rng.uniform(0.9, 1.1, len(space.operators))

    def guess(self, cells: CellBatch) -> tuple[npt.NDArray[np.float64], ...]:
        """Return predicted accuracy and seconds, ``(n,)`` each."""
        counts = (cells.operators[:, :, :, None] == np.arange(len(self._gain))) & cells.present[
            :, :, None, None
        ]
        share = counts.sum((1, 2)) / np.maximum(2 * cells.lengths, 1)[:, None]
        depth = 1.0 - 0.5 ** (1 + cells.lengths)
        accuracy = depth * (0.5 + share @ self._gain)
        heavy = share @ self._cost
        return accuracy, self._spread ** np.clip(heavy, 0.0, 1.0)

    def train(self, cell: Cell, repeat: int = 0) -> tuple[float, float]:
        """Return accuracy and seconds of a training: a prediction, and luck."""
        accuracy, seconds = self.guess(CellBatch.from_cells(self.space, [cell]))
        luck = np.random.default_rng(zlib.crc32(str(cell.canonical()).encode())).normal(size=2)
        noisy = np.log(seconds[0]) + 0.5 * luck[1]
        return (
            float(np.clip(accuracy[0] + 0.02 * luck[0], 0.0, 1.0)),
            float(np.exp(np.clip(noisy, 0.0, np.log(self._spread)))),
        )


class Oracle:
    """A predictor that needs no fit, so that the simulation's time goes to the protocol."""

    def __init__(self, world: World, column: int) -> None:
        self._world = world
        self._column = column

    def fit(self, cells: object, values: object) -> Oracle:
        return self

    def predict(self, cells: CellBatch) -> npt.NDArray[np.float64]:
        return self._world.guess(cells)[self._column]


def levels(options: argparse.Namespace) -> None:
    """Print waiting against speculating."""
    space = SearchSpace(max_blocks=options.max_blocks)
    world = World(space, options.spread, options.seed)
    print(
        f"12 operators, {options.max_blocks} blocks, training times spread "
        f"{options.spread:g}:1. Utilisation: share of the workers' time spent training."
    )
    print(f"{'':9}{'waiting':^42}  {'speculating':^42}")
    head = f"{'time':>9}{'utilised':>11}{'cells':>8}{'hypervol.':>12}  "
    print(f"{'workers':>7}  {head}  {head}")
    for workers in options.workers:
        row = f"{workers:>7}  "
        for speculate in (False, True):
            reserve = options.reserve or max(256, 4 * workers)
            config = SearchConfig(
                mode="popnas",
                max_children=options.max_children,
                reserve=reserve if speculate else 0,
            )
            planner = Planner(space, config, Oracle(world, 0), Oracle(world, 1))
            out = simulate(world, planner, workers, speculate=speculate, seed=options.seed)
            columns = np.array(out.values).T
            volume = hypervolume(columns[0], columns[1], reference_cost=options.spread)
            row += (
                f"{out.end:>9.0f}{100 * out.busy / out.lifetime:>10.1f}%{len(out.cells):>8}"
                f"{volume:>12.4f}    "
            )
        print(row.rstrip(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[2**k for k in range(9)])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spread", type=float, default=10.0)
    parser.add_argument("--max-blocks", type=int, default=4)
    parser.add_argument("--max-children", type=int, default=128)
    parser.add_argument("--reserve", type=int, default=None, help="256, or 4 per worker, if more")
    levels(parser.parse_args())


if __name__ == "__main__":
    main()
