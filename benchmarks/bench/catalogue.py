"""The benches by name."""

from __future__ import annotations

from collections.abc import Callable
import csv
from functools import cache
from functools import partial
from pathlib import Path

from corpus import rows
from corpus import tasks
import numpy as np

from bench.base import Bench
from bench.base import Evaluation
from bench.surrogate import Images
from bench.surrogate import Sample
from bench.surrogate import SurrogateBench
from bench.tables import nas_bench_201
from bench.tables import TableBench
from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import NetworkConfig
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace


_OLD = Path(__file__).parents[1] / "data"
_PIXELS = {"digits": (1, 8), "fashion-mnist": (1, 14), "cifar10": (3, 16)}
# Cells of complete tables; with fewer they are surrogates too.
_COUNTS = {"digits4": 2215, "digits2": 4016}
# Lines of the corpus that surrogates are fitted to, so that results stay comparable while it
# grows; those after them judge the surrogates (``benchmarks/surrogates.py``).
FITTED = {"fashion": 1122, "cifar10": 624, "digits": 120}


def names() -> list[str]:
    """Return the benches that there are data for."""
    return [name for name, (_, exists) in _benches().items() if exists]


@cache
def load(name: str) -> Bench:
    """Return a bench.

    Raises:
        ValueError: There is none of that name.
    """
    known = _benches()
    if name not in known or not known[name][1]:
        raise ValueError(f"`name` must be one of {', '.join(names())}, but got {name!r}.")
    return known[name][0]()


def _benches() -> dict[str, tuple[Callable[[], Bench], bool]]:
    found: dict[str, tuple[Callable[[], Bench], bool]] = {
        f"nb201-{data}": (partial(nas_bench_201, data), True)
        for data in ("cifar10", "cifar100", "imagenet")
    }
    for name in ("digits4", "digits2", "fashion", "cifar10", "digits"):
        count = len(corpus_rows(name))
        make = corpus_table if count == _COUNTS.get(name) else corpus_surrogate
        found[name] = partial(make, name), make is corpus_table or count >= FITTED.get(name, 5000)
    found["fashion8"] = old_surrogate, True
    return found


@cache
def corpus_rows(name: str) -> list[rows.Row]:
    """Return all that was trained for a task."""
    return rows.read(tasks.output_folder() / f"{name}.csv")


def corpus_table(name: str) -> TableBench:
    """Return a complete table of the corpus."""
    task = tasks.TASKS[name]
    found = corpus_rows(name)
    unit = float(np.median([row.seconds / row.relative for row in found]))
    trainings: dict[Cell, list[Evaluation]] = {}
    for row in found:
        cell = row.cell.canonical(task.space.operators)
        for accuracy, curve in zip(row.accuracy, row.curve):
            evaluation = Evaluation(accuracy, unit * row.relative, curve)
            trainings.setdefault(cell, []).append(evaluation)
    total = sum(evaluations[0].seconds for evaluations in trainings.values())
    return TableBench(
        name,
        task.space,
        trainings,
        budget=total / 10,  # with more, peers ask for what they know a thousand times
        time_noise=0.02,
        epochs=task.epochs,
        curve_epochs=tuple(epoch for epoch in tasks.CURVE if epoch <= task.epochs),
    )


def corpus_sample(name: str, rows: slice = slice(None)) -> tuple[Sample, float]:
    """Return some of a task's trainings, and the seconds of its reference cell."""
    task = tasks.TASKS[name]
    found = corpus_rows(name)[rows]
    unit = float(np.median([row.seconds / row.relative for row in found]))
    sample = Sample(
        CellBatch.from_cells(task.space, [row.cell for row in found]),
        np.array([np.mean(row.accuracy) for row in found]),
        np.array([float(len(row.accuracy)) for row in found]),
        np.array([row.relative for row in found]),
        np.array([row.curve[0] for row in found]),
        tuple(row.accuracy for row in found if len(row.accuracy) > 1),
    )
    return sample, unit


def corpus_surrogate(name: str) -> SurrogateBench:
    """Return the surrogate of a task's space."""
    task = tasks.TASKS[name]
    sample, unit = corpus_sample(name, slice(FITTED[name]))
    channels, pixels = _PIXELS[task.data]
    return SurrogateBench(
        name,
        task.space,
        sample,
        Images(task.network, channels, 10, pixels),
        budget=200 * unit * float(np.median(sample.seconds)),
        unit=unit,
        epochs=task.epochs,
        curve_epochs=tuple(epoch for epoch in tasks.CURVE if epoch <= task.epochs),
        noise=0.01,
    )


def old_sample() -> Sample:
    """Return 601 trainings of cells of up to four blocks, on Fashion-MNIST at 8 pixels."""
    with (_OLD / "fashion12.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    space = SearchSpace(PAPER_OPERATORS, max_blocks=4)
    return Sample(
        CellBatch.from_cells(space, [Cell.parse(line["cell"]) for line in lines]),
        np.array([float(line["accuracy"]) for line in lines]),
        np.ones(len(lines)),
        np.array([float(line["relative_seconds"]) for line in lines]),
        np.empty((len(lines), 0)),
        (),
    )


def old_surrogate() -> SurrogateBench:
    """Return the surrogate of :func:`old_sample`."""
    sample = old_sample()
    network = NetworkConfig(motifs=2, normal_cells=1, filters=8)
    images = Images(network, 1, 10, 8)
    space = sample.cells.space
    return SurrogateBench("fashion8", space, sample, images, budget=500.0, noise=0.012)
