"""The methods that are compared, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
import warnings

from bench.base import Bench
from bench.running import run
from bench.running import Trajectory
import optuna
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
import priors

from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import ExploringAccuracyPredictor
from optuna_popnas.predictors import SizeAwareTimePredictor
from optuna_popnas.predictors.guide import KnownCells
from optuna_popnas.sampler.warm_start import known_cells
from peers.bananas import BananasLike
from peers.evolution import LocalSearch
from peers.evolution import RegularizedEvolution


Factory = Callable[[SearchSpace, int], BaseSampler]


def _ours(mode: str) -> Callable[[Bench], Factory]:
    def of(bench: Bench) -> Factory:
        def make(space: SearchSpace, seed: int) -> BaseSampler:
            if mode == "popnas-v1":  # it knows no other lookback
                space = SearchSpace(space.operators, space.max_blocks, lookbacks=1)
            return POPNASSampler(
                space,
                mode=mode,
                **(adaptive_settings(bench) if mode == "adaptive" else {}),
                max_children=64,
                **({"max_exploration_children": 8} if mode == "popnas" else {}),
                total_cells=bench.total_cells,
                seed=seed,
            )

        return make

    return of


#: Bench -> the data set that knowledge which comes from the corpus must not know of there.
OWN_DATA = {
    "fashion": "fashion-mnist",
    "fashion8": "fashion-mnist",
    "cifar10": "cifar10",
    "nb201-cifar10": "cifar10",
    "digits": "digits",
    "digits2": "digits",
    "digits4": "digits",
}


def adaptive_settings(bench: Bench) -> dict[str, Any]:
    """Return the budget, and what other data sets than the bench's alone have taught."""
    data = OWN_DATA.get(bench.name)
    if data is None:
        return {"budget_seconds": bench.budget}
    return {
        "budget_seconds": bench.budget,
        "warm_start": cells_of_others(data),
        "accuracy_predictor": accuracy_without(data),
        "time_predictor": partial(SizeAwareTimePredictor, prior=priors.prior("seconds", data)),
    }


def cells_of_others(data: str) -> tuple[KnownCells, ...]:
    """Return the cells that ship with the library, but for those of a data set."""
    return tuple(item for item in known_cells("corpus") if OWN_DATA[item.name] != data)


def accuracy_without(data: str) -> Callable[..., ExploringAccuracyPredictor]:
    """Return what makes the search's model of accuracy, which knows nothing of a data set."""
    return partial(
        ExploringAccuracyPredictor,
        prior=priors.prior("exploring", data),
        guide_prior=priors.prior("accuracy", data),
    )


def _peer(make: Factory) -> Callable[[Bench], Factory]:
    return lambda bench: make


def _tpe(space: SearchSpace, seed: int, *, group: bool = False) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return optuna.samplers.TPESampler(multivariate=True, group=group, seed=seed)


def _gp(space: SearchSpace, seed: int) -> BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return optuna.samplers.GPSampler(seed=seed)


#: Name -> bench -> what makes a sampler of a space and a seed.
METHODS: dict[str, Callable[[Bench], Factory]] = {
    "random": _peer(lambda space, seed: optuna.samplers.RandomSampler(seed=seed)),
    "tpe": _peer(_tpe),
    "nsga2": _peer(
        lambda space, seed: optuna.samplers.NSGAIISampler(population_size=20, seed=seed)
    ),
    "gp": _peer(_gp),
    "evolution": _peer(lambda space, seed: RegularizedEvolution(space, seed=seed)),
    "local": _peer(lambda space, seed: LocalSearch(space, seed=seed)),
    "bananas": _peer(lambda space, seed: BananasLike(space, seed=seed)),
    "adaptive": _ours("adaptive"),
    "pnas": _ours("pnas"),
    "popnas-v1": _ours("popnas-v1"),
    "popnas": _ours("popnas"),
}
#: The library's own searches; the first one that exists is judged against the best peer.
OURS = ("adaptive", "popnas", "popnas-v1", "pnas")
#: Directions of the studies of searches for accuracy alone.
DIRECTIONS = {"pnas": ("maximize",)}


def search(bench: Bench, method: str, seed: int) -> Trajectory:
    """Search a bench with a method, as all comparisons do.

    The adaptive search ends hopeless trainings early, on what has learning curves.
    """
    return run(
        bench,
        METHODS[method](bench),
        seed=seed,
        directions=DIRECTIONS.get(method, ("maximize", "minimize")),
        early_stops=method == "adaptive",
    )
