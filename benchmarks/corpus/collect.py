"""Train the cells of the corpus, task by turn, and keep what was measured.

    python benchmarks/corpus/collect.py --cifar10 FOLDER [--hours 3] [--tasks digits4 fashion]

Results are appended as they come; the same command goes on where it was. Complete tables are
trained in a random order. Of larger spaces, three cells in ten have one block until all of those
are trained; the others have two blocks or more, half of them at random, half from the best fronts
that ridge regression predicts among children of trained cells.

A step of the reference cell is timed between the epochs of every training, so that whatever else
the machine does slows both: the median of the ratios repeats where plain seconds do not.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import time

import numpy as np
import rows
from rows import Row
import tasks
from tasks import Task
import torch

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import SearchSpace
from optuna_popnas.networks import cell_costs
from optuna_popnas.predictors.features.structure import structural_features
from optuna_popnas.training import ImageData
from optuna_popnas.training.loop import Training
from optuna_popnas.training.trainer import start_training


REFERENCE = Cell([(-1, "3x3 conv", -1, "3x3 conv")])


class Trainer:
    """Trains cells of one task beside the reference cell."""

    def __init__(self, task: Task, data: ImageData) -> None:
        self.task = task
        self.data = data
        self.references: dict[int, Training] = {}

    def train(self, cell: Cell, seed: int, seeds: int) -> Row:
        """Train a cell's networks; see :class:`Row`."""
        reference = self.references.get(seeds)
        if reference is None:
            reference = self.references[seeds] = self._start(REFERENCE, range(seeds))
            reference.probe(1)
        run = self._start(cell, range(seed, seed + seeds))
        ratios, curve, spent = [], [], 0.0
        for number in range(1, self.task.epochs + 1):
            epoch = run.run_epoch()
            spent += epoch.seconds
            ratios.append(epoch.seconds / run.steps / reference.probe(2))
            if number in tasks.CURVE:
                curve.append([metrics.accuracy for metrics in run.validate()])
        held_out = len(self.data.test_labels)
        watched = len(self.data.validation)
        tested = np.array([metrics.accuracy for metrics in run.test()])
        accuracy = (tested * held_out + np.array(curve[-1]) * watched) / (held_out + watched)
        costs = cell_costs(
            [cell],
            self.task.network,
            in_channels=self.data.in_channels,
            classes=self.data.classes,
            image_size=self.data.image_size,
        )
        return Row(
            cell=cell,
            seed=seed,
            accuracy=tuple(accuracy.tolist()),
            curve=tuple(zip(*curve)),
            seconds=spent / seeds,
            relative=float(np.median(ratios)),
            parameters=int(costs.parameters[0]),
            flops=int(costs.flops[0]),
        )

    def _start(self, cell: Cell, seeds: range) -> Training:
        task = self.task
        return start_training(
            cell, self.data, task.network, task.training, seeds=seeds, device="cpu"
        )


def all_cells(space: SearchSpace) -> list[Cell]:
    """Return every cell of a small space, up to isomorphism, in a random order."""
    level = space.first_level()
    cells = [Cell(), *level]
    while len(cells[-1]) < space.max_blocks:
        level = space.expand(level)
        cells += level
    order = np.random.default_rng(0).permutation(len(cells))
    return [cells[i] for i in order]


def next_cells(task: Task, done: list[Row], count: int) -> list[Cell]:
    """Choose cells that have not been trained, see the top of this file."""
    space, known = task.space, {row.cell for row in done}
    rng = np.random.default_rng([5, len(done)])
    chosen: list[Cell] = [] if done else [Cell()]
    first = [cell for cell in space.first_level() if cell not in known]
    chosen += [first[i] for i in rng.permutation(len(first))[: round(0.3 * count)]]
    deeper = 0
    while len(chosen) < count:
        depth = 2 + int(rng.integers(space.max_blocks - 1))
        parents = [row for row in done if len(row.cell) == depth - 1]
        if deeper % 2 and len(parents) >= 4:
            cell = near_front(space, done, parents, known, rng)
        else:
            cell = random_cell(space, depth, rng)
        deeper += 1
        if cell is not None and cell not in known and len(cell) == depth:
            known.add(cell)
            chosen.append(cell)
    return chosen


def random_cell(space: SearchSpace, depth: int, rng: np.random.Generator) -> Cell:
    """Draw a cell whose inputs and operators are independent."""
    encoding = np.zeros((1, depth, 4), dtype=np.int8)
    for i in range(depth):
        encoding[0, i, 0::2] = rng.integers(-space.lookbacks, i, 2)
        encoding[0, i, 1::2] = rng.integers(0, len(space.operators), 2)
    return CellBatch(space, encoding)[0].canonical()


def near_front(
    space: SearchSpace,
    done: list[Row],
    parents: list[Row],
    known: set[Cell],
    rng: np.random.Generator,
) -> Cell | None:
    """Draw a cell of the first five predicted fronts among children of trained cells."""
    few = [parents[i].cell for i in rng.permutation(len(parents))[:40]]
    candidates = space.expand(few, max_encodings=2000, rng=rng)
    candidates = candidates.take([i for i, cell in enumerate(candidates) if cell not in known])
    everything = CellBatch.from_cells(space, [*(row.cell for row in done), *candidates])
    features = structural_features(everything.canonical())
    design = np.column_stack([features / (features.std(axis=0) + 1e-9), np.ones(len(features))])
    train, new = design[: len(done)], design[len(done) :]
    gram = train.T @ train + np.eye(design.shape[1])
    values = [[np.mean(row.accuracy), np.log(row.relative)] for row in done]
    accuracy, cost = (new @ np.linalg.solve(gram, train.T @ np.array(values))).T
    left, fronts = np.argsort(-accuracy, kind="stable"), []
    for _ in range(5):
        if not len(left):
            break
        fastest = np.minimum.accumulate(cost[left])
        front = np.append(True, cost[left][1:] < fastest[:-1])
        fronts += left[front].tolist()
        left = left[~front]
    return candidates[int(rng.choice(fronts))].canonical() if fronts else None


def turn(name: str, task: Task, trainer: Trainer, folder: Path, until: float) -> bool:
    """Train some cells of a task; return whether there are more."""
    path = folder / f"{name}.csv"
    done = rows.read(path)
    repeats = 1
    if task.cells is None:
        order = all_cells(task.space)
        repeats = task.seeds
    elif task.like is not None:
        order = [row.cell for row in rows.read(folder / f"{task.like}.csv")][: task.cells]
    else:
        order = [row.cell for row in done]
        order += next_cells(task, done, task.turn) if len(done) < task.cells else []
    known = {row.cell for row in done}
    left = [cell for cell in order if cell not in known][: task.turn]
    for number, cell in enumerate(left, len(done)):
        if time.time() > until:
            return False
        seeds = repeats if task.cells is None or number % 10 else 3
        rows.append(path, trainer.train(cell, seed=10 * number, seeds=seeds))
    return bool(left)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", choices=tasks.TASKS, default=list(tasks.TASKS))
    parser.add_argument("--cifar10", type=Path, help="folder with a folder of images per class")
    parser.add_argument("--hours", type=float, default=1000.0)
    parser.add_argument("--output", type=Path, default=tasks.output_folder())
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.output.mkdir(parents=True, exist_ok=True)
    until = time.time() + 3600 * options.hours
    images = {}
    trainers = {}
    active = list(options.tasks)
    while active and time.time() < until:
        for name in list(active):
            task = tasks.TASKS[name]
            if task.data not in images:
                images[task.data] = tasks.load(task.data, options.cifar10)
            if name not in trainers:
                trainers[name] = Trainer(task, images[task.data])
            begin = time.process_time()
            if not turn(name, task, trainers[name], options.output, until):
                if task.like is None:
                    active.remove(name)
            print(f"{name}: {time.process_time() - begin:.0f} processor seconds", flush=True)


if __name__ == "__main__":
    main()
