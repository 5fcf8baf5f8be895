"""A whole search in a few lines: scikit-learn's digits, cells of up to two blocks.

Run it again and it says at once that nothing is left to do: the study is in digits.db.
"""

import optuna

import optuna_popnas as popnas
from optuna_popnas.study import front
from optuna_popnas.study import view_study


space = popnas.SearchSpace(operators=["identity", "3x3 dconv", "3x3 conv"], max_blocks=2)
objective = popnas.TrainingObjective(
    space,
    popnas.load_dataset("digits"),
    network=popnas.NetworkConfig(motifs=2, normal_cells=1, filters=8),
    training=popnas.TrainingConfig(epochs=3, flip=False),
)
study = optuna.create_study(
    study_name="digits",
    storage="sqlite:///digits.db",
    load_if_exists=True,
    directions=["maximize", "minimize"],
    sampler=popnas.POPNASSampler(space, budget_seconds=20, seed=0),
)
study.optimize(objective)  # ends by itself when 20 seconds of training are spent

for trial in front(view_study(study).trials):
    print(f"accuracy {trial.accuracy:.3f}, {trial.seconds:.2f} s: {trial.cell}")
