"""Settings of a training and the schedule of its learning rate (Sec. 6.1)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from optuna_popnas.training.config import learning_rates
from optuna_popnas.training.config import TrainingConfig


def test_defaults_are_those_of_the_thesis() -> None:
    config = TrainingConfig()
    assert (config.epochs, config.batch_size, config.learning_rate) == (21, 128, 0.01)
    assert (config.optimizer, config.weight_decay) == ("adamw", 0.05)
    assert (config.restart_epochs, config.restart_factor) == (3, 2.0)
    assert (config.flip, config.translation) == (True, 0.125)


@pytest.mark.parametrize("steps", [1, 7])
def test_learning_rates_restart_after_3_and_9_of_21_epochs(steps: int) -> None:
    rates = learning_rates(TrainingConfig(), steps)
    assert rates.shape == (21 * steps,)
    expected = []
    for step in range(21 * steps):
        epoch = step / steps
        start, length = next((s, n) for s, n in ((0, 3), (3, 6), (9, 12)) if epoch < s + n)
        expected.append(0.01 * 0.5 * (1 + math.cos(math.pi * (epoch - start) / length)))
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


def test_learning_rates_options() -> None:
    constant = learning_rates(TrainingConfig(restart_epochs=None, epochs=4), 5)
    np.testing.assert_array_equal(constant, np.full(20, 0.01))
    config = TrainingConfig(
        epochs=4, restart_epochs=1, restart_factor=1.0, restart_decay=0.5, final_learning_rate=0.1
    )
    rates = learning_rates(config, 100)
    np.testing.assert_allclose(rates[::100], [0.01, 0.005, 0.0025, 0.00125])
    assert rates[99] == pytest.approx(0.001, rel=0.01)
    assert rates.min() > 0.1 * 0.00125


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
        ("readers", -1, "`readers` must be an integer of at least 0"),
    ],
)
def test_bad_settings(name: str, value: Any, text: str) -> None:
    with pytest.raises(ValueError) as error:
        TrainingConfig(**{name: value})
    assert str(error.value).startswith(text)
    assert "\n" not in str(error.value)


def test_compile_and_graphs_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="must not both be set"):
        TrainingConfig(compile=True, cuda_graphs=True)


def test_json_values_and_back() -> None:
    config = TrainingConfig(epochs=3, class_weights=(1.0, 2.0))
    values = config.to_dict()
    assert values["class_weights"] == [1.0, 2.0]
    assert TrainingConfig.from_dict(values) == config
    with pytest.raises(ValueError, match="but got 'epoch'"):
        TrainingConfig.from_dict({"epoch": 3})
