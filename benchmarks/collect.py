"""Train cells for the benchmarks of the predictors, and keep what was measured.

A progressive run: the empty cell, all cells of one block, then level by level cells grown from
those of the level before: one half from the best fronts that ridge regression predicts, as a
search would take them, one half at random. Or random cells of one size, with ``--flat``.

    python benchmarks/collect.py fashion-mnist --output benchmarks/data/fashion.csv
    python benchmarks/collect.py fashion-mnist --flat 7 --operators "identity,3x3 dconv,..."

Accuracies are means over ``--seeds`` trainings, with their standard error. Results are appended
as they come; the same command goes on where it was. With ``--time`` it
adds the seconds of a step relative to those of a reference cell. Both are taken by turns, two
steps each, so that whatever else the machine does slows both: the median of the ratios repeats
to about 2 % where plain seconds differ by 10 %.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
import csv
from pathlib import Path

import numpy as np

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import load_dataset
from optuna_popnas import NetworkConfig
from optuna_popnas import SearchSpace
from optuna_popnas import TrainingConfig
from optuna_popnas.predictors.features.structure import structural_features
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.training import ImageData
from optuna_popnas.training import train_cell
from optuna_popnas.training.trainer import start_training


NETWORK = NetworkConfig(motifs=2, normal_cells=1, filters=8)
FIELDS = ["cell", "accuracy", "std_error", "seconds", "parameters", "relative_seconds"]
REFERENCE = Cell([(-1, "3x3 conv", -1, "3x3 conv")])
TURNS = 16


def read(path: Path) -> list[dict[str, str]]:
    """Return the rows of a file of results; none if there is no such file."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def ridge(features: np.ndarray, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Fit ridge regression to the first rows; return its predictions of ``rows``."""
    known = features[: len(values)]
    scale = known.std(axis=0) + 1e-9
    design = np.column_stack([features / scale, np.ones(len(features))])
    train = design[: len(values)]
    gram = train.T @ train + np.eye(design.shape[1])
    return np.asarray(design[rows] @ np.linalg.solve(gram, train.T @ values))


def next_level(
    space: SearchSpace, rows: list[dict[str, str]], count: int, rng: np.random.Generator
) -> list[Cell]:
    """Choose the cells of the next level: predicted fronts, and others at random."""
    trained = CellBatch.from_cells(space, [Cell.parse(row["cell"]) for row in rows])
    accuracy = np.array([float(row["accuracy"]) for row in rows])
    seconds = np.array([float(row["seconds"]) for row in rows])
    parents = trained.take(trained.lengths == trained.lengths.max())
    candidates = space.expand(parents, max_encodings=20_000, rng=rng)
    everything = CellBatch.from_cells(space, [*trained, *candidates])
    features = structural_features(everything.canonical())
    new = np.arange(len(trained), len(everything))
    good = ridge(features, accuracy, new)
    time = ridge(features, np.log(seconds), new)
    left, chosen = np.argsort(-good, kind="stable"), []
    while len(chosen) < count // 2:
        fastest = np.minimum.accumulate(time[left])
        front = np.append(True, time[left][1:] < fastest[:-1])
        chosen += left[front].tolist()
        left = left[~front]
    chosen = chosen[: count // 2]
    chosen += rng.choice(left, count - len(chosen), replace=False).tolist()
    return list(candidates.take(chosen))


def flat(space: SearchSpace, count: int, rng: np.random.Generator) -> list[Cell]:
    """Draw distinct cells of the largest size."""
    encoding = np.zeros((count, space.max_blocks, 4), dtype=np.int8)
    for i in range(space.max_blocks):
        encoding[:, i, 0::2] = rng.integers(-space.lookbacks, i, (count, 2))
        encoding[:, i, 1::2] = rng.integers(0, len(space.operators), (count, 2))
    cells = CellBatch(space, encoding).unique()
    return list(cells.take(rng.permutation(len(cells))))


def add_times(path: Path, data: ImageData, training: TrainingConfig) -> None:
    """Fill in the relative seconds of the cells that have none yet."""
    rows = read(path)
    reference = start_training(REFERENCE, data, NETWORK, training)
    for number, row in enumerate(rows):
        if row.get("relative_seconds"):
            continue
        run = start_training(Cell.parse(row["cell"]), data, NETWORK, training)
        run.probe(1)
        reference.probe(1)
        ratios = [run.probe(2) / reference.probe(2) for _ in range(TURNS)]
        row["relative_seconds"] = f"{np.median(ratios):.4g}"
        if number % 50 == 0 or number == len(rows) - 1:
            write(path, rows)
    write(path, rows)


def write(path: Path, rows: list[dict[str, str]]) -> None:
    """Replace a file of results in one go."""
    draft = path.with_suffix(".tmp")
    with draft.open("w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draft.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="a data set's name, folder or file")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--operators", default=",".join(PAPER_OPERATORS))
    parser.add_argument("--blocks", type=int, default=4, help="blocks of the last level")
    parser.add_argument("--level", type=int, default=120, help="cells per level from 2 blocks on")
    parser.add_argument("--flat", type=int, default=0, help="blocks of random cells instead")
    parser.add_argument("--count", type=int, default=800, help="how many random cells")
    parser.add_argument("--image-size", type=int, default=8)
    parser.add_argument("--train-images", type=int, default=1200)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, default=1, help="trainings per cell")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--time", action="store_true", help="add relative seconds, see above")
    options = parser.parse_args()

    data = load_dataset(
        options.data,
        image_size=options.image_size,
        samples=round(options.train_images / 0.3),
        validation_fraction=0.7,
        seed=options.seed,
    )
    training = TrainingConfig(
        epochs=options.epochs,
        seeds=options.seeds,
        batch_size=64,
        restart_epochs=options.epochs,
        batch_norm="epoch",
        flip=False,
        translation=0.0,
    )

    def train(cells: Iterable[Cell]) -> None:
        done = {row["cell"] for row in read(options.output)}
        new = not options.output.exists()
        with options.output.open("a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            if new:
                writer.writeheader()
            for cell in cells:
                if str(cell) in done:
                    continue
                result = train_cell(cell, data, NETWORK, training, seed=options.seed)
                writer.writerow(
                    {
                        "cell": str(cell),
                        "accuracy": f"{result.accuracy:.4f}",
                        "std_error": f"{result.accuracy_std_error or 0:.4f}",
                        "seconds": f"{result.seconds:.4g}",
                        "parameters": result.parameters,
                        "relative_seconds": "",
                    }
                )
                file.flush()

    if options.time:
        add_times(options.output, data, training)
        return
    rng = np.random.default_rng(options.seed)
    operators = options.operators.split(",")
    if options.flat:
        train(flat(SearchSpace(operators, max_blocks=options.flat), options.count, rng))
        return
    space = SearchSpace(operators, max_blocks=options.blocks)
    train([Cell(), *space.first_level()])
    for blocks in range(2, options.blocks + 1):
        rows = read(options.output)
        earlier = [row for row in rows if len(Cell.parse(row["cell"])) < blocks]
        train(next_level(space, earlier, options.level, rng))


if __name__ == "__main__":
    main()
