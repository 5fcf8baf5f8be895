from __future__ import annotations

import optuna
import pytest

import optuna_popnas as popnas
from optuna_popnas.space import Cell
from tests.visualization.made_up import OPERATORS
from tests.visualization.made_up import run_study


@pytest.fixture(scope="package", autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


@pytest.fixture(scope="package")
def finished() -> optuna.Study:
    """A whole search to three blocks, two failed trials in it."""
    return run_study(fail=(5, 17))


@pytest.fixture(scope="package")
def odd_studies() -> dict[str, optuna.Study]:
    """Studies at the edges: every figure must draw them or say why not."""
    space = popnas.SearchSpace(OPERATORS, max_blocks=2)
    directions = ["maximize", "minimize"]
    failing = optuna.create_study(directions=directions)
    waiting = optuna.create_study(directions=directions)
    waiting.enqueue_trial({"blocks": 0})
    running = optuna.create_study(directions=directions)
    running.ask()
    foreign = optuna.create_study(directions=directions)
    foreign.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=3)

    def fail(trial: optuna.Trial) -> tuple[float, float]:
        space.suggest(trial)
        raise RuntimeError("made to fail")

    failing.optimize(fail, n_trials=4, catch=(RuntimeError,))
    constant = optuna.create_study(directions=directions)

    def same(trial: optuna.Trial) -> tuple[float, float]:
        space.suggest(trial)
        return 0.5, 1.0

    constant.optimize(same, n_trials=30)
    return {
        "empty": optuna.create_study(directions=directions),
        "one trial": run_study(n_trials=1),
        "one level": run_study(max_blocks=1),
        "interrupted": run_study(n_trials=45),
        "failed": failing,
        "waiting": waiting,
        "running": running,
        "without cells": foreign,
        "constant": constant,
        "three objectives": run_study(
            values=3, max_blocks=2, objectives=("parameters",), cost=parameters
        ),
        "accuracy alone": run_study(values=1, max_blocks=2, mode="pnas"),
        "pnas": run_study(max_blocks=2, mode="pnas"),
        "tpe": run_study(sampler=optuna.samplers.TPESampler(seed=0), n_trials=30),
        "random": run_study(sampler=optuna.samplers.RandomSampler(seed=0), n_trials=12, values=1),
    }


def parameters(cells: popnas.CellBatch) -> dict[str, object]:
    import numpy as np

    return {"parameters": np.array([1000 * (1 + len(set(cell.operators))) for cell in cells])}


@pytest.fixture
def cell() -> Cell:
    return Cell([(-2, "3x3 conv", -1, "identity"), (0, "3x3 dconv", -1, "2x2 maxpool")])
