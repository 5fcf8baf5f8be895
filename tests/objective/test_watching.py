"""Ending hopeless trainings early, by the library's objective and in loops of users."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
from optuna.trial import create_trial
from optuna.trial import TrialState
import pytest

from optuna_popnas import Cell
from optuna_popnas import NetworkConfig
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas import TrainingConfig
from optuna_popnas import TrainingObjective
from optuna_popnas import Watch
from optuna_popnas.objective.agreement import mode_of
from optuna_popnas.objective.recording import read_settings
from optuna_popnas.training import load_dataset
from optuna_popnas.training import load_model


SPACE = SearchSpace(("identity", "3x3 conv"), max_blocks=1)


def study_with(curves: list[list[float]], seconds: float = 1e-9, **arguments: Any) -> optuna.Study:
    """Return a study whose cells took next to no time."""
    study = optuna.create_study(directions=["maximize", "minimize"], **arguments)
    for curve in curves:
        study.add_trial(
            create_trial(
                values=[max(curve), seconds], user_attrs={"learning_curve": curve}, params={}
            )
        )
    return study


RISING = [[0.4 + 0.01 * i, 0.7 + 0.01 * i, 0.9 + 0.001 * i] for i in range(15)]


def test_a_loop_of_ones_own() -> None:
    study = study_with(RISING)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        SPACE.suggest(trial)
        watch = SPACE.watch(trial)  # type: ignore[attr-defined]
        for epoch in (1, 2, 3):
            if watch(epoch, 0.1 + 0.01 * epoch):
                raise optuna.TrialPruned
        return 0.13, 1.0

    study.optimize(objective, n_trials=1)
    trial = study.trials[-1]
    assert trial.state == TrialState.PRUNED
    assert trial.user_attrs["stopped"] == 1
    assert trial.user_attrs["learning_curve"] == [0.11]
    assert trial.user_attrs["seconds"] >= 0
    assert 0.1 < trial.user_attrs["expected_accuracy"] < 0.9
    assert trial.values is None and trial.number not in {t.number for t in study.best_trials}


def test_a_good_training_ends_with_its_curve_on_the_trial() -> None:
    study = study_with(RISING, seconds=1e9)
    trial = study.ask()
    watch = Watch(trial, 3)
    assert [watch(epoch, 0.2) for epoch in (1, 2, 3)] == [False] * 3
    assert study.trials[-1].user_attrs == {"learning_curve": [0.2, 0.2, 0.2]}


def test_cells_over_a_limit_are_no_rivals() -> None:
    study = optuna.create_study(directions=["maximize", "minimize"])
    for curve in RISING:
        trial = study.ask()
        trial.set_user_attr("learning_curve", curve)
        trial.set_constraint("parameters", 1.0)
        study.tell(trial, [max(curve), 1e-9])
    assert not Watch(study.ask(), 3)(1, 0.01)


def test_costs_that_are_not_known_stop_nothing() -> None:
    study = optuna.create_study(directions=["maximize", "minimize", "minimize"])
    for curve in RISING:
        attributes = {"learning_curve": curve}
        study.add_trial(create_trial(values=[max(curve), 0.0, 5.0], user_attrs=attributes))
    assert not Watch(study.ask(), 3)(1, 0.01)
    assert Watch(study.ask(), 3, costs=[6.0])(1, 0.01)


def test_the_librarys_objective(tmp_path: Path) -> None:
    study = study_with([[*curve[:2], curve[2]] for curve in RISING])
    objective = TrainingObjective(
        SPACE,
        "digits",
        network=NetworkConfig(motifs=2, normal_cells=1, filters=4),
        training=TrainingConfig(epochs=3, flip=False),
        device="cpu",
        stop_early=True,
        keep_models=tmp_path,
    )
    cell = {"b0_in1": -2, "b0_op1": "identity", "b0_in2": -2, "b0_op2": "identity"}
    study.enqueue_trial({"blocks": 1, **cell})
    study.optimize(objective, n_trials=1)
    trial = study.trials[-1]
    assert trial.state == TrialState.PRUNED
    facts = trial.user_attrs
    epoch = facts["stopped"]
    assert epoch == len(facts["learning_curve"]) < 3
    assert facts["seconds"] == pytest.approx(3 / epoch * facts["time_parts"]["train_seconds"])
    assert facts["reason"].startswith(f"Ended after epoch {epoch} of 3: its curve leads to 0.")
    assert not list(tmp_path.iterdir())  # nothing worth keeping


def test_the_best_network_of_each_number_of_blocks_is_kept(tmp_path: Path) -> None:
    training = TrainingConfig(epochs=1, flip=False)
    network = NetworkConfig(motifs=1, normal_cells=1, filters=2, stem="none")
    objective = TrainingObjective(
        SPACE, "digits", network=network, training=training, device="cpu", keep_models=tmp_path
    )
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(objective, n_trials=5)
    best: dict[int, optuna.trial.FrozenTrial] = {}
    for trial in study.trials:
        blocks = trial.params["blocks"]
        if blocks not in best or trial.values[0] > best[blocks].values[0]:
            best[blocks] = trial
    names = {f"blocks{blocks}.{kind}" for blocks in best for kind in ("json", "safetensors")}
    assert {path.name for path in tmp_path.iterdir()} == names
    for blocks, trial in best.items():
        model = load_model(tmp_path, name=f"blocks{blocks}")
        assert model.figures["trial"] == trial.number
        assert model.cell == Cell.parse(trial.user_attrs["cell"])
        assert read_settings(trial.user_attrs) == (network, training)


@pytest.mark.parametrize(("mode", "state"), [("adaptive", "PRUNED"), ("popnas", "COMPLETE")])
def test_only_the_adaptive_mode_asks_for_it(mode: str, state: str) -> None:
    study = study_with(RISING, sampler=POPNASSampler(SPACE, mode=mode, seed=0))  # type: ignore[arg-type]
    objective = TrainingObjective(
        SPACE,
        load_dataset("digits", samples=60),
        network=NetworkConfig(motifs=1, normal_cells=1, filters=2),
        training=TrainingConfig(epochs=3, batch_norm="epoch"),
        device="cpu",
    )
    trial = study.ask()
    assert mode_of(trial) == mode
    study.enqueue_trial(Cell().params())
    study.optimize(objective, n_trials=1)
    assert study.trials[-1].state.name == state
    assert mode_of(optuna.trial.FixedTrial({})) is None
