"""How a network is trained (Sec. 6.1 and appendix B of the thesis); loads without PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import fields
import math
from typing import Any

import numpy as np
import numpy.typing as npt


OPTIMIZERS = ("adamw", "l2")
METRICS = ("accuracy", "macro_f1")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
LAYOUTS = ("auto", "channels_last", "contiguous")
NORMS = ("running", "epoch")


@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training. The defaults are those of the thesis' experiments (Sec. 6.1).

    Args:
        epochs: Passes over the training images (E).
        batch_size: The largest number of images in a batch. An epoch is cut into the fewest
            batches that respect it, all of the same size.
        learning_rate: The learning rate at the start of each cosine period.
        optimizer: ``"adamw"`` (decoupled weight decay) or ``"l2"`` (Adam, and ``weight_decay``
            times the weights is added to the gradient).
        weight_decay: Factor of either. AdamW of PyTorch multiplies it by the learning rate: 0.05
            here is the thesis' 5e-4. A Keras L2 factor of x is 2 x here.
        restart_epochs: Length of the first cosine period in epochs (T0); None keeps the
            learning rate constant.
        restart_factor: How many times longer each period is than the one before (Tmul).
        restart_decay: The learning rate at a restart, relative to that of the restart before.
        final_learning_rate: Learning rate at the end of a period, relative to its start.
        flip: Mirror half of the training images, left to right.
        translation: Shift training images by up to this part of their height and width.
        crop: Pad training images by this many pixels and cut a random window of the old size.
        cutout: Side, in pixels, of a square set to zero in each training image; 0 for none.
        label_smoothing: Part of the target spread evenly over all classes.
        class_weights: Weights of the classes in the loss, or ``"balanced"``: inversely
            proportional to how often they occur.
        metric: What is measured on validation images: ``"accuracy"`` or ``"macro_f1"``.
        folds: Trainings per cell, each with other validation images; results are averaged.
        seeds: Networks per cell, of other seeds, trained together as one stacked network;
            accuracy is their mean, its standard error is recorded.
        batch_norm: What validation uses: ``"running"`` averages (momentum 0.01), or the averages
            over the last ``"epoch"`` alone. The latter suits trainings of a few hundred steps,
            in which running averages still hold their initial values.
        ema_decay: What validation uses: 0 the weights as they are, else their exponential moving
            average with this decay per step.
        precision: ``"float32"``, or CUDA autocast to ``"bfloat16"`` or ``"float16"``.
            ``"auto"`` is bfloat16 where the GPU computes with it and float32 elsewhere.
        layout: Memory layout of images, ``"channels_last"`` or ``"contiguous"``; ``"auto"``
            takes what is faster on the device.
        compile: Compile the network with ``torch.compile``. Pays for long trainings only.
        cuda_graphs: On CUDA, replay each training step as one graph.
        threads: Threads per training on a CPU; None leaves PyTorch's setting as it is.
        readers: Processes that read images which do not fit in memory; None: one less than
            there are cores, 0: the training reads them itself.

    Raises:
        ValueError: A value is out of its range.
    """

    epochs: int = 21
    batch_size: int = 128
    learning_rate: float = 0.01
    optimizer: str = "adamw"
    weight_decay: float = 0.05
    restart_epochs: int | None = 3
    restart_factor: float = 2.0
    restart_decay: float = 1.0
    final_learning_rate: float = 0.0
    flip: bool = True
    translation: float = 0.125
    crop: int = 0
    cutout: int = 0
    label_smoothing: float = 0.0
    class_weights: str | tuple[float, ...] | None = None
    metric: str = "accuracy"
    folds: int = 1
    seeds: int = 1
    batch_norm: str = "running"
    ema_decay: float = 0.0
    precision: str = "auto"
    layout: str = "auto"
    compile: bool = False
    cuda_graphs: bool = False
    threads: int | None = 1
    readers: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "folds", "seeds"):
            _check_integer(name, getattr(self, name), 1)
        for name in ("crop", "cutout"):
            _check_integer(name, getattr(self, name), 0)
        if self.readers is not None:
            _check_integer("readers", self.readers, 0)
        for name in ("restart_epochs", "threads"):
            if getattr(self, name) is not None:
                _check_integer(name, getattr(self, name), 1)
        _check_number("learning_rate", self.learning_rate, 0.0, math.inf, open_low=True)
        _check_number("weight_decay", self.weight_decay, 0.0, math.inf)
        _check_number("restart_factor", self.restart_factor, 1.0, math.inf)
        _check_number("restart_decay", self.restart_decay, 0.0, 1.0, open_low=True)
        _check_number("final_learning_rate", self.final_learning_rate, 0.0, 1.0)
        _check_number("translation", self.translation, 0.0, 1.0)
        _check_number("label_smoothing", self.label_smoothing, 0.0, 1.0)
        _check_number("ema_decay", self.ema_decay, 0.0, 1.0, open_high=True)
        _check_choice("optimizer", self.optimizer, OPTIMIZERS)
        _check_choice("metric", self.metric, METRICS)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("layout", self.layout, LAYOUTS)
        _check_choice("batch_norm", self.batch_norm, NORMS)
        for name in ("flip", "compile", "cuda_graphs"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(
                    f"`{name}` must be True or False, but got {getattr(self, name)!r}."
                )
        if self.compile and self.cuda_graphs:
            raise ValueError(
                "`compile` and `cuda_graphs` must not both be set, but got True and True. "
                "Choose one of them."
            )
        self._check_class_weights()

    def _check_class_weights(self) -> None:
        weights = self.class_weights
        if weights is None or weights == "balanced":
            return
        if isinstance(weights, (list, tuple, np.ndarray)):
            # A frozen object is not left with a list that others can change.
            object.__setattr__(self, "class_weights", tuple(float(w) for w in weights))
            if len(weights) and all(0 <= w < math.inf for w in weights) and any(weights):
                return
        raise ValueError(
            '`class_weights` must be None, "balanced" or one number >= 0 per class, '
            f"but got {weights!r}."
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values; :meth:`from_dict` is the inverse."""
        values = asdict(self)
        if isinstance(self.class_weights, tuple):
            values["class_weights"] = list(self.class_weights)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Return the configuration with these settings, as :meth:`to_dict` gave them.

        Raises:
            ValueError: A name is not that of a setting, or a value is out of range.
        """
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(
                f"A training setting must be one of {', '.join(sorted(known))}, "
                f"but got {unknown[0]!r}."
            )
        return cls(**values)


def learning_rates(config: TrainingConfig, steps_per_epoch: int) -> npt.NDArray[np.float64]:
    """Return the learning rate of every step: cosine decay with restarts (Sec. 6.1).

    The rate falls within each period as half a cosine; the first period lasts
    ``restart_epochs`` epochs, each other ``restart_factor`` times the one before.

    Returns:
        ``(epochs * steps_per_epoch,)`` array.
    """
    steps = config.epochs * steps_per_epoch
    if config.restart_epochs is None:
        return np.full(steps, config.learning_rate)
    rates = np.empty(steps)
    start, length, peak = 0.0, float(config.restart_epochs * steps_per_epoch), 1.0
    step = np.arange(steps, dtype=np.float64)
    while start < steps:
        inside = (step >= start) & (step < start + length)
        cosine = 0.5 * (1.0 + np.cos(np.pi * (step[inside] - start) / length))
        low = config.final_learning_rate
        rates[inside] = config.learning_rate * peak * (low + (1.0 - low) * cosine)
        start += length
        length *= config.restart_factor
        peak *= config.restart_decay
    return rates


def _check_integer(name: str, value: object, low: int) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
        raise ValueError(f"`{name}` must be an integer of at least {low}, but got {value!r}.")


def _check_number(
    name: str,
    value: object,
    low: float,
    high: float,
    *,
    open_low: bool = False,
    open_high: bool = False,
) -> None:
    if isinstance(value, (int, float, np.number)) and not isinstance(value, bool):
        if math.isfinite(value) and low <= value <= high:
            if not (open_low and value == low) and not (open_high and value == high):
                return
    above = f"greater than {low:g}" if open_low else f"at least {low:g}"
    below = "" if high == math.inf else f" and {'below' if open_high else 'at most'} {high:g}"
    raise ValueError(f"`{name}` must be a number {above}{below}, but got {value!r}.")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}, but got {value!r}."
        )
