"""Search cells with made-up accuracies and seconds; your training goes into `objective`."""

import math

import optuna
import optunahub


module = optunahub.load_module(package="samplers/popnas")
space = module.SearchSpace(operators=["identity", "3x3 dconv", "3x3 conv"], max_blocks=2)
COSTS = {"identity": 0.1, "3x3 dconv": 0.5, "3x3 conv": 1.0}


def objective(trial: optuna.Trial) -> tuple[float, float]:
    cell = space.suggest(trial)
    work = sum(COSTS[operator] for operator in cell.operators)
    return 1 - 0.9 * math.exp(-math.sqrt(work)), 0.5 + work  # accuracy, seconds


study = optuna.create_study(
    directions=["maximize", "minimize"],
    sampler=module.POPNASSampler(space, budget_seconds=60, seed=0),
)
study.optimize(objective)
print(f"{len(study.best_trials)} of {len(study.trials)} cells are on the Pareto front.")
