"""How much of their time many workers train, waiting against speculating: a simulation.

The sampler's own decisions (:func:`~optuna_popnas.sampler.moves.next_move`) are driven by a
virtual clock, so that hours of 256 workers take seconds. Accuracies and times are made up; the
times are spread 10:1. Waiting is the thesis's search; speculating workers train a level's
next-best cells instead (``POPNASSampler(idle="speculate")``).

    python benchmarks/utilisation.py
    python benchmarks/utilisation.py --workers 64 --spread 10 --max-blocks 4
"""

from __future__ import annotations

import argparse
import heapq
from typing import NamedTuple
import zlib

import numpy as np
import numpy.typing as npt
from optuna.trial import TrialState

from optuna_popnas.sampler.board import Board
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.moves import Finish
from optuna_popnas.sampler.moves import MakePlan
from optuna_popnas.sampler.moves import next_move
from optuna_popnas.sampler.planner import Planner
from optuna_popnas.sampler.setup import Setup
from optuna_popnas.sampler.waiting_list import Take
from optuna_popnas.search import hypervolume
from optuna_popnas.search import SearchConfig
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


class Outcome(NamedTuple):
    """What one simulated search comes to."""

    makespan: float
    utilisation: float
    cells: int
    hypervolume: float


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

    def train(self, cell: Cell) -> tuple[float, float]:
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


def simulate(
    world: World, config: SearchConfig, workers: int, *, speculate: bool, seed: int = 0
) -> Outcome:
    """Run one search on the virtual clock.

    Args:
        world: What trainings yield.
        config: Settings of the search.
        workers: How many train at the same time.
        speculate: Whether idle workers train cells of the reserve.
        seed: Seed of the study.
    """
    planner = Planner(world.space, config, Oracle(world, 0), Oracle(world, 1))
    board = Board(Setup(world.space, {"mode": config.mode, "max_tries": 3}))
    facts: dict[int, Fact] = {}  # open trials
    training: list[tuple[float, int, float]] = []  # end, trial number, seconds
    ended: list[Fact] = []
    number, now, busy, lifetime, idle = 0, 0.0, 0.0, 0.0, workers
    points: list[tuple[float, float]] = []
    while True:
        for _ in range(idle):  # each free worker asks for a trial
            facts[number] = Fact(number, TrialState.RUNNING, None, waits=True)
            number += 1
        idle = 0
        asking = [fact.number for fact in facts.values() if fact.cell is None]
        board.update([*ended, *facts.values()])
        ended = []
        progress = True
        while progress:
            progress = False
            for trial in list(asking):
                move = next_move(board, trial, speculate=speculate)
                if isinstance(move, Take):
                    cell = board.cell(move)
                    facts[trial] = facts[trial]._replace(cell=cell)
                    accuracy, seconds = world.train(cell)
                    heapq.heappush(training, (now + seconds, trial, accuracy))
                    busy += seconds
                    asking.remove(trial)
                elif isinstance(move, MakePlan):
                    assert board.upcoming is not None
                    plan = planner.plan(board.upcoming, planner.knowledge(board), seed=seed)
                    data = {"plan": plan.to_json(world.space), "fenced": []}
                    carried = (*facts[trial].plans, (move.plan, data))
                    facts[trial] = facts[trial]._replace(plans=carried)
                elif isinstance(move, Finish):
                    del facts[trial]
                    asking.remove(trial)
                    lifetime += now  # this worker ends
                else:
                    continue
                progress = True
                board.update(facts.values())
        if not training:
            break
        now, trial, accuracy = heapq.heappop(training)
        fact = facts.pop(trial)
        assert fact.cell is not None
        seconds = world.train(fact.cell)[1]
        points.append((accuracy, seconds))
        ended = [fact._replace(state=TrialState.COMPLETE, accuracy=accuracy, seconds=seconds)]
        idle = 1
    columns = np.array(points).T
    volume = hypervolume(columns[0], columns[1], reference_cost=world._spread)
    return Outcome(now, busy / lifetime, len(points), volume)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64, 128, 256]
    )
    parser.add_argument("--spread", type=float, default=10.0)
    parser.add_argument("--max-blocks", type=int, default=4)
    parser.add_argument("--max-children", type=int, default=128)
    parser.add_argument("--reserve", type=int, default=None, help="256, or 4 per worker, if more")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    space = SearchSpace(max_blocks=arguments.max_blocks)
    world = World(space, arguments.spread, arguments.seed)
    print(
        f"12 operators, {arguments.max_blocks} blocks, training times spread "
        f"{arguments.spread:g}:1. Utilisation: share of the workers' time spent training."
    )
    print(f"{'':9}{'waiting':^42}  {'speculating':^42}")
    head = f"{'time':>9}{'utilised':>11}{'cells':>8}{'hypervol.':>12}  "
    print(f"{'workers':>7}  {head}  {head}")
    for workers in arguments.workers:
        row = f"{workers:>7}  "
        for speculate in (False, True):
            reserve = arguments.reserve or max(256, 4 * workers)
            config = SearchConfig(
                max_children=arguments.max_children, reserve=reserve if speculate else 0
            )
            out = simulate(world, config, workers, speculate=speculate, seed=arguments.seed)
            row += (
                f"{out.makespan:>9.0f}{100 * out.utilisation:>10.1f}%{out.cells:>8}"
                f"{out.hypervolume:>12.4f}    "
            )
        print(row.rstrip(), flush=True)


if __name__ == "__main__":
    main()
