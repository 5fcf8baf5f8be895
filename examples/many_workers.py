"""Several processes on one study, without any help from outside.

On several machines start the same script on each of them, with a storage that all can reach,
such as PostgreSQL. A worker can be killed at any moment: the others train its cell.
"""

import multiprocessing
import os

import optuna

import optuna_popnas as popnas
from optuna_popnas.study import view_study


STORAGE = "sqlite:///many_workers.db"


def work(number: int) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = popnas.SearchSpace(operators=["identity", "3x3 dconv", "3x3 conv"], max_blocks=2)
    objective = popnas.TrainingObjective(
        space,
        popnas.load_dataset("digits", samples=600),
        network=popnas.NetworkConfig(motifs=2, normal_cells=1, filters=8),
        training=popnas.TrainingConfig(epochs=3, flip=False),
    )
    study = optuna.create_study(
        study_name="digits",
        storage=STORAGE,
        load_if_exists=True,
        directions=["maximize", "minimize"],
        sampler=popnas.POPNASSampler(space, budget_seconds=10, seed=0),
    )
    study.optimize(objective)
    mine = [
        trial
        for trial in view_study(study).trials
        if trial.is_valid and str(trial.worker).endswith(f":{os.getpid()}")
    ]
    print(f"worker {number} trained {len(mine)} cells")


if __name__ == "__main__":
    # A fresh interpreter for each worker: forks and threads do not mix.
    context = multiprocessing.get_context("spawn")
    # Create the tables before the workers race for it.
    optuna.storages.get_storage(STORAGE)
    workers = [context.Process(target=work, args=(number,)) for number in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(worker.exitcode == 0 for worker in workers)
