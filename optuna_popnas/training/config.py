"""How a network is trained (Sec. 6.1 and appendix B of the thesis); loads without PyTorch.

:class:`TrainingConfig` is what is trained: it decides what a result means, is stored with it
and compared. :class:`MachineConfig` is what a machine does it with, and never compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import fields
from dataclasses import replace
from functools import wraps
import math
from typing import Any, ClassVar, TypeVar
import warnings

import numpy as np


OPTIMIZERS = ("adamw", "l2")
METRICS = ("accuracy", "macro_f1")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")
LAYOUTS = ("auto", "channels_last", "contiguous")
NORMS = ("auto", "running", "epoch")

_T = TypeVar("_T")

# Steps from which the running averages of batch normalisation have forgotten their start.
_RUNNING_FROM = 1000


@dataclass(frozen=True)
class MachineConfig:
    """What a machine trains with: changes the speed of a training, not what it means.

    Args:
        precision: ``"float32"``, or CUDA autocast to ``"bfloat16"`` or ``"float16"``.
            ``"auto"`` is bfloat16 where the GPU computes with it and float32 elsewhere.
        layout: Memory layout of images, ``"channels_last"`` or ``"contiguous"``; ``"auto"``
            takes what is faster on the device.
        compile: Compile the network with ``torch.compile``. Pays for long trainings only.
        cuda_graphs: On CUDA, replay each training step as one graph.
        threads: Threads per training on a CPU; None leaves PyTorch's setting as it is, final
            trainings take one or all, whichever is faster.
        readers: Processes that read images which do not fit in memory; None: one less than
            there are cores, 0: the training reads them itself.

    Raises:
        ValueError: A value is out of its range.
    """

    precision: str = "auto"
    layout: str = "auto"
    compile: bool = False
    cuda_graphs: bool = False
    threads: int | None = 1
    readers: int | None = None

    def __post_init__(self) -> None:
        if self.threads is not None:
            _check_integer("threads", self.threads, 1)
        if self.readers is not None:
            _check_integer("readers", self.readers, 0)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("layout", self.layout, LAYOUTS)
        for name in ("compile", "cuda_graphs"):
            _check_bool(name, getattr(self, name))
        if self.compile and self.cuda_graphs:
            raise ValueError(
                "`compile` and `cuda_graphs` must not both be set, but got True and True. "
                "Choose one of them."
            )


def _take_machine_settings(cls: type[_T]) -> type[_T]:
    """Make a class take the settings of machines, which were once among its own, and keep them."""
    original: Any = cls.__init__

    @wraps(original)
    def init(self: _T, *arguments: Any, **settings: Any) -> None:
        names = [name for name in settings if name in MachineConfig.__dataclass_fields__]
        machine = {name: settings.pop(name) for name in names}
        original(self, *arguments, **settings)
        if machine:
            given = ", ".join(f"{name}={value!r}" for name, value in machine.items())
            warnings.warn(
                f"Settings of the machine are no settings of the training, but got {given}. "
                f"Pass `machine=MachineConfig({given})` beside it.",
                FutureWarning,
                stacklevel=2,
            )
            object.__setattr__(self, "machine", MachineConfig(**machine))

    setattr(cls, "__init__", init)  # noqa: B010
    return cls


@_take_machine_settings
@dataclass(frozen=True)
class TrainingConfig:
    """Settings of one training. The defaults are those of the thesis' experiments (Sec. 6.1).

    Args:
        epochs: Passes over the training images (E).
        batch_size: The largest number of images in a batch. An epoch is cut into the fewest
            batches that respect it, all of the same size.
        learning_rate: The learning rate at the start of each cosine period.
        optimizer: ``"adamw"`` (decoupled weight decay) or ``"l2"`` (Adam, and ``weight_decay``
            times the weights of convolutions and classifiers is added to the gradient).
        weight_decay: Factor of either. AdamW of PyTorch multiplies it by the learning rate: 0.05
            here is the thesis' 5e-4. A Keras L2 factor of x is 2 x here.
        restart_epochs: Length of the first cosine period in epochs (T0); None keeps the
            learning rate constant.
        restart_factor: How many times longer each period is than the one before (Tmul).
        restart_decay: The learning rate at a restart, relative to that of the restart before.
        final_learning_rate: Learning rate at the end of a period, relative to its start.
        flip: Mirror half of the training images, left to right; None: unless the data are known
            to change with it (numerals, letters, traffic signs).
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
            in which running averages still hold their initial values; ``"auto"`` takes it for
            trainings of less than 1,000 steps.
        ema_decay: What validation uses: 0 the weights as they are, else their exponential moving
            average with this decay per step.
        warmup_epochs: Epochs in which the learning rate rises from 0, before the first period.
        mixup: Each image is mixed with another one, by a share drawn from Beta(mixup, mixup), as
            is the loss; 0 for none.
        rand_augment: Operations of RandAugment for each image (torchvision, magnitude 9); 0 for
            none.
        fit_periods: Stretch the cosine periods so that the last one ends with the training.

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
    flip: bool | None = None
    translation: float = 0.125
    crop: int = 0
    cutout: int = 0
    label_smoothing: float = 0.0
    class_weights: str | tuple[float, ...] | None = None
    metric: str = "accuracy"
    folds: int = 1
    seeds: int = 1
    batch_norm: str = "auto"
    ema_decay: float = 0.0
    warmup_epochs: int = 0
    mixup: float = 0.0
    rand_augment: int = 0
    fit_periods: bool = False

    #: What was given here of the machine's settings.
    machine: ClassVar[MachineConfig | None] = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "folds", "seeds"):
            _check_integer(name, getattr(self, name), 1)
        for name in ("crop", "cutout", "warmup_epochs", "rand_augment"):
            _check_integer(name, getattr(self, name), 0)
        if self.restart_epochs is not None:
            _check_integer("restart_epochs", self.restart_epochs, 1)
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
        _check_choice("batch_norm", self.batch_norm, NORMS)
        _check_number("mixup", self.mixup, 0.0, math.inf)
        _check_bool("fit_periods", self.fit_periods)
        if self.flip is not None:
            _check_bool("flip", self.flip)
        if self.warmup_epochs >= self.epochs:
            raise ValueError(
                f"`warmup_epochs` must be below `epochs`, {self.epochs}, "
                f"but got {self.warmup_epochs}. Warm up for fewer epochs."
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

    def for_data(self, mirror: bool) -> TrainingConfig:
        """Return these settings with ``flip=None`` decided by what the data are."""
        return self if self.flip is not None else replace(self, flip=mirror)

    def norms(self, steps_per_epoch: int) -> str:
        """Return ``batch_norm``, with ``"auto"`` decided by the number of steps."""
        if self.batch_norm != "auto":
            return self.batch_norm
        return "running" if self.epochs * steps_per_epoch >= _RUNNING_FROM else "epoch"

    def describe(self) -> str:
        """Return the epochs, and what is not the thesis' way, in one line."""
        usual = TrainingConfig().to_dict()
        values = self.to_dict().items()
        return ", ".join(f"{k} {v}" for k, v in values if v != usual[k] or k == "epochs")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values; :meth:`from_dict` is the inverse."""
        values = asdict(self)
        if isinstance(self.class_weights, tuple):
            values["class_weights"] = list(self.class_weights)
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Return the configuration with these settings, as :meth:`to_dict` gave them.

        Settings of machines, which older versions stored with them, are left out.

        Raises:
            ValueError: A name is not that of a setting, or a value is out of range.
        """
        machine = {*MachineConfig.__dataclass_fields__, "kernels"}
        values = {name: value for name, value in values.items() if name not in machine}
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(values) - known)
        if unknown:
            raise ValueError(
                f"A training setting must be one of {', '.join(sorted(known))}, "
                f"but got {unknown[0]!r}."
            )
        return cls(**values)


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


def _check_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be True or False, but got {value!r}.")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {', '.join(map(repr, choices))}, but got {value!r}."
        )
