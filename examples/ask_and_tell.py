"""Ask for a cell, train it wherever you like, tell the result."""

import math

import optuna

import optuna_popnas as popnas
from optuna_popnas.sampler import SearchEnded
from optuna_popnas.study import front
from optuna_popnas.study import view_study


def train_somewhere(cell: popnas.Cell) -> tuple[float, float]:
    """Stand in for a training: made-up accuracy and seconds."""
    cost = {"identity": 0.1, "3x3 dconv": 0.5, "3x3 conv": 1.0, "5x5 conv": 2.5}
    work = sum(cost[operator] for operator in cell.operators)
    quality = work**0.5 + 0.5 * (len(cell) - len(cell.outputs)) + 0.2 * len(set(cell.operators))
    return 1 - 0.9 * math.exp(-quality), 0.5 + work


space = popnas.SearchSpace(
    operators=["identity", "3x3 dconv", "3x3 conv", "5x5 conv"], max_blocks=2
)
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    directions=["maximize", "minimize"],
    sampler=popnas.POPNASSampler(space, budget_seconds=100, seed=0),
)
while True:
    trial = study.ask()
    try:
        cell = space.suggest(trial)
    except SearchEnded:  # the budget is spent
        break
    study.tell(trial, train_somewhere(cell))

trials = view_study(study).trials
print(f"{len(front(trials))} of {len(trials)} cells are on the front; the best one:")
print(front(trials)[0].cell)
