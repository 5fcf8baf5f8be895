"""What planning a level costs, part by part, against straightforward implementations.

    python benchmarks/planning.py            the last level of the paper's size, and growth
    python benchmarks/planning.py --no-growth

Straightforward: one cell or one network at a time, ``benchmarks/plain.py``. It is timed on a
sample of the same candidates, in the same run, and scaled up. Seconds of processor time are
given next to those of the clock: they are what counts on a machine that does other things.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
import resource
import sys
import time
from typing import Any, TypeVar

import numpy as np

from optuna_popnas import predictors as pr
from optuna_popnas import SearchSpace
from optuna_popnas.predictors.base import unique_rows
from optuna_popnas.search.exploration import exploration_front
from optuna_popnas.search.exploration import exploration_sets
from optuna_popnas.search.pareto import pareto_front
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch


sys.path.insert(0, str(Path(__file__).parent))

PARENTS = 144
_T = TypeVar("_T")


class Clock:
    """Seconds of the clock and of the processor that a call takes."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __call__(self, function: Callable[[], _T]) -> _T:
        wall, cpu = time.perf_counter(), time.process_time()
        result = function()
        self.wall, self.cpu = time.perf_counter() - wall, time.process_time() - cpu
        return result


def grown(space: SearchSpace, parents: int, rng: np.random.Generator) -> tuple[list[Cell], Any]:
    """Return trained cells of a search, and the parents of its last level."""
    level = space.first_level()
    trained = [Cell(), *level]
    for blocks in range(2, space.max_blocks):
        level = space.expand(level.take(rng.choice(len(level), PARENTS, replace=False)))
        count = parents if blocks == space.max_blocks - 1 else PARENTS
        chosen = level.take(rng.choice(len(level), count, replace=False))
        trained += list(chosen[:PARENTS])
    return trained, chosen


def line(name: str, clock: Clock, plain_cpu: float | None = None) -> None:
    ratio = "" if plain_cpu is None else f"{plain_cpu:9.1f} s {plain_cpu / clock.cpu:7.0f} x"
    print(f"{name:46} {clock.wall:7.2f} s {clock.cpu:7.2f} s {ratio}", flush=True)


def parts(space: SearchSpace, rng: np.random.Generator) -> None:
    # Not before the growth is measured: PyTorch takes some 300 MB.
    import plain
    import torch

    from optuna_popnas.predictors.lstm_network import tokens

    trained, parents = grown(space, PARENTS, rng)
    worth = rng.random(len(space.operators))
    total = [sum(worth[space.operator_index[o]] for o in cell.operators) for cell in trained]
    accuracy = np.tanh(np.array(total) / 4) * 0.9 + 0.02 * rng.random(len(trained))
    seconds = (1.0 + np.array(total)) * rng.lognormal(0, 0.03, len(trained))
    clock, slow = Clock(), Clock()

    candidates: CellBatch = clock(lambda: space.expand(parents))
    n = len(candidates)
    print(f"\n{len(trained)} trained cells, {n} candidates of {space.max_blocks} blocks")
    print(f"{'':46} {'clock':>9} {'processor':>9} {'plain':>11} {'ratio':>9}")
    slow(lambda: plain.expand(space, list(parents[:1])))
    line("enumerate, canonical form, no duplicates", clock, slow.cpu * len(parents))

    sample = candidates.take(rng.choice(n, 2000, replace=False))
    scale = n / len(sample)
    scores = pr.operator_scores(space, trained, seconds)
    features = clock(lambda: pr.time_features(candidates, scores))
    slow(lambda: [plain.time_features(cell, scores) for cell in sample])
    line("nine time features", clock, slow.cpu * scale)

    catboost = pr.CatBoostTimePredictor(space, seed=0)
    clock(lambda: catboost.fit(trained, seconds))
    line("CatBoost: fit, 20 candidates x 5 folds", clock)
    rows = clock(lambda: unique_rows(features))[0]
    unique = clock.cpu
    clock(lambda: catboost._predict(rows))
    print(f"  ({len(rows)} distinct rows of features, found in {unique:.2f} s)")
    slow(lambda: [catboost._model.predict(row[None]) for row in features[:2000]])
    line("CatBoost: predict distinct rows", clock, slow.cpu * scale)

    lstm = pr.LSTMAccuracyPredictor(space, seed=0, batch_size=16)
    clock(lambda: lstm.fit(trained, accuracy))
    slow(lambda: fit_plain_lstm(space, trained, accuracy))
    line("five LSTMs: fit, 30 epochs, batches of 16", clock, slow.cpu * 30)
    clock(lambda: lstm.predict(candidates))
    codes = torch.from_numpy(tokens(sample))
    inputs = space.lookbacks + space.max_blocks - 1
    networks = [plain.AttentionLSTM(inputs, len(space.operators)) for _ in range(5)]
    with torch.inference_mode():
        slow(lambda: [network(codes) for network in networks])
    line("five LSTMs: predict", clock, slow.cpu * scale)

    process = pr.GaussianProcessAccuracyPredictor(space, seed=0)
    clock(lambda: process.fit(trained, accuracy))
    line("Gaussian process on ranks (default): fit", clock)
    gains, _ = clock(lambda: process.estimate(candidates))
    line("  predict, with deviations", clock)
    additive = pr.AdditiveTimePredictor(space, seed=0)
    clock(lambda: additive.fit(trained, seconds))
    line("sum of parts (default): fit", clock)
    costs, _ = clock(lambda: additive.estimate(candidates))
    line("  predict, with deviations", clock)

    front = clock(lambda: pareto_front(gains, costs, candidates.keys, max_size=128))
    walls, cpu = clock.wall, clock.cpu
    sets = exploration_sets(candidates.take(front), blocks=space.max_blocks)
    clock(lambda: exploration_front(candidates, gains, costs, front, sets, max_size=16))
    clock.wall, clock.cpu = clock.wall + walls, clock.cpu + cpu
    line("Pareto and exploration fronts", clock)


def fit_plain_lstm(space: SearchSpace, cells: list[Cell], accuracy: np.ndarray) -> None:
    """One epoch of five networks, one after the other, on four fifths of the data."""
    import plain
    import torch

    from optuna_popnas.predictors.lstm_network import tokens

    batch = CellBatch.from_cells(space, cells)
    codes = torch.from_numpy(tokens(batch))
    targets = torch.from_numpy(accuracy.astype(np.float32))
    for _ in range(5):
        network = plain.AttentionLSTM(space.lookbacks + space.max_blocks - 1, len(space.operators))
        optimizer = torch.optim.Adam(network.parameters(), lr=4e-3)
        for start in range(0, len(cells) * 4 // 5, 16):
            predicted = network(codes[start : start + 16]).sigmoid()
            loss = (predicted - targets[start : start + 16]).square().mean()
            optimizer.zero_grad()
            torch.autograd.backward(loss)
            optimizer.step()


def growth(space: SearchSpace, rng: np.random.Generator) -> None:
    print("\nGrowth: expand, predict with both defaults, fronts; peak memory of this process")
    trained, parents = grown(space, 1530, rng)
    worth = rng.random(len(space.operators))
    total = np.array(
        [sum(worth[space.operator_index[o]] for o in cell.operators) for cell in trained]
    )
    accuracy = pr.AccuracyPredictor(space, seed=0).fit(trained, np.tanh(total / 4))
    seconds = pr.TimePredictor(space, seed=0).fit(trained, 1.0 + total)
    clock = Clock()
    for count in (36, 144, 576, 1530):

        def plan() -> int:
            candidates = space.expand(parents[:count])  # noqa: B023
            gains = accuracy.predict(candidates)
            costs = seconds.predict(candidates)
            pareto_front(gains, costs, candidates.keys, max_size=128)
            return len(candidates)

        n = clock(plan)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{n:9} candidates {clock.wall:7.2f} s {clock.cpu:7.2f} s "
            f"{1e6 * clock.cpu / n:6.2f} us each, {peak:5.0f} MB",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--no-growth", action="store_true")
    options = parser.parse_args()
    space = SearchSpace(max_blocks=5)
    # First: what the other part loads and takes does not count as its memory.
    if not options.no_growth:
        growth(space, np.random.default_rng(0))
    parts(space, np.random.default_rng(0))


if __name__ == "__main__":
    main()
