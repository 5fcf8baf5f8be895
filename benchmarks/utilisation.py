"""How much of their time many workers train, and what they find: a simulation.

The sampler's own decisions (:func:`~optuna_popnas.sampler.moves.next_move`) are driven by a
virtual clock, so that hours of a thousand workers take minutes.

    python benchmarks/utilisation.py --workers 1024             adaptive mode, and others beside it
    python benchmarks/utilisation.py --workers 1024 --methods adaptive random
    python benchmarks/utilisation.py --levels                   waiting against speculating
    python benchmarks/utilisation.py --levels --workers 64 --spread 10 --max-blocks 4

A training is one of a surrogate bench (``--bench``); its seconds are stretched so that a typical
one takes ``--typical`` of them. All methods have the same wall time. Planning (of one worker,
which the others do not wait for while there are cells left) and the asks of Optuna's samplers take
the processor seconds that they take here. Waiting is the thesis's mode with quick predictors.

With ``--levels`` accuracies and times are made up; the times are spread 10:1. Waiting is the
thesis's search; speculating workers train a level's next-best cells instead
(``POPNASSampler(idle="speculate")``).
"""

from __future__ import annotations

import os


for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse  # noqa: E402
from dataclasses import replace  # noqa: E402
import heapq  # noqa: E402
import time  # noqa: E402
from typing import Any, NamedTuple, Protocol  # noqa: E402
import warnings  # noqa: E402
import zlib  # noqa: E402

import bench  # noqa: E402
import numpy as np  # noqa: E402
import numpy.typing as npt  # noqa: E402
import optuna  # noqa: E402
from optuna.trial import TrialState  # noqa: E402
import peers  # noqa: E402

from optuna_popnas.predictors import AccuracyPredictor  # noqa: E402
from optuna_popnas.predictors import TimePredictor  # noqa: E402
from optuna_popnas.sampler.board import Board  # noqa: E402
from optuna_popnas.sampler.facts import Fact  # noqa: E402
from optuna_popnas.sampler.moves import Finish  # noqa: E402
from optuna_popnas.sampler.moves import MakePlan  # noqa: E402
from optuna_popnas.sampler.moves import next_move  # noqa: E402
from optuna_popnas.sampler.planner import Planner  # noqa: E402
from optuna_popnas.sampler.setup import Setup  # noqa: E402
from optuna_popnas.sampler.waiting_list import Take  # noqa: E402
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


class Trainings(Protocol):
    """What trainings yield."""

    space: SearchSpace

    def train(self, cell: Cell) -> tuple[float, float]:
        """Return accuracy and seconds of a training."""


class Surrogate:
    """Trainings of a surrogate bench, stretched.

    Args:
        table: The bench.
        typical: Seconds that the median of some random cells takes.
        seed: Of the trainings' noise.
    """

    def __init__(self, table: bench.Bench, typical: float, seed: int) -> None:
        self.table = table
        self.space = table.space
        self._seed = seed
        some = self.space.random_cells(3, 200, rng=np.random.default_rng(0))
        self._factor = typical / float(np.median(table.expected(list(some))[1]))

    def train(self, cell: Cell) -> tuple[float, float]:
        """Return accuracy and seconds of a training."""
        found = self.table.evaluate(cell.canonical(self.space.operators), self._seed)
        assert found is not None
        return found.accuracy, self._factor * found.seconds

    def volume(self, cells: list[Cell]) -> float:
        """Return the hypervolume of cells by their expected values, a share of the best."""
        return self.table.volume(*self.table.expected(cells))


class Ran(NamedTuple):
    """A simulated search.

    Attributes:
        end: When it ended.
        busy: Seconds of training of all workers until then.
        lifetime: Seconds that the workers were there.
        cells: What was trained.
        values: Measured accuracies and seconds of them.
        planning: Processor seconds of planning, or of asking.
    """

    end: float
    busy: float
    lifetime: float
    cells: list[Cell]
    values: list[tuple[float, float]]
    planning: float


def simulate(
    world: Trainings,
    planner: Planner,
    workers: int,
    *,
    speculate: bool = False,
    seed: int = 0,
    horizon: float = np.inf,
    plans_take_time: bool = False,
) -> Ran:
    """Run one search on the virtual clock.

    Args:
        world: What trainings yield.
        planner: Makes the plans.
        workers: How many train at the same time.
        speculate: Whether idle workers train cells of the reserve.
        seed: Seed of the study.
        horizon: When it ends; trainings that are not finished then count as work, not as found.
        plans_take_time: Whether a plan takes its processor seconds on the virtual clock.
    """
    mode = planner.config.mode
    board = Board(Setup(world.space, {"mode": mode, "max_tries": 3}))
    facts: dict[int, Fact] = {}  # open trials
    events: list[tuple[float, int, Any]] = []  # when, trial, measured values or a plan's data
    begun: dict[int, float] = {}
    ended: list[Fact] = []
    number, now, busy, lifetime, idle, planning = 0, 0.0, 0.0, 0.0, workers, 0.0
    ran = Ran(0.0, 0.0, 0.0, [], [], 0.0)
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
                if facts[trial].lead is not None:
                    continue  # it is planning
                move = next_move(board, trial, speculate=speculate)
                if isinstance(move, Take):
                    cell = board.cell(move)
                    facts[trial] = facts[trial]._replace(cell=cell)
                    values = world.train(cell)
                    begun[trial] = now
                    heapq.heappush(events, (now + values[1], trial, values))
                    asking.remove(trial)
                elif isinstance(move, MakePlan):
                    assert board.upcoming is not None
                    started = time.process_time()
                    plan = planner.plan(board.upcoming, planner.knowledge(board), seed=seed)
                    took = time.process_time() - started
                    planning += took
                    data = {"plan": plan.to_json(world.space), "fenced": []}
                    facts[trial] = facts[trial]._replace(lead=move.plan)
                    ready = now + (took if plans_take_time else 0.0)
                    heapq.heappush(events, (ready, trial, (move.plan, data)))
                elif isinstance(move, Finish):
                    del facts[trial]
                    asking.remove(trial)
                    lifetime += now  # this worker ends
                else:
                    break  # who comes later waits, too
                progress = True
                board.update(facts.values())
        if not events or events[0][0] > horizon:
            break
        now, trial, what = heapq.heappop(events)
        if isinstance(what[1], dict):
            carried = (*facts[trial].plans, what)
            facts[trial] = facts[trial]._replace(plans=carried, lead=None)
            continue
        fact = facts.pop(trial)
        assert fact.cell is not None
        accuracy, seconds = what
        busy += now - begun.pop(trial)
        ran.cells.append(fact.cell)
        ran.values.append((accuracy, seconds))
        ended = [fact._replace(state=TrialState.COMPLETE, accuracy=accuracy, seconds=seconds)]
        idle = 1
    end = now if np.isinf(horizon) else horizon
    busy += sum(end - start for start in begun.values())
    if not np.isinf(horizon):
        lifetime = horizon * workers
    return ran._replace(end=end, busy=busy, lifetime=lifetime, planning=planning)


def simulate_sampler(
    world: Trainings, sampler: optuna.samplers.BaseSampler, workers: int, *, horizon: float
) -> Ran:
    """Run one of Optuna's samplers: every worker asks for itself, and its ask takes its time."""
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    ran = Ran(horizon, 0.0, horizon * workers, [], [], 0.0)
    events: list[tuple[float, int, Any]] = [(0.0, -1 - worker, None) for worker in range(workers)]
    busy = planning = 0.0
    while events and events[0][0] <= horizon:
        now, _, done = heapq.heappop(events)
        if done is not None:
            trial, cell, values = done
            study.tell(trial, values)
            busy += values[1]
            ran.cells.append(cell)
            ran.values.append(values)
        started = time.process_time()
        trial = study.ask()
        cell = world.space.suggest(trial)
        took = time.process_time() - started
        planning += took
        values = world.train(cell)
        heapq.heappush(events, (now + took + values[1], trial.number, (trial, cell, values)))
    busy += sum(
        max(horizon - (end - done[2][1]), 0.0) for end, _, done in events if done is not None
    )
    return ran._replace(busy=busy, planning=planning)


def compare(options: argparse.Namespace) -> None:
    """Print what methods come to in the same wall time."""
    table = bench.load(options.bench)
    world = Surrogate(table, options.typical, options.seed)
    horizon = options.horizon * options.typical
    print(
        f"{options.bench}, {horizon:,.0f} s of wall time, a typical training takes "
        f"{options.typical:,.0f} s.\nUtilised: share of the workers' time spent training. "
        "Hypervolume: of expected values, a share of the best known front's."
    )
    head = f"{'workers':>7}  {'method':12}{'utilised':>9}{'cells':>8}"
    print(f"{head}{'hypervolume':>13}{'planning':>10}", flush=True)
    for workers in options.workers:
        for method in options.methods:
            if method in ("adaptive", "waiting"):
                mode = "adaptive" if method == "adaptive" else "popnas"
                config = SearchConfig(mode=mode, total_cells=table.total_cells)
                if method == "adaptive":
                    config = replace(config, budget_seconds=workers * horizon)
                else:
                    config = replace(config, max_children=workers)
                quick = () if method == "adaptive" else (AccuracyPredictor, TimePredictor)
                out = simulate(
                    world,
                    Planner(world.space, config, *quick),
                    workers,
                    seed=options.seed,
                    horizon=horizon,
                    plans_take_time=True,
                )
            else:
                sampler = peers.METHODS[method](table)(world.space, options.seed)
                out = simulate_sampler(world, sampler, workers, horizon=horizon)
            volume = world.volume(out.cells) if out.cells else 0.0
            print(
                f"{workers:>7}  {method:12}{100 * out.busy / out.lifetime:>8.1f}%"
                f"{len(out.cells):>8}{volume:>13.4f}{out.planning:>9.0f}s",
                flush=True,
            )


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
    parser.add_argument("--workers", type=int, nargs="+")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bench", choices=bench.names(), default="fashion")
    parser.add_argument(
        "--methods", nargs="+", default=["adaptive", "waiting", "random", "nsga2", "tpe"],
        choices=["adaptive", "waiting", *peers.METHODS],
    )  # fmt: skip
    parser.add_argument("--typical", type=float, default=600.0, help="seconds of a training")
    parser.add_argument("--horizon", type=float, default=1.5, help="wall time, in trainings")
    parser.add_argument("--levels", action="store_true", help="waiting against speculating")
    parser.add_argument("--spread", type=float, default=10.0)
    parser.add_argument("--max-blocks", type=int, default=4)
    parser.add_argument("--max-children", type=int, default=128)
    parser.add_argument("--reserve", type=int, default=None, help="256, or 4 per worker, if more")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if options.levels:
        options.workers = options.workers or [1, 2, 4, 8, 16, 32, 64, 128, 256]
        levels(options)
    else:
        options.workers = options.workers or [64, 1024]
        compare(options)


if __name__ == "__main__":
    main()
