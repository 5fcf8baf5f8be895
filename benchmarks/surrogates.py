"""How good the surrogates are, and whether searches rank on them as on real trainings.

    python benchmarks/surrogates.py              both, in Markdown
    python benchmarks/surrogates.py --only quality

**Quality**: of five folds of the cells that a surrogate is fitted to, each is predicted from the
other four; cells that were trained after the surrogate was fixed are predicted by itself. "Near
the front" are the cells of the first three measured fronts.

**Agreement**: on tables of real trainings (NAS-Bench-201's cells, and all 300 cells of a block of
Fashion-MNIST) searches run twice: on the table, and on a surrogate fitted to half of the table,
and to the deeper cells where there are some. Seeds start at 1000.
"""

from __future__ import annotations

import os


for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse  # noqa: E402
from collections.abc import Callable, Sequence  # noqa: E402
import itertools  # noqa: E402
import warnings  # noqa: E402

import bench  # noqa: E402
from bench.base import Evaluation  # noqa: E402
from bench.catalogue import corpus_rows  # noqa: E402
from bench.catalogue import corpus_sample  # noqa: E402
from bench.catalogue import FITTED  # noqa: E402
from bench.surrogate import expit  # noqa: E402
from bench.surrogate import Images  # noqa: E402
from bench.surrogate import logit  # noqa: E402
from bench.surrogate import Regression  # noqa: E402
from bench.surrogate import Sample  # noqa: E402
from bench.surrogate import SurrogateBench  # noqa: E402
from bench.tables import TableBench  # noqa: E402
from corpus import tasks  # noqa: E402
import numpy as np  # noqa: E402
import optuna  # noqa: E402
import peers  # noqa: E402
import results  # noqa: E402
from scipy.stats import kendalltau  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402

from optuna_popnas import Cell  # noqa: E402
from optuna_popnas import CellBatch  # noqa: E402
from optuna_popnas import NetworkConfig  # noqa: E402
from optuna_popnas import PAPER_OPERATORS  # noqa: E402
from optuna_popnas import SearchSpace  # noqa: E402
from optuna_popnas.search import pareto_front  # noqa: E402


TASKS = ("fashion", "cifar10", "digits")
FOLDS = 5
METHODS = ("adaptive", "tpe", "nsga2", "evolution", "local", "random")


def left_out(table: SurrogateBench) -> tuple[np.ndarray, np.ndarray]:
    """Return accuracies and relative seconds of each fold's cells, predicted from the others."""
    sample = table.sample
    features = table.features(sample.cells)
    weights = sample.weights
    fold = np.random.default_rng(0).permutation(len(weights)) % FOLDS
    accuracy, seconds = np.empty(len(weights)), np.empty(len(weights))
    for number in range(FOLDS):
        known, new = fold != number, fold == number
        model = Regression(depth=4, ridge=100.0, members=3)
        model.fit(features[known], logit(sample.accuracy[known]), weights[known])
        accuracy[new] = expit(model.predict(features[new]))
        model = Regression(depth=4, ridge=1.0, members=3)
        model.fit(features[known], np.log(sample.seconds[known]), np.ones(int(known.sum())))
        seconds[new] = np.exp(model.predict(features[new]))
    return accuracy, seconds


def near_front(accuracy: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """Return which cells are of the first three fronts."""
    left, chosen = np.arange(len(accuracy)), np.zeros(len(accuracy), dtype=bool)
    for _ in range(3):
        front = left[pareto_front(accuracy[left], seconds[left])]
        chosen[front] = True
        left = np.setdiff1d(left, front)
    return chosen


def quality_line(
    name: str, which: str, sample: Sample, accuracy: np.ndarray, seconds: np.ndarray, noise: float
) -> str:
    """Return a line: rho over all and by blocks, near the front, ceiling, errors."""
    measured, lengths = sample.accuracy, sample.cells.lengths

    def rho(rows: np.ndarray) -> str:
        found = spearmanr(accuracy[rows], measured[rows])[0] if rows.sum() > 9 else np.nan
        return "" if np.isnan(found) else f"{found:.2f}"

    front = near_front(measured, sample.seconds)
    variance = measured.var()
    ceiling = np.sqrt(max(1 - noise**2 / variance, 0.0))
    error = np.abs(accuracy - measured)
    ratio = np.abs(np.log(seconds / sample.seconds))
    cells = [f"`{name}`", which, str(len(measured)), rho(np.ones(len(measured), dtype=bool))]
    cells += [f"{np.corrcoef(accuracy, measured)[0, 1]:.2f} of {ceiling:.2f}"]
    cells += [" ".join(rho(lengths == blocks) or "-" for blocks in range(1, 6))]
    cells += [f"{rho(front)} ({front.sum()})", f"{error.mean():.4f}", f"{error[front].mean():.4f}"]
    cells += [f"{noise:.4f}", f"{100 * np.mean(ratio):.1f} %"]
    return "| " + " | ".join(cells) + " |"


def print_quality() -> None:
    print(
        "| surrogate | cells | | rho | Pearson, of what noise allows | rho within 1-5 blocks |"
        " near the front | error | near the front | one training's noise | seconds off by |"
    )
    print("|---" * 11 + "|")
    for name in TASKS:
        table = bench.load(name)
        if not isinstance(table, SurrogateBench):
            continue
        sample = table.sample
        noise = table.noise_at(sample.accuracy)
        print(quality_line(name, "left out", sample, *left_out(table), noise), flush=True)
        if len(corpus_rows(name)) >= FITTED[name] + 25:
            later, _ = corpus_sample(name, slice(FITTED[name], None))
            accuracy, seconds = table.expected(later.cells)
            seconds = seconds / table.unit
            line = quality_line(name, "trained later", later, accuracy, seconds, noise)
            print(line, flush=True)


class Half(SurrogateBench):
    """A surrogate of a table fitted to half of it; it has the table's cells and no others."""

    def __init__(self, table: TableBench, images: Images, more: Sample | None = None) -> None:
        cells = [cell for cell in table.cells if len(cell)]
        order = np.random.default_rng(0).permutation(len(cells))[: len(cells) // 2]
        known = [Cell(), *(cells[i] for i in order)]
        found = [table.trainings(cell) for cell in known]
        if more is not None:
            known += list(more.cells)
            values = zip(more.accuracy, more.seconds)
            found += [[Evaluation(float(a), float(s))] for a, s in values]
        space = table.space if more is None else more.cells.space
        sample = Sample(
            CellBatch.from_cells(space, known),
            np.array([np.mean([one.accuracy for one in each]) for each in found]),
            np.array([float(len(each)) for each in found]),
            np.array([np.mean([one.seconds for one in each]) for each in found]),
            np.empty((len(found), 0)),
            tuple(tuple(one.accuracy for one in each) for each in found if len(each) > 2),
        )
        super().__init__(table.name, space, sample, images, budget=table.budget, noise=0.0128)
        self.chance, self.total_cells = table.chance, table.total_cells
        self.space, self.table = table.space, table

    def evaluate(self, cell: Cell, seed: int) -> Evaluation | None:
        if self.table.evaluate(cell, seed) is None:
            return None
        return super().evaluate(cell, seed)

    @property
    def front(self) -> bench.Front:
        return bench.make_front(*self.expected(self.table.cells))


def one_block() -> tuple[TableBench, Half]:
    """Return all cells of one block, trained on Fashion-MNIST, and their surrogate."""
    trainings = {
        row.cell: [Evaluation(accuracy, row.relative) for accuracy in row.accuracy]
        for row in corpus_rows("fashion")
        if len(row.cell) <= 1
    }
    budget = 60 * float(np.median([found[0].seconds for found in trainings.values()]))
    space = SearchSpace(PAPER_OPERATORS, max_blocks=1)
    table = TableBench("one block", space, trainings, budget=budget, time_noise=0.02)
    sample, _ = corpus_sample("fashion", slice(None))
    deeper = sample.take(np.flatnonzero(sample.cells.lengths > 1))
    return table, Half(table, Images(tasks.TASKS["fashion"].network, 1, 10, 14), deeper)


def nas_bench(data: str) -> tuple[TableBench, Half]:
    """Return a table of NAS-Bench-201 and its surrogate."""
    table = bench.load(f"nb201-{data}")
    assert isinstance(table, TableBench)
    network = NetworkConfig(motifs=3, normal_cells=5, filters=16)
    return table, Half(table, Images(network, 3, 10, 32))


def finals(table: bench.Bench, seeds: Sequence[int]) -> dict[str, np.ndarray]:
    """Return each method's hypervolume and best accuracy at 1/4 and at the end, over seeds."""
    early = int(np.searchsorted(results.GRID, 0.25))
    found = {}
    for method in METHODS:
        records = [
            results.summarize(bench.run(table, peers.METHODS[method](table), seed=seed), method)
            for seed in seeds
        ]
        rows = [[values[i] for values in (r.volume, r.best) for i in (early, -1)] for r in records]
        found[method] = np.array(rows)
    return found


def agreement(real: dict[str, np.ndarray], model: dict[str, np.ndarray]) -> tuple[float, str]:
    """Return Kendall's tau of the orders by hypervolume at 1/4, and the pairs that are settled.

    A pair is settled on the table if 95 % of the paired differences' bootstraps have one sign.
    """
    rng = np.random.default_rng(0)
    means = [[float(values[:, 0].mean()) for values in each.values()] for each in (real, model)]
    settled = same = 0
    for a, b in itertools.combinations(METHODS, 2):
        difference = real[a][:, 0] - real[b][:, 0]
        low, high = np.percentile(
            rng.choice(difference, (1000, len(difference))).mean(axis=1), [2.5, 97.5]
        )
        if low > 0 or high < 0:
            settled += 1
            other = float((model[a][:, 0] - model[b][:, 0]).mean())
            same += bool((low > 0) == (other > 0))
    return float(kendalltau(*means)[0]), f"{same} of {settled}"


def print_agreement(seeds: int) -> None:
    print("| table | cells | " + " | ".join(METHODS) + " | Kendall's tau | settled pairs agree |")
    print("|---" * (4 + len(METHODS)) + "|")
    makers: list[Callable[[], tuple[TableBench, Half]]]
    makers = [lambda: nas_bench("cifar10"), lambda: nas_bench("cifar100"), one_block]
    for make in makers:
        table, half = make()
        both = [finals(each, range(1000, 1000 + seeds)) for each in (table, half)]
        tau, pairs = agreement(*both)
        cells = [f"{both[0][m][:, 0].mean():.3f} / {both[1][m][:, 0].mean():.3f}" for m in METHODS]
        cells += [f"{tau:.2f}", pairs]
        print(f"| {table.name} | {len(table)} | " + " | ".join(cells) + " |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["quality", "agreement"])
    parser.add_argument("--seeds", type=int, default=10)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    if options.only != "agreement":
        print_quality()
    if options.only != "quality":
        print_agreement(options.seeds)


if __name__ == "__main__":
    main()
