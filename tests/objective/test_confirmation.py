"""The front again with fresh seeds: kept, gone on with, chosen by."""

from __future__ import annotations

import optuna
import pytest

from optuna_popnas import NetworkConfig
from optuna_popnas import SearchSpace
from optuna_popnas import select
from optuna_popnas import TrainingConfig
from optuna_popnas import TrainingObjective
from optuna_popnas.objective import confirm
from optuna_popnas.study import view_study
from optuna_popnas.training.data.load import load_dataset


@pytest.fixture(scope="module")
def objective() -> TrainingObjective:
    return TrainingObjective(
        SearchSpace(("identity", "3x3 conv"), max_blocks=1),
        load_dataset("digits", samples=300),
        network=NetworkConfig(motifs=1, normal_cells=1, filters=4),
        training=TrainingConfig(epochs=1, batch_norm="epoch"),
        device="cpu",
    )


@pytest.fixture
def study(objective: TrainingObjective) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(objective, n_trials=6)
    return study


def test_fresh_trainings_are_kept_and_chosen_by(
    study: optuna.Study, objective: TrainingObjective
) -> None:
    front = view_study(study).front
    fresh = confirm(study, objective, seeds=2)
    assert list(fresh) == [trial.number for trial in front]
    assert all(len(values) == 2 for values in fresh.values())
    view = view_study(study)
    assert dict(view.confirmed) == fresh
    best = select(study)
    assert view.expected(best) == max(sum(values) / 2 for values in fresh.values())


def test_an_interruption_loses_one_training(
    study: optuna.Study, objective: TrainingObjective
) -> None:
    count = len(view_study(study).front)

    def interrupt(trial: object, accuracy: float, done: int, total: int) -> None:
        assert total == 2 * count
        if done == count + 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        confirm(study, objective, seeds=2, on_training=interrupt)
    before = view_study(study).confirmed
    assert sum(map(len, before.values())) == count + 1
    trained = []
    fresh = confirm(study, objective, seeds=2, on_training=lambda *told: trained.append(told))
    assert len(trained) == count - 1
    assert all(fresh[number][: len(values)] == values for number, values in before.items())


def test_wrong_numbers(study: optuna.Study, objective: TrainingObjective) -> None:
    with pytest.raises(ValueError, match="`seeds` must be at least 1, but got 0"):
        confirm(study, objective, seeds=0)
    empty = optuna.create_study(directions=["maximize", "minimize"])
    with pytest.raises(ValueError, match="has none. Run the search first"):
        confirm(empty, objective)
