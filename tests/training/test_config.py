"""Settings of a training and the schedule of its learning rate (Sec. 6.1)."""

from __future__ import annotations

import math
from typing import Any

import pytest

from optuna_popnas import load_dataset
from optuna_popnas import SearchSpace
from optuna_popnas import TrainingObjective
from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig
from tests.training.configs import configs


def test_defaults_are_those_of_the_thesis() -> None:
    config = TrainingConfig()
    assert (config.epochs, config.batch_size, config.learning_rate) == (21, 128, 0.01)
    assert (config.optimizer, config.weight_decay) == ("adamw", 0.05)
    assert (config.restart_epochs, config.restart_factor) == (3, 2.0)
    assert (config.for_data(True).flip, config.translation) == (True, 0.125)


@pytest.mark.parametrize(
    "name, value, text",
    [
        ("epochs", 0, "`epochs` must be an integer of at least 1, but got 0."),
        ("epochs", True, "`epochs` must be an integer of at least 1, but got True."),
        ("batch_size", 1.5, "`batch_size` must be an integer"),
        ("learning_rate", 0.0, "`learning_rate` must be a number greater than 0, but got 0.0."),
        ("learning_rate", math.nan, "`learning_rate` must be a number greater than 0"),
        ("weight_decay", -1, "`weight_decay` must be a number at least 0, but got -1."),
        ("optimizer", "sgd", "`optimizer` must be one of 'adamw', 'l2', but got 'sgd'."),
        ("translation", 1.1, "`translation` must be a number at least 0 and at most 1"),
        ("ema_decay", 1.0, "`ema_decay` must be a number at least 0 and below 1, but got 1.0."),
        ("metric", "auc", "`metric` must be one of"),
        ("precision", "int8", "`precision` must be one of"),
        ("class_weights", "even", "`class_weights` must be None"),
        ("class_weights", (1.0, -1.0), "`class_weights` must be None"),
        ("class_weights", (), "`class_weights` must be None"),
        ("flip", 1, "`flip` must be True or False, but got 1."),
        ("restart_epochs", 0, "`restart_epochs` must be an integer of at least 1"),
        ("warmup_epochs", 21, "`warmup_epochs` must be below `epochs`, 21, but got 21."),
        ("mixup", -0.1, "`mixup` must be a number at least 0"),
        ("rand_augment", -1, "`rand_augment` must be an integer of at least 0"),
        ("fit_periods", 1, "`fit_periods` must be True or False"),
        ("readers", -1, "`readers` must be an integer of at least 0"),
    ],
)
def test_bad_settings(name: str, value: Any, text: str) -> None:
    with pytest.raises(ValueError) as error:
        configs(**{name: value})
    assert str(error.value).startswith(text)
    assert "\n" not in str(error.value)


def test_compile_and_graphs_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="must not both be set"):
        MachineConfig(compile=True, cuda_graphs=True)


def test_json_values_and_back() -> None:
    config = TrainingConfig(epochs=3, class_weights=(1.0, 2.0))
    values = config.to_dict()
    assert values["class_weights"] == [1.0, 2.0]
    assert TrainingConfig.from_dict(values) == config
    with pytest.raises(ValueError, match="but got 'epoch'"):
        TrainingConfig.from_dict({"epoch": 3})


def test_settings_of_older_versions_are_read() -> None:
    """Machine settings were once stored with what is trained."""
    values = {"epochs": 9, "threads": 4, "kernels": "auto", "layout": "auto", "readers": None}
    assert TrainingConfig.from_dict(values) == TrainingConfig(epochs=9)


def test_settings_of_the_machine_among_those_of_the_training() -> None:
    """Scripts of the first version, which had them there, ended with a TypeError."""
    with pytest.warns(
        FutureWarning, match=r"Pass `machine=MachineConfig\(threads=2, readers=0\)`"
    ):
        config = TrainingConfig(epochs=9, threads=2, readers=0)  # type: ignore[call-arg]
    assert config == TrainingConfig(epochs=9)
    assert config.machine == MachineConfig(threads=2, readers=0)
    data = load_dataset("digits", samples=40)
    assert (
        TrainingObjective(SearchSpace(["identity"], 1), data, training=config).machine.readers == 0
    )
    with pytest.warns(FutureWarning), pytest.raises(ValueError, match="`threads` must be an int"):
        TrainingConfig(threads=0)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "settings, steps_per_epoch, expected",
    [
        ({"epochs": 9}, 111, "epoch"),
        ({"epochs": 10}, 100, "running"),
        ({"epochs": 9, "batch_norm": "running"}, 1, "running"),
        ({"epochs": 900, "batch_norm": "epoch"}, 100, "epoch"),
    ],
)
def test_averages_of_normalisation_by_the_number_of_steps(
    settings: dict[str, Any], steps_per_epoch: int, expected: str
) -> None:
    assert TrainingConfig(**settings).norms(steps_per_epoch) == expected
