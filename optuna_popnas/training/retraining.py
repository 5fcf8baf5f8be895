"""Training a chosen cell to convergence (Sec. 6.3 of the thesis)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
import math
from pathlib import Path
import time
from typing import Any, NamedTuple

import numpy as np
import torch

from optuna_popnas.networks.config import NetworkConfig
from optuna_popnas.networks.network import Network
from optuna_popnas.networks.sizing import fit_parameters
from optuna_popnas.space.cell import Cell
from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.curves import write_curves
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.image_data import Split
from optuna_popnas.training.device import device_name
from optuna_popnas.training.device import resolve_device
from optuna_popnas.training.loop import Training
from optuna_popnas.training.model import describe_data
from optuna_popnas.training.model import TrainedModel
from optuna_popnas.training.result import TrainingDiverged
from optuna_popnas.training.resuming import CHECKPOINT
from optuna_popnas.training.resuming import fingerprint
from optuna_popnas.training.resuming import FORMAT
from optuna_popnas.training.resuming import go_on
from optuna_popnas.training.resuming import Progress
from optuna_popnas.training.resuming import read_checkpoint
from optuna_popnas.training.resuming import VERSION
from optuna_popnas.training.resuming import write_checkpoint
from optuna_popnas.training.threads import with_threads
from optuna_popnas.training.trainer import seeded_network


#: What the thesis' final training changes (L1262): periods of 2, 4, ... 128 epochs, 254 in all.
FINAL_CHANGES: dict[str, Any] = {"epochs": 254, "restart_epochs": 2, "folds": 1, "seeds": 1}


_SAMPLES = 64


def final_training(search: TrainingConfig | None = None) -> TrainingConfig:
    """Return the settings of a final training: those of the search, with its own E and T0.

    Args:
        search: How cells were trained in the search; the thesis' settings if left out.
    """
    return replace(search or TrainingConfig(), **FINAL_CHANGES)


class RetrainEpoch(NamedTuple):
    """Progress of a final training.

    Attributes:
        epoch: Epochs done.
        epochs: Epochs in all.
        loss: Mean training loss of this epoch.
        accuracy: On the validation images (or macro F1), None if all images are trained on.
        best: The best of them so far.
        seconds: Seconds of training so far.
    """

    epoch: int
    epochs: int
    loss: float
    accuracy: float | None
    best: float | None
    seconds: float


def retrain(
    cell: Cell,
    data: ImageData,
    *,
    network: NetworkConfig | None = None,
    training: TrainingConfig | None = None,
    machine: MachineConfig | None = None,
    parameters: tuple[int, int] | None = None,
    folder: str | Path | None = None,
    resume: bool = True,
    seed: int = 0,
    device: str | torch.device | None = None,
    all_images: bool = False,
    checkpoint_seconds: float = 60.0,
    until: int | None = None,
    on_epoch: Callable[[RetrainEpoch], None] | None = None,
) -> TrainedModel:
    """Train the network of a cell to convergence, and test it.

    The weights of the epoch with the best validation accuracy are kept. Interrupted, the same
    call with the same folder goes on from the last checkpoint and gives, on a CPU, the same
    network to the last bit.

    Args:
        cell: The cell, such as ``select(study).cell``.
        data: Images; with a test set, the model is tested on it at the end.
        network: Size and options of the final network; the thesis' if left out.
        training: How it is trained; :func:`final_training` if left out.
        machine: What it is trained with. With ``threads=None``, as if left out, one thread or
            all cores of a CPU, whichever is faster; an interrupted training goes on with as many.
        parameters: Smallest and largest number of parameters of the network: its filters, and
            if need be its normal cells, are changed to fit.
        folder: Where checkpoints and, at the end, the model are written (``model.safetensors``,
            ``model.json``, ``curves.csv``). None: nothing is written.
        resume: Go on from a checkpoint in the folder. False starts again and replaces it.
        seed: Seed of weights, batches and augmentation.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; CUDA if there is any when left out.
        all_images: Train on the validation images, too. No epoch can be chosen by them then: the
            weights of the last one are kept.
        checkpoint_seconds: Least time between two checkpoints; 0 writes one after each epoch.
        until: Stop after this epoch, with a checkpoint: a call without it goes on from there.
        on_epoch: Called after each epoch.

    Raises:
        ValueError: A setting is out of range, the images are too small, nothing fits
            ``parameters``, or the folder's checkpoint is of another cell, other settings, or
            other data.
        OSError: The disk is full or the folder cannot be written to; the last checkpoint is kept.
        TrainingDiverged: The loss was not finite.
    """
    training = training or final_training()
    settings = _checked(training).for_data(data.mirror)
    machine = machine or training.machine or MachineConfig(threads=None)
    where = resolve_device(device)
    config = _sized(cell, network or NetworkConfig(), data, parameters)
    split = data.split()
    if all_images:
        split = Split(np.arange(len(data.labels), dtype=np.int64), split.validation)
    notes = {
        "format": FORMAT,
        "version": VERSION,
        "cell": str(cell),
        "network": config.to_dict(),
        "training": settings.to_dict(),
        "seed": seed,
        "all_images": all_images,
        "data": data.name,
        "images": fingerprint(data, split),
    }
    path = None if folder is None else Path(folder) / CHECKPOINT
    saved = read_checkpoint(path, notes) if path and resume and path.exists() else None

    begin = time.perf_counter()

    def start(machine: MachineConfig) -> Training:
        module = seeded_network(
            cell, config, in_channels=data.in_channels, classes=data.classes, seed=seed
        )
        return Training(
            module, data, settings, split, machine=machine, device=where, seeds=(seed,)
        )

    if machine.threads is None and saved is not None:
        machine = replace(machine, threads=saved.get("threads"))
    machine = with_threads(machine, where, start)
    notes["threads"] = machine.threads
    job = start(machine)
    progress = Progress() if saved is None else go_on(job, saved)
    setup_seconds = time.perf_counter() - begin

    keep = None if path is None else partial(write_checkpoint, path, notes)
    _train(
        job,
        progress,
        min(until or settings.epochs, settings.epochs),
        keep,
        checkpoint_seconds,
        on_epoch,
        validate=not all_images,
    )
    extra = {"setup_seconds": setup_seconds, "device": device_name(where, machine.threads)}
    model = _finished(job, data, progress, {**extra, "seed": seed}, all_images=all_images)
    if folder is not None and model.figures["epochs"] == settings.epochs:
        model.save(folder)
        write_curves(Path(folder), progress.losses, progress.curve)
    return model


def _train(
    job: Training,
    progress: Progress,
    end: int,
    keep: Callable[[Training, Progress], None] | None,
    seconds: float,
    on_epoch: Callable[[RetrainEpoch], None] | None,
    *,
    validate: bool,
) -> None:
    """Train until an epoch; write a checkpoint at its end, and every so many seconds."""
    written = time.monotonic()
    while job.epoch < end:
        _run_epoch(job, progress, validate=validate)
        if keep is not None and (job.epoch == end or time.monotonic() - written >= seconds):
            keep(job, progress)
            written = time.monotonic()
        if on_epoch is not None:
            on_epoch(_report(progress, job.epoch, job.config.epochs))


def _finished(
    job: Training,
    data: ImageData,
    progress: Progress,
    extra: Mapping[str, Any],
    *,
    all_images: bool,
) -> TrainedModel:
    """Return the network of the best epoch, with what was measured."""
    if progress.best is not None:
        job.load_state_dict({**job.state_dict(), **progress.best})
    figures = {**_figures(job, data, progress, all_images=all_images), **extra}
    trained = job.finish()
    assert isinstance(trained, Network)
    training = job.config.to_dict()
    return TrainedModel(trained, describe_data(data), training, figures, _samples(data))


def _checked(training: TrainingConfig) -> TrainingConfig:
    for name in ("folds", "seeds"):
        if getattr(training, name) != 1:
            raise ValueError(
                f"`{name}` must be 1 to train a final network, but got {getattr(training, name)}."
            )
    return training


def _sized(
    cell: Cell, network: NetworkConfig, data: ImageData, parameters: tuple[int, int] | None
) -> NetworkConfig:
    """Return the settings of the network for these images, with so many parameters."""
    config = network.for_images(network.check_image_size(data.image_size))
    if parameters is None:
        return config
    return fit_parameters(
        cell,
        config,
        parameters,
        in_channels=data.in_channels,
        classes=data.classes,
        image_size=data.image_size,
    )


def _run_epoch(job: Training, progress: Progress, *, validate: bool) -> None:
    epoch = job.run_epoch()
    (loss,) = epoch.losses
    if not math.isfinite(loss):
        raise TrainingDiverged(
            f"The loss must stay finite, but was {loss} in epoch {job.epoch}. "
            "Lower `learning_rate`."
        )
    progress.seconds += epoch.seconds
    progress.losses.append(loss)
    if not validate:
        return
    (metrics,) = job.validate()
    score = float(getattr(metrics, job.config.metric))
    # Of equally good epochs the last one: its learning rate was lower.
    if not progress.curve or score >= max(progress.curve):
        state = job.state_dict()
        averaged = state["average"] is not None
        weights = state["average"] if averaged else state["parameters"]
        progress.best_epoch = job.epoch
        progress.best = {
            "parameters": weights,
            "average": weights if averaged else None,
            "buffers": state["buffers"],
        }
    progress.curve.append(score)


def _report(progress: Progress, epoch: int, epochs: int) -> RetrainEpoch:
    curve = progress.curve
    return RetrainEpoch(
        epoch,
        epochs,
        progress.losses[-1],
        curve[-1] if curve else None,
        max(curve) if curve else None,
        progress.seconds,
    )


def _figures(
    job: Training, data: ImageData, progress: Progress, *, all_images: bool
) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    if not all_images:
        (metrics,) = job.validate()
        figures["validation_accuracy"] = metrics.accuracy
        figures["validation_macro_f1"] = metrics.macro_f1
        figures["best_epoch"] = progress.best_epoch
        figures["confusion_of"] = "validation images"
        figures["confusion"] = metrics.confusion.tolist()
    if data.test_images is not None:
        (metrics,) = job.test()
        figures["test_accuracy"] = metrics.accuracy
        figures["test_macro_f1"] = metrics.macro_f1
        figures["confusion_of"] = "test images"
        figures["confusion"] = metrics.confusion.tolist()
    figures["learning_curve"] = progress.curve
    figures["train_loss"] = progress.losses
    figures["epochs"] = job.epoch
    figures["batch_size"] = job.batch
    figures["train_seconds"] = progress.seconds
    figures["batch_norm"] = job.batch_norm
    figures["clock"] = job.clock.name
    return figures


def _samples(data: ImageData) -> Any:
    source = data.images if data.test_images is None else data.test_images
    return np.stack([source[index] for index in range(min(_SAMPLES, len(source)))])
