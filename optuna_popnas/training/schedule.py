"""Learning rates of a training: cosine periods with warm restarts (Sec. 6.1, appendix B)."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from optuna_popnas.training.config import TrainingConfig


def learning_rates(config: TrainingConfig, steps_per_epoch: int) -> npt.NDArray[np.float64]:
    """Return the learning rate of every step.

    The rate falls within each period as half a cosine; the first period lasts
    ``restart_epochs`` epochs, each other ``restart_factor`` times the one before. In the i-th
    period the rate is ``learning_rate * ((1 - alpha) * m ** i * cosine + alpha)``, as in
    TensorFlow's ``CosineDecayRestarts``, with ``m`` = ``restart_decay`` and ``alpha`` =
    ``final_learning_rate``.

    Returns:
        ``(epochs * steps_per_epoch,)`` array.
    """
    warm = config.warmup_epochs * steps_per_epoch
    steps = config.epochs * steps_per_epoch - warm
    rising = config.learning_rate * (np.arange(warm) + 1) / (warm + 1)
    if config.restart_epochs is None:
        return np.concatenate([rising, np.full(steps, config.learning_rate)])
    rates = np.empty(steps)
    start, length, peak = 0.0, config.restart_epochs * _stretch(config) * steps_per_epoch, 1.0
    step = np.arange(steps, dtype=np.float64)
    low = config.final_learning_rate
    while start < steps - 1e-6:
        inside = (step >= start) & (step < start + length)
        cosine = 0.5 * (1.0 + np.cos(np.pi * (step[inside] - start) / length))
        rates[inside] = config.learning_rate * ((1.0 - low) * peak * cosine + low)
        start += length
        length *= config.restart_factor
        peak *= config.restart_decay
    return np.concatenate([rising, rates])


def period_ends(config: TrainingConfig, until: float) -> list[float]:
    """Return after how many epochs cosine periods end, up to the first not below ``until``.

    With ``restart_epochs=None`` there are none.
    """
    if config.restart_epochs is None:
        return []
    end, length = float(config.warmup_epochs), float(config.restart_epochs)
    ends: list[float] = []
    while not ends or ends[-1] < until - 1e-6:
        end += length
        length *= config.restart_factor
        ends.append(end)
    return ends


def wasted_epochs(config: TrainingConfig) -> str | None:
    """Say so if the training ends inside a cosine period, else return None.

    The epochs after the last end of a period are paid for nothing: the learning rate is high
    again, and the accuracy lower than it was.
    """
    ends = [int(end + 1e-6) for end in period_ends(config, config.epochs)]
    if not ends or config.epochs in ends or config.fit_periods:
        return None
    lower = [end for end in ends if end < config.epochs][-1:]
    good = " or ".join(str(end) for end in (*lower, ends[-1]))
    return (
        f"Cosine periods end after {', '.join(map(str, ends))} epochs, but the training after "
        f"{config.epochs}, at a high learning rate. Use {good} epochs, or fit_periods=True."
    )


def _stretch(config: TrainingConfig) -> float:
    """Return the factor that makes the period nearest to the training's end meet it."""
    if not config.fit_periods:
        return 1.0
    epochs = config.epochs - config.warmup_epochs
    ends = [end - config.warmup_epochs for end in period_ends(config, config.epochs)]
    nearest = min(ends, key=lambda end: abs(math.log(end / epochs)))
    return epochs / nearest
