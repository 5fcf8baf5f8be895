"""Learning rates of a training (Sec. 6.1, appendix B)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.schedule import learning_rates
from optuna_popnas.training.schedule import wasted_epochs


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


def tensorflow(step: int, first: int, t_mul: float, m_mul: float, alpha: float) -> float:
    """``CosineDecayRestarts`` as TensorFlow documents it, with an initial rate of 1."""
    completed = step / first
    if t_mul == 1:
        restart: float = math.floor(completed)
        fraction = completed - restart
    else:
        restart = math.floor(math.log(1 - completed * (1 - t_mul) + 1e-12) / math.log(t_mul))
        before = (1 - t_mul**restart) / (1 - t_mul)
        fraction = (completed - before) / t_mul**restart
    cosine = 0.5 * m_mul**restart * (1 + math.cos(math.pi * fraction))
    return (1 - alpha) * cosine + alpha


@pytest.mark.parametrize("t_mul", [1.0, 2.0, 1.5])
@pytest.mark.parametrize("m_mul, alpha", [(1.0, 0.0), (0.5, 0.1), (0.9, 0.01)])
def test_restarts_are_those_of_tensorflow(t_mul: float, m_mul: float, alpha: float) -> None:
    config = TrainingConfig(
        epochs=12,
        learning_rate=1.0,
        restart_epochs=2,
        restart_factor=t_mul,
        restart_decay=m_mul,
        final_learning_rate=alpha,
    )
    expected = [tensorflow(step, 10, t_mul, m_mul, alpha) for step in range(60)]
    np.testing.assert_allclose(learning_rates(config, 5), expected, rtol=1e-6)


def test_warm_up() -> None:
    rates = learning_rates(TrainingConfig(epochs=5, warmup_epochs=2), 10)
    np.testing.assert_allclose(np.diff(rates[:20]), 0.01 / 21)
    np.testing.assert_allclose(rates[20:], learning_rates(TrainingConfig(epochs=3), 10))


@pytest.mark.parametrize(
    "settings, words",
    [
        ({"epochs": 21}, None),
        ({"epochs": 9}, None),
        ({"epochs": 12}, "end after 3, 9, 21 epochs, but the training after 12, .* Use 9 or 21 "),
        ({"epochs": 2}, "Use 3 epochs"),
        ({"epochs": 12, "fit_periods": True}, None),
        ({"epochs": 12, "restart_epochs": None}, None),
        ({"epochs": 254, "restart_epochs": 2}, None),
        ({"epochs": 5, "warmup_epochs": 2}, None),
        ({"epochs": 9, "warmup_epochs": 2}, "Use 5 or 11 epochs"),
    ],
)
def test_epochs_that_end_inside_a_period(settings: dict[str, Any], words: str | None) -> None:
    found = wasted_epochs(TrainingConfig(**settings))
    if words is None:
        assert found is None
    else:
        import re

        assert found is not None and re.search(words, found)


@pytest.mark.parametrize("epochs, restarts", [(12, 1), (13, 1), (15, 2), (30, 2), (2, 0)])
def test_periods_can_be_fitted_to_the_training(epochs: int, restarts: int) -> None:
    rates = learning_rates(TrainingConfig(epochs=epochs, fit_periods=True), 50)
    assert np.sum(np.diff(rates) > 0) == restarts
    assert rates[-1] < 1e-4
