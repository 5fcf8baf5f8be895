"""How much of their time many workers train, and what they find: a simulation.

The sampler's own decisions are driven by a virtual clock, so that hours of a thousand workers
take minutes.

    python benchmarks/utilisation.py                    both tables: an hour
    python benchmarks/utilisation.py --workers 1024     equal wall time, without slow samplers
    python benchmarks/utilisation.py --work 145         the same budget for 1 to 64 workers
    python benchmarks/utilisation.py --table            what has been run

A training is one of a surrogate bench (``--bench``); its seconds are stretched so that a typical
one takes ``--typical`` of them. Planning (of one worker, which the others do not wait for while
there are cells left) and the asks of Optuna's samplers take the processor seconds that they take
here. Adaptive searches know of the other data sets what the corpus taught, as in ``compare.py``.

In the first table every search is cut off after the same wall time (``--wall``, in typical
trainings), in its midst; the adaptive one has a budget that it does not reach. Waiting is the
thesis's mode with quick predictors and K = 64, or the number of workers if that is more. What a
sampler asks for again is answered from memory, five times in a row at most. In the second table
the adaptive search has the same budget of training seconds (``--work``, in typical trainings),
however many workers share it, and ends by itself; utilisation counts the wait for the last
training to end.

Hypervolume is that of expected values, a share of the best known front's. Results are a line a
search in ``benchmarks/results/utilisation.jsonl``; what has a line is not run again.
"""

from __future__ import annotations

import os


for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from dataclasses import asdict  # noqa: E402
from dataclasses import dataclass  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402
import warnings  # noqa: E402

import bench  # noqa: E402
import numpy as np  # noqa: E402
import optuna  # noqa: E402
import peers  # noqa: E402
from peers.catalogue import adaptive_settings  # noqa: E402
from simulation import Ran  # noqa: E402
from simulation import simulate  # noqa: E402
from simulation import simulate_sampler  # noqa: E402

from optuna_popnas.predictors import AccuracyPredictor  # noqa: E402
from optuna_popnas.predictors import TimePredictor  # noqa: E402
from optuna_popnas.predictors.guide import KnownCells  # noqa: E402
from optuna_popnas.sampler.planner import Planner  # noqa: E402
from optuna_popnas.search import SearchConfig  # noqa: E402
from optuna_popnas.space import Cell  # noqa: E402


RESULTS = Path(__file__).parent / "results" / "utilisation.jsonl"
METHODS = ("adaptive", "waiting", "tpe", "nsga2", "random")
_SLOW = ("tpe", "nsga2")  # for thousands of asks under way; left out where there are so many
_MANY = 256
_WALL = 3.0
_WORK = 145.0
_LEAST_CHILDREN = 64  # K of the search that waits


@dataclass(frozen=True)
class Line:
    """One search.

    Attributes:
        bench: The surrogate.
        kind: ``"wall"`` for equal wall time, ``"work"`` for equal seconds of training.
        amount: Of these, in typical trainings.
        workers: How many.
        method: What searches.
        seed: Its seed.
        utilised: Share of the workers' time that was spent training.
        cells: Trainings that were finished.
        volume: Hypervolume of expected values, a share of the best known front's.
        planning: Processor seconds of planning, or of asking.
        date: When it was run.
    """

    bench: str
    kind: str
    amount: float
    workers: int
    method: str
    seed: int
    utilised: float
    cells: int
    volume: float
    planning: float
    date: str


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

    def train(self, cell: Cell, repeat: int = 0) -> tuple[float, float]:
        """Return accuracy and seconds of a training."""
        found = self.table.evaluate(
            cell.canonical(self.space.operators), self._seed + 1000 * repeat
        )
        assert found is not None
        return found.accuracy, self._factor * found.seconds

    def volume(self, cells: list[Cell]) -> float:
        """Return the hypervolume of cells by their expected values, a share of the best."""
        return self.table.volume(*self.table.expected(cells))


def search(
    world: Surrogate, method: str, workers: int, *, horizon: float, budget: float, seed: int
) -> Ran:
    """Run one search of so many workers for some seconds of wall time.

    Args:
        world: What trainings yield.
        method: What searches.
        workers: How many.
        horizon: When it is cut off.
        budget: Seconds of training of the adaptive search.
        seed: Of the search.
    """
    table = world.table
    if method not in ("adaptive", "waiting"):
        sampler = peers.METHODS[method](table)(world.space, seed)
        return simulate_sampler(world, sampler, workers, horizon=horizon)
    predictors: tuple[Any, ...]
    others: tuple[KnownCells, ...] | None = ()
    if method == "adaptive":
        known = adaptive_settings(table)
        predictors = (known.get("accuracy_predictor"), known.get("time_predictor"))
        others = known.get("warm_start")
        config = SearchConfig(
            mode="adaptive", total_cells=table.total_cells, budget_seconds=budget
        )
    else:
        predictors = (AccuracyPredictor, TimePredictor)
        config = SearchConfig(
            mode="popnas",
            total_cells=table.total_cells,
            max_children=max(_LEAST_CHILDREN, workers),
        )
    planner = Planner(world.space, config, *predictors, known=others)
    return simulate(world, planner, workers, seed=seed, horizon=horizon, plans_take_time=True)


def read() -> list[Line]:
    """Return what has been run."""
    if not RESULTS.exists():
        return []
    lines = RESULTS.read_text(encoding="utf-8").splitlines()
    return [Line(**json.loads(line)) for line in lines]


def key(line: Line) -> tuple[object, ...]:
    """Return what makes a search another one."""
    return line.bench, line.kind, line.amount, line.workers, line.method, line.seed


def run(options: argparse.Namespace, kind: str, amount: float, workers: Sequence[int]) -> None:
    """Run what has no line yet."""
    table = bench.load(options.bench)
    for seed in range(options.seeds or (3 if kind == "work" else 1)):
        world = Surrogate(table, options.typical, seed)
        for count in workers:
            usual = [name for name in METHODS if count <= _MANY or name not in _SLOW]
            for method in (options.methods or usual) if kind == "wall" else METHODS[:1]:
                blank = Line(table.name, kind, amount, count, method, seed, 0, 0, 0, 0, "")
                if any(key(line) == key(blank) for line in read()):
                    continue
                seconds = amount * options.typical
                horizon, budget = np.inf, seconds
                if kind == "wall":
                    horizon, budget = seconds, 2 * count * seconds
                out = search(world, method, count, horizon=horizon, budget=budget, seed=seed)
                line = Line(
                    *key(blank), out.busy / out.lifetime, len(out.cells),
                    world.volume(out.cells) if out.cells else 0.0, out.planning,
                    time.strftime("%Y-%m-%d"),
                )  # type: ignore[arg-type]  # fmt: skip
                RESULTS.parent.mkdir(exist_ok=True)
                with RESULTS.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(line)) + "\n")
                print(line, flush=True)


def tables(lines: list[Line]) -> str:
    """Return a table of each kind: means over seeds, deviations where there are several."""
    out = []
    for bench_name, kind, amount in dict.fromkeys((x.bench, x.kind, x.amount) for x in lines):
        ours = [x for x in lines if (x.bench, x.kind, x.amount) == (bench_name, kind, amount)]
        what = "of wall time each" if kind == "wall" else "of budget for all workers together"
        out += ["", f"{bench_name}, {amount:g} typical trainings {what}, {ours[-1].date}", ""]
        out += ["| workers | search | seeds | utilised | cells | hypervolume | planning, s |"]
        out += ["|---|---|---|---|---|---|---|"]
        order = sorted({(x.workers, METHODS.index(x.method)) for x in ours})
        for workers, place in order:
            rows = [x for x in ours if (x.workers, x.method) == (workers, METHODS[place])]
            volume = np.array([row.volume for row in rows])
            spread = f" ± {volume.std(ddof=1):.3f}" if len(rows) > 1 else ""
            out.append(
                f"| {workers:,} | {METHODS[place]} | {len(rows)} "
                f"| {100 * np.mean([x.utilised for x in rows]):.1f} % "
                f"| {np.mean([x.cells for x in rows]):,.0f} | {volume.mean():.3f}{spread} "
                f"| {np.mean([x.planning for x in rows]):,.0f} |"
            )
    return "\n".join(out)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workers", type=int, nargs="+")
    parser.add_argument("--seeds", type=int, help="3, with equal wall time 1")
    parser.add_argument("--bench", choices=bench.names(), default="fashion")
    parser.add_argument("--methods", nargs="+", choices=METHODS)
    parser.add_argument("--typical", type=float, default=600.0, help="seconds of a training")
    parser.add_argument("--wall", type=float, help=f"wall time, in typical trainings [{_WALL:g}]")
    parser.add_argument("--work", type=float, help=f"budget, in typical trainings [{_WORK:g}]")
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    both = options.wall is None and options.work is None
    if not options.table:
        if options.work is not None or (both and options.workers is None):
            run(options, "work", options.work or _WORK, options.workers or [1, 4, 16, 64])
        if options.wall is not None or both:
            run(options, "wall", options.wall or _WALL, options.workers or [1, 16, 64, 256, 1024])
    print(tables(read()))


if __name__ == "__main__":
    main()
