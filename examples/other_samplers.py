"""The same space and objective under TPE, compared with POPNAS.

``space.suggest`` works with every sampler of Optuna, so nothing but the sampler changes. Writes
comparison.html.
"""

import math

import optuna

import optuna_popnas as popnas
from optuna_popnas.visualization import plot_comparison


def train(cell: popnas.Cell) -> tuple[float, float]:
    """Stand in for a training: made-up accuracy and seconds."""
    cost = {"identity": 0.1, "3x3 dconv": 0.5, "3x3 conv": 1.0, "5x5 conv": 2.5}
    work = sum(cost[operator] for operator in cell.operators) / max(len(cell), 1) ** 0.5
    depth = len(cell) - len(cell.outputs)
    return 1 - 0.9 * math.exp(-work - 0.4 * depth), 0.5 + work + 0.2 * len(cell.outputs)


space = popnas.SearchSpace(
    operators=["identity", "3x3 dconv", "3x3 conv", "5x5 conv"], max_blocks=3
)


def objective(trial: optuna.Trial) -> tuple[float, float]:
    return train(space.suggest(trial))


optuna.logging.set_verbosity(optuna.logging.WARNING)
directions = ["maximize", "minimize"]
sampler = popnas.POPNASSampler(space, budget_seconds=150, seed=0)
by_popnas = optuna.create_study(directions=directions, sampler=sampler)
by_popnas.optimize(objective)

by_tpe = optuna.create_study(directions=directions, sampler=optuna.samplers.TPESampler(seed=0))
by_tpe.optimize(objective, n_trials=len(by_popnas.trials))

plot_comparison({"POPNAS": by_popnas, "TPE": by_tpe}).write_html("comparison.html")
for name, study in (("POPNAS", by_popnas), ("TPE", by_tpe)):
    best = max(trial.values[0] for trial in study.best_trials)
    print(f"{name}: {len(study.trials)} cells, best accuracy {best:.4f}")
