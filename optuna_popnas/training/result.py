"""What trainings give."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field
from typing import NamedTuple

from torch import nn


class TrainingDiverged(ArithmeticError):
    """The loss stopped being a finite number before there was any accuracy to report."""


class EpochReport(NamedTuple):
    """What an epoch of :func:`train_cell` gave.

    Attributes:
        epoch: Its number, from 1.
        epochs: Epochs in all.
        accuracy: Validation accuracy (or macro F1) after it.
        seconds: Seconds of training so far.
    """

    epoch: int
    epochs: int
    accuracy: float
    seconds: float


@dataclass(frozen=True)
class TrainingResult:
    """What training a cell gave.

    Attributes:
        accuracy: Best validation accuracy (or macro F1) over the epochs; the mean over seeds
            and folds.
        seconds: Seconds to train one network, see ``time_parts``.
        accuracy_std_error: Standard error of ``accuracy`` over seeds and folds, None for one.
        learning_curve: Validation accuracy after each epoch, the mean over seeds and folds.
        train_loss: Mean training loss of each epoch, the mean over seeds and folds.
        parameters: Parameters of the network.
        flops: Operations for one image: twice the multiply-accumulates.
        cells_built: Cells in the network.
        device: Name of the device.
        seed: The seed; networks of a stack have this one and those after it.
        epochs: Epochs that were trained.
        batch_size: Images per step.
        batch_norm: Which averages validation used: ``"running"`` or ``"epoch"``.
        peak_memory_bytes: The most memory that the training took.
        time_parts: ``train_seconds`` of everything that was trained, ``validation_seconds``,
            ``setup_seconds`` (building the network, moving data, warm-up) and ``clock``. The
            last two parts are wall seconds.
        diverged_epoch: The epoch, from 1, whose loss was not finite and which ended the
            training; None if all went well. ``seconds`` are scaled up to all epochs then.
        stopped_epoch: The epoch after which ``on_epoch`` stopped the training, None if it did
            not. ``seconds`` are scaled up, too.
        network: The trained network of the first seed and the last fold.
    """

    accuracy: float
    seconds: float
    accuracy_std_error: float | None
    learning_curve: tuple[float, ...]
    train_loss: tuple[float, ...]
    parameters: int
    flops: int
    cells_built: int
    device: str
    seed: int
    epochs: int
    batch_size: int
    batch_norm: str
    peak_memory_bytes: int
    time_parts: dict[str, float | str]
    diverged_epoch: int | None = None
    stopped_epoch: int | None = None
    network: nn.Module | None = field(default=None, repr=False, compare=False)
