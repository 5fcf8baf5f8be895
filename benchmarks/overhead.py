"""Overhead of the sampler per trial, outside planning, beside Optuna's NSGAIISampler.

Two studies with the same finished trials on the same storage, one trial of each in turn: ask,
five suggestions, tell. Prints the median milliseconds per trial and their ratio.

    python benchmarks/overhead.py --finished 500 --storage memory sqlite journal
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
import statistics
import tempfile
import time

import optuna
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import optuna_popnas as popnas


# 28 operators: 1,596 one-block cells, so that no level ends while the clock runs.
OPERATORS = [f"{k}x{k} {kind}" for kind in ("dconv", "conv") for k in range(1, 15)]
SPACE = popnas.SearchSpace(OPERATORS, max_blocks=5)
SAMPLERS: list[Callable[[], BaseSampler]] = [
    lambda: popnas.POPNASSampler(SPACE, seed=0),
    lambda: optuna.samplers.NSGAIISampler(seed=0),
    lambda: optuna.samplers.RandomSampler(seed=0),
]


def objective(trial: optuna.Trial) -> tuple[float, float]:
    """Ask for a one-block cell, five parameters, under either sampler."""
    trial.suggest_int("blocks", 0, SPACE.max_blocks)
    names = [
        trial.suggest_categorical("b0_op1", SPACE.operators),
        trial.suggest_categorical("b0_op2", SPACE.operators),
    ]
    inputs = [
        trial.suggest_categorical("b0_in1", SPACE.inputs(0)),
        trial.suggest_categorical("b0_in2", SPACE.inputs(0)),
    ]
    score = sum(SPACE.operator_index[name] for name in names) - sum(inputs)
    return score / 60, 1.0 + abs(score - 20)


def prepared(
    storage: BaseStorage | None, make: Callable[[], BaseSampler], finished: int
) -> optuna.Study:
    """Return a study with so many finished trials, made in memory and copied."""
    directions = ["maximize", "minimize"]
    study = optuna.create_study(directions=directions, sampler=make())
    study.optimize(objective, n_trials=finished)
    if storage is not None:
        copied = optuna.create_study(directions=directions, sampler=make(), storage=storage)
        copied.add_trials(study.get_trials(deepcopy=False))
        study = copied
        study.get_trials(deepcopy=False)
    return study


def measure(studies: list[optuna.Study], trials: int) -> list[tuple[float, float]]:
    """Return median wall and CPU milliseconds per trial of each study."""
    wall: list[list[float]] = [[] for _ in studies]
    cpu: list[list[float]] = [[] for _ in studies]
    for _ in range(trials):
        for index, study in enumerate(studies):
            started, used = time.perf_counter(), time.process_time()
            trial = study.ask()
            study.tell(trial, objective(trial))
            wall[index].append(1e3 * (time.perf_counter() - started))
            cpu[index].append(1e3 * (time.process_time() - used))
    return [(statistics.median(w), statistics.median(c)) for w, c in zip(wall, cpu)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--finished", type=int, default=500)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--storage", nargs="+", default=["memory", "sqlite", "journal"])
    parser.add_argument("--folder", help="where the files go; a temporary folder if left out")
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        makers: dict[str, Callable[[], BaseStorage | None]] = {
            "memory": lambda: None,
            "sqlite": lambda: optuna.storages.get_storage(f"sqlite:///{folder}/study.db"),
            "journal": lambda: JournalStorage(JournalFileBackend(f"{folder}/study.log")),
        }
        print(f"{arguments.finished} finished trials; median ms per trial, wall (CPU)")
        print(f"{'storage':10}{'POPNAS':>18}{'NSGA-II':>18}{'Random':>18}{'POPNAS / NSGA-II':>20}")
        for kind in arguments.storage:
            storage = makers[kind]()
            studies = [prepared(storage, make, arguments.finished) for make in SAMPLERS]
            figures = measure(studies, arguments.trials)
            cells = "".join(f"{wall:10.1f} ({cpu:5.1f})" for wall, cpu in figures)
            print(f"{kind:10}{cells}{figures[0][0] / figures[1][0]:20.2f}")


if __name__ == "__main__":
    main()
