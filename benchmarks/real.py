"""Compare searches with real trainings: 12 operators, up to five blocks, equal training seconds.

    python benchmarks/real.py [--task fashion] [--method adaptive tpe] [--seeds 3]
    python benchmarks/real.py --task cifar10 --cifar10 FOLDER
    python benchmarks/real.py --table

Networks and images are those of the corpus (``corpus/tasks.py``). A search sees a training as
the corpus measures it: accuracy on some thousand images, seconds relative to a reference cell
that is timed beside it, so that what else the machine does favours nobody.

When a search has ended, the fronts that it had measured after a quarter and a half of the budget
and at its end, and the five cells that had measured best, are trained anew with three fresh seeds.
Fronts and best cells are compared by these accuracies: nobody wins by a lucky training.

Searches are lines of ``benchmarks/results/real-TASK.jsonl``, fresh trainings of
``real-TASK.csv``; what is there is not done again.
"""

from __future__ import annotations

import os


for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from functools import cached_property  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402
import warnings  # noqa: E402

import bench  # noqa: E402
from bench.base import Bench  # noqa: E402
from bench.base import cell_rng  # noqa: E402
from bench.base import Evaluation  # noqa: E402
from bench.base import Floats  # noqa: E402
from bench.base import Front  # noqa: E402
from bench.base import make_front  # noqa: E402
from bench.catalogue import corpus_sample  # noqa: E402
from bench.catalogue import FITTED  # noqa: E402
import numpy as np  # noqa: E402
import optuna  # noqa: E402
import peers  # noqa: E402
import results  # noqa: E402
import torch  # noqa: E402


sys.path.insert(0, str(Path(__file__).parent / "corpus"))
from collect import Trainer  # noqa: E402
import rows  # noqa: E402
import tasks  # noqa: E402

from optuna_popnas import Cell  # noqa: E402
from optuna_popnas.search import pareto_front  # noqa: E402


METHODS = ("adaptive", "tpe", "popnas", "nsga2", "random", "pnas")
SHARES = (0.25, 0.5, 1.0)
_TOP = 5
_FRESH = 3
# Seeds of the trainings that judge; those of searches are drawn below.
_JUDGES = 2**31


class RealBench(Bench):
    """The corpus's trainings, made when a search asks for them.

    Args:
        task: Name of the task.
        cifar10: See :func:`corpus.tasks.load`.
        folder: Where trainings with fresh seeds are kept.
    """

    chance = 0.1

    def __init__(self, task: str, cifar10: Path | None, folder: Path) -> None:
        self.name = task
        self.task = tasks.TASKS[task]
        self.space = self.task.space
        self.epochs = self.task.epochs
        self.curve_epochs = tuple(epoch for epoch in tasks.CURVE if epoch <= self.epochs)
        self.budget = bench.load(task).budget / 2
        self.fresh = folder / f"real-{task}.csv"
        # Of the same rows for ever, so that searches go on alike while the corpus grows.
        _, self._unit = corpus_sample(task, slice(FITTED[task]))
        self._cifar10 = cifar10

    @cached_property
    def trainer(self) -> Trainer:
        """Trains; the images are read when the first cell is trained."""
        return Trainer(self.task, tasks.load(self.task.data, self._cifar10))

    def evaluate(self, cell: Cell, seed: int) -> Evaluation:
        own = int(cell_rng(cell, self.space, seed).integers(2**30))
        row = self.trainer.train(cell, own, 1)
        return Evaluation(row.accuracy[0], self._unit * row.relative, row.curve[0])

    def expected(self, cells: Sequence[Cell]) -> tuple[Floats, Floats]:
        known = {row.cell: row for row in rows.read(self.fresh)}
        nan = float("nan")
        values = [
            (float(np.mean(known[cell].accuracy)), self._unit * known[cell].relative)
            if cell in known
            else (nan, nan)
            for cell in cells
        ]
        accuracy, seconds = np.array(values).reshape(-1, 2).T
        return accuracy, seconds

    @cached_property
    def front(self) -> Front:
        """The best cells of all that were trained with fresh seeds."""
        return make_front(*self.expected([row.cell for row in rows.read(self.fresh)]))

    def judge(self, cells: Sequence[Cell]) -> None:
        """Train cells with fresh seeds, those that were not."""
        known = {row.cell for row in rows.read(self.fresh)}
        for cell in cells:
            if cell not in known:
                key = int(cell_rng(cell, self.space, 0).integers(2**30))
                rows.append(self.fresh, self.trainer.train(cell, _JUDGES + key, _FRESH))
                known.add(cell)


def found(steps: Sequence[dict[str, Any]], spent: float) -> tuple[list[Cell], list[Cell]]:
    """Return the measured front, and the cells that measured best, best first, at a cost."""
    until = [step for step in steps if step["spent"] <= spent and not step["stopped"]]
    values: dict[Cell, list[tuple[float, float]]] = {}  # several of a cell that was trained again
    for step in until:
        cell = Cell.parse(step["cell"])
        values.setdefault(cell, []).append((step["accuracy"], step["seconds"]))
    cells = list(values)
    accuracy, seconds = np.array([np.mean(found, axis=0) for found in values.values()]).T
    front = [cells[i] for i in pareto_front(accuracy, seconds)]
    top = [cells[i] for i in np.argsort(-accuracy, kind="stable")[:_TOP]]
    return front, top


def search(table: RealBench, method: str, seed: int) -> dict[str, Any]:
    """Run one search and return its line."""
    trajectory = peers.search(table, method, seed)
    steps = [
        {
            "cell": str(step.cell),
            "spent": round(step.spent, 3),
            "accuracy": round(step.accuracy, 4),
            "seconds": round(step.seconds, 4),
            "stopped": step.stopped,
        }
        for step in trajectory.steps
    ]
    return {
        "method": method,
        "seed": seed,
        "budget": table.budget,
        "date": time.strftime("%Y-%m-%d"),
        "steps": steps,
    }


def read(path: Path) -> list[dict[str, Any]]:
    """Return the searches of a file; none if there is no such file."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def run_missing(table: RealBench, path: Path, methods: Sequence[str], seeds: int) -> None:
    """Run the searches that are not kept, seed by seed, and judge all."""
    known = {(one["method"], one["seed"]) for one in read(path)}
    for seed in range(seeds):
        for method in methods:
            if (method, seed) not in known:
                one = search(table, method, seed)
                with path.open("a") as file:
                    file.write(json.dumps(one, separators=(",", ":")) + "\n")
                print(f"{method} seed {seed}: {len(one['steps'])} trainings", file=sys.stderr)
        for one in read(path):
            for share in SHARES:
                front, top = found(one["steps"], share * table.budget)
                table.judge([*front, *top])


def table_of(table: RealBench, path: Path) -> str:
    """Return the comparison in Markdown, of the searches whose cells have been judged."""
    lines = [
        "| method | seeds | trainings | hypervolume at 1/4, 1/2 and all of the budget |"
        " log seconds | best accuracy | mean of the five best |",
        "|---" * 7 + "|",
    ]
    known = {row.cell for row in rows.read(table.fresh)}
    searches = [
        one
        for one in read(path)
        if all(
            known.issuperset(cells)
            for share in SHARES
            for cells in found(one["steps"], share * table.budget)
        )
    ]
    for method in METHODS:
        own = [one for one in searches if one["method"] == method]
        if not own:
            continue
        series: dict[str, list[list[float]]] = {"line": [], "log": [], "best": [], "top": []}
        for one in own:
            parts = [found(one["steps"], share * table.budget) for share in SHARES]
            fronts = [table.expected(front) for front, _ in parts]
            tops = [table.expected(top)[0] for _, top in parts]
            series["line"].append([table.volume(*front) for front in fronts])
            series["log"].append([table.volume(*front, logarithmic=True) for front in fronts])
            series["best"].append([float(top[0]) for top in tops])
            series["top"].append([float(top.mean()) for top in tops])
        columns = [
            "; ".join(_interval([seed[i] for seed in values]) for i in range(len(SHARES)))
            for values in series.values()
        ]
        count = np.mean([sum(s["spent"] <= table.budget for s in one["steps"]) for one in own])
        lines.append(f"| {method} | {len(own)} | {count:.0f} | " + " | ".join(columns) + " |")
    return "\n".join(lines)


def _interval(values: Sequence[float]) -> str:
    return f"{np.mean(values):.3f} [{min(values):.3f}, {max(values):.3f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--task", choices=("fashion", "cifar10"), default="fashion")
    parser.add_argument("--method", nargs="+", choices=peers.METHODS, default=list(METHODS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cifar10", type=Path, help="folder with a folder of images per class")
    parser.add_argument("--table", action="store_true", help="train nothing, print what is kept")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    table = RealBench(options.task, options.cifar10, results.FOLDER)
    path = results.FOLDER / f"real-{options.task}.jsonl"
    if not options.table:
        run_missing(table, path, options.method, options.seeds)
    print(table_of(table, path))


if __name__ == "__main__":
    main()
