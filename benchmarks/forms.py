"""Peers in several forms, to run each in its best one.

    python benchmarks/forms.py [--seeds 5] [--form "tpe, groups" ...]

Seeds start at 1000 and the benches are those that are tuned on, ``digits`` and ``nb201-imagenet``:
the seeds and benches of ``compare.py`` tell how good the chosen forms are. Prints, in Markdown,
means over seeds of the hypervolume at a quarter of the budget and at its end.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import sys
import warnings

import bench
import numpy as np
import optuna
from optuna.samplers import BaseSampler
from peers.bananas import BananasLike
from peers.evolution import LocalSearch
from peers.evolution import RegularizedEvolution
import results

from optuna_popnas import SearchSpace


BENCHES = ("digits", "nb201-imagenet")
FIRST_SEED = 1000


def _tpe(**options: object) -> Callable[[SearchSpace, int], BaseSampler]:
    return lambda space, seed: optuna.samplers.TPESampler(seed=seed, **options)  # type: ignore[arg-type]


def _nsga2(population: int) -> Callable[[SearchSpace, int], BaseSampler]:
    return lambda space, seed: optuna.samplers.NSGAIISampler(population_size=population, seed=seed)


def _evolution(population: int, sample: int) -> Callable[[SearchSpace, int], BaseSampler]:
    return lambda space, seed: RegularizedEvolution(
        space, seed=seed, population=population, sample=sample
    )


def _local(start: int) -> Callable[[SearchSpace, int], BaseSampler]:
    return lambda space, seed: LocalSearch(space, seed=seed, start=start)


def _bananas(start: int, batch: int, members: int) -> Callable[[SearchSpace, int], BaseSampler]:
    return lambda space, seed: BananasLike(
        space, seed=seed, start=start, batch=batch, members=members
    )


FORMS: dict[str, Callable[[SearchSpace, int], BaseSampler]] = {
    "tpe, parameter by parameter": _tpe(),
    "tpe, multivariate": _tpe(multivariate=True),
    "tpe, multivariate, groups": _tpe(multivariate=True, group=True),
    "tpe, multivariate, 20 random first": _tpe(multivariate=True, n_startup_trials=20),
    "nsga2, population 10": _nsga2(10),
    "nsga2, population 20": _nsga2(20),
    "nsga2, population 50": _nsga2(50),
    "evolution, 50 alive, tournaments of 10": _evolution(50, 10),
    "evolution, 30 alive, tournaments of 8": _evolution(30, 8),
    "evolution, 20 alive, tournaments of 10": _evolution(20, 10),
    "local, 5 random first": _local(5),
    "local, 10 random first": _local(10),
    "local, 20 random first": _local(20),
    "bananas, 10 random first, waves of 5": _bananas(10, 5, 5),
    "bananas, 20 random first, waves of 10": _bananas(20, 10, 5),
    "bananas, 10 random first, waves of 5, 3 networks": _bananas(10, 5, 3),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--form", nargs="+", choices=FORMS, default=list(FORMS))
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    early = int(np.searchsorted(results.GRID, 0.25))
    print("| form | " + " | ".join(f"{name}, at 1/4 | at the budget" for name in BENCHES) + " |")
    print("|---" * (1 + 2 * len(BENCHES)) + "|")
    for form in options.form:
        cells = [form]
        for name in BENCHES:
            table = bench.load(name)
            seeds = range(FIRST_SEED, FIRST_SEED + options.seeds)
            found = [
                results.summarize(bench.run(table, FORMS[form], seed=seed), form) for seed in seeds
            ]
            cells += [f"{np.mean([r.volume[i] for r in found]):.3f}" for i in (early, -1)]
        print("| " + " | ".join(cells) + " |")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
