"""Final trainings from a study, a trial and a cell."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest

import optuna_popnas as popnas
from optuna_popnas.objective import final
from optuna_popnas.training.retraining import RetrainEpoch


SPACE = popnas.SearchSpace(("identity", "3x3 conv"), max_blocks=1)
NETWORK = popnas.NetworkConfig(motifs=1, normal_cells=1, filters=2, stem="none")
TRAINING = popnas.TrainingConfig(epochs=3, flip=False, learning_rate=0.02, batch_size=64)
FINAL = replace(TRAINING, epochs=254, restart_epochs=2)


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    data = popnas.load_dataset("digits", samples=200)
    objective = popnas.TrainingObjective(
        SPACE, data, network=NETWORK, training=TRAINING, device="cpu"
    )
    made = optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=1)
    )
    made.optimize(objective, n_trials=4)
    return made


@pytest.fixture()
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would be trained, instead of 254 epochs."""
    seen: list[Any] = []

    def note(cells: Any, data: Any, **options: Any) -> None:
        seen.append((cells, data, options))

    monkeypatch.setattr(final, "retrain_best", note)
    return seen


def test_settings_of_the_search_are_kept(study: optuna.Study, calls: list[Any]) -> None:
    """Fell back to the defaults in silence: another flip, another learning rate."""
    chosen = popnas.select(study, "accuracy")
    for source in (study, chosen, study.trials[chosen.number]):
        popnas.retrain(source, "digits")
        ((cell,), data, options) = calls.pop()
        assert cell == chosen.cell
        assert data.name == "digits"
        assert callable(options.pop("on_epoch"))
        assert options == {"network": NETWORK, "training": FINAL}


def test_a_cell_alone_is_trained_as_in_the_thesis(calls: list[Any]) -> None:
    seen: list[RetrainEpoch] = []
    popnas.retrain(popnas.Cell(), "digits", folder="there", on_epoch=seen.append)
    (_, _, options) = calls.pop()
    epoch = RetrainEpoch(1, 254, 1.0, 0.5, 0.5, 1.0)
    options.pop("on_epoch")(epoch)
    assert seen == [epoch]
    training = replace(popnas.TrainingConfig(), epochs=254, restart_epochs=2)
    expected = {"network": popnas.NetworkConfig(), "training": training, "folder": "there"}
    assert options == expected


def test_several_candidates(study: optuna.Study, calls: list[Any]) -> None:
    popnas.retrain(study, "digits", select="fastest", candidates=3)
    cells = calls.pop()[0]
    assert cells[0] == popnas.select(study, "fastest").cell
    assert 1 < len(cells) == len(set(cells)) <= 3


def test_data_of_a_search_from_the_command_line(study: optuna.Study, calls: list[Any]) -> None:
    with pytest.raises(ValueError, match="`data` must be given"):
        popnas.retrain(study)
    settings = {"data": {"source": "digits", "samples": 150}, "seed": 3}
    study.set_user_attr("settings", settings)
    popnas.retrain(study)
    assert len(calls.pop()[1].labels) == 150


def test_hours_choose_the_epochs(study: optuna.Study, calls: list[Any]) -> None:
    popnas.retrain(study, "digits", hours=1e-6)
    assert calls.pop()[2]["training"].epochs == 2


def test_trials_that_say_nothing_of_their_settings(
    study: optuna.Study, calls: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    optuna.logging.enable_propagation()
    silent = optuna.trial.create_trial(values=[0.5, 1.0], user_attrs={"cell": "[]"})
    popnas.retrain(silent, "digits")
    optuna.logging.disable_propagation()
    assert "the thesis' settings are used" in caplog.text
    assert calls.pop()[2]["network"] == popnas.NetworkConfig()


def test_bad_sources(study: optuna.Study) -> None:
    with pytest.raises(ValueError, match="must be a cell, a study or a trial with a cell"):
        popnas.retrain("photos", "digits")
    with pytest.raises(ValueError, match="`candidates` must be at least 1"):
        popnas.retrain(study, "digits", candidates=0)


def test_from_study_to_model(study: optuna.Study, tmp_path: Path) -> None:
    training = replace(TRAINING, epochs=1)
    model = popnas.retrain(
        study, "digits", training=training, folder=tmp_path, machine=popnas.MachineConfig()
    )
    assert model.cell == popnas.select(study).cell
    assert model.network.config == NETWORK
