"""Train the front of a study again with fresh seeds: how much of its accuracy is luck."""

from __future__ import annotations

from collections.abc import Callable

import optuna

from optuna_popnas.objective.training_objective import TrainingObjective
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.view import CONFIRMED
from optuna_popnas.study.view import view_study


# Far from the seeds of a search, which trains stacks with the seeds after its own.
_FIRST_SEED = 10_000


def confirm(
    study: optuna.Study,
    objective: TrainingObjective,
    *,
    seeds: int = 3,
    cells: int | None = None,
    on_training: Callable[[TrialRecord, float, int, int], None] | None = None,
) -> dict[int, tuple[float, ...]]:
    """Train the cells of the front again, each with fresh seeds.

    The accuracies are kept on the study after each training, so that the same call goes on after
    an interruption; :func:`~optuna_popnas.select` and the report use them from then on. All
    cells are trained with one seed before the next seed begins.

    Args:
        study: A finished or running study.
        objective: What trained its cells, with the same data and settings.
        seeds: Fresh trainings of each cell.
        cells: Only so many of the front, the most accurate ones.
        on_training: Called after each training with the trial, the new accuracy, the number of
            trainings done and the number of all.

    Returns:
        The fresh accuracies by the trial's number.

    Raises:
        ValueError: ``seeds`` or ``cells`` is less than 1, or nothing has been trained yet.
    """
    for name, value in (("seeds", seeds), ("cells", cells)):
        if value is not None and value < 1:
            raise ValueError(f"`{name}` must be at least 1, but got {value}.")
    view = view_study(study)
    front = [trial for trial in view.front if trial.feasible and trial.cell is not None][:cells]
    if not front:
        raise ValueError(
            f"A study must have a finished trial to confirm, but {view.study_name!r} has none. "
            "Run the search first."
        )
    known = {number: list(values) for number, values in view.confirmed.items()}
    done = 0
    for index in range(seeds):
        for trial in front:
            done += 1
            values = known.setdefault(trial.number, [])
            if len(values) > index or trial.cell is None:
                continue
            seed = objective.seed + _FIRST_SEED + 100 * index
            values.append(objective.train(trial.cell, seed=seed).accuracy)
            study.set_user_attr(CONFIRMED, {str(number): known[number] for number in known})
            if on_training is not None:
                on_training(trial, values[-1], done, seeds * len(front))
    return {trial.number: tuple(known[trial.number]) for trial in front}
