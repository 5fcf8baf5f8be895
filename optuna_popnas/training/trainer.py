"""Evaluating a cell (Sec. 4.4): build its network, train it, measure accuracy and time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import field
import math
import time
from typing import Any

import numpy as np
import torch
from torch import nn

from optuna_popnas.networks import build_network
from optuna_popnas.networks import cell_costs
from optuna_popnas.networks import NetworkConfig
from optuna_popnas.networks.network import Network
from optuna_popnas.space import Cell
from optuna_popnas.training.backend import GLOBALS
from optuna_popnas.training.backend import seeded_globals
from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.device import device_name
from optuna_popnas.training.device import PeakMemory
from optuna_popnas.training.device import resolve_device
from optuna_popnas.training.flat import load_lazy_parts
from optuna_popnas.training.loop import Training
from optuna_popnas.training.result import EpochReport
from optuna_popnas.training.result import TrainingDiverged
from optuna_popnas.training.result import TrainingResult
from optuna_popnas.training.stacked import can_stack
from optuna_popnas.training.stacked import StackedNetwork


# The fewest and the most steps that a probe times.
_PROBE_STEPS = (3, 30)


@dataclass
class _Fold:
    """Results of one fold: curves are lists over epochs of one number per network."""

    curve: list[list[float]] = field(default_factory=list)
    losses: list[list[float]] = field(default_factory=list)
    train_seconds: float = 0.0
    validation_seconds: float = 0.0
    setup_seconds: float = 0.0
    diverged_epoch: int | None = None
    stopped_epoch: int | None = None
    clock: str = ""
    batch: int = 0
    batch_norm: str = ""
    network: nn.Module | None = None


def seeded_network(
    cell: Cell, config: NetworkConfig, *, in_channels: int, classes: int, seed: int
) -> Network:
    """Return a network whose weights depend on the seed only; no global state changes."""
    with GLOBALS, seeded_globals(seed):
        return build_network(cell, config, in_channels=in_channels, classes=classes)


def start_training(
    cell: Cell,
    data: ImageData,
    network: NetworkConfig,
    training: TrainingConfig,
    *,
    machine: MachineConfig | None = None,
    seeds: Sequence[int] = (0,),
    fold: int = 0,
    device: str | torch.device | None = None,
) -> Training:
    """Return a training of a cell's network, ready to run its epochs.

    Args:
        cell: The cell.
        data: Images.
        network: How the network is made of the cell.
        training: How it is trained.
        machine: What it is trained with.
        seeds: One per network; more than one are trained as a stack.
        fold: Which split of the data.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; CUDA if there is any when left out.
    """
    network = network.for_images(network.check_image_size(data.image_size))
    split = data.split(fold)
    networks = [
        seeded_network(
            cell, network, in_channels=data.in_channels, classes=data.classes, seed=seed
        )
        for seed in seeds
    ]
    module = networks[0] if len(networks) == 1 else StackedNetwork(networks)
    where = resolve_device(device)
    return Training(
        module,
        data,
        training,
        split,
        machine=machine or training.machine or MachineConfig(),
        device=where,
        seeds=seeds,
    )


def train_cell(
    cell: Cell,
    data: ImageData,
    network: NetworkConfig | None = None,
    training: TrainingConfig | None = None,
    *,
    machine: MachineConfig | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    on_epoch: Callable[[EpochReport], bool | None] | None = None,
) -> TrainingResult:
    """Train the network of a cell and measure it (Sec. 4.4).

    The result depends on the arguments alone: on a CPU, with the same number of threads, it is
    the same to the last bit.

    Args:
        cell: The cell.
        data: Images, see :func:`optuna_popnas.load_dataset`.
        network: How the network is made of the cell.
        training: How it is trained.
        machine: What it is trained with: threads, number format, memory layout.
        seed: Seed of weights, batches and augmentation.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; CUDA if there is any when left out.
        on_epoch: Called after each epoch; the training stops if it returns True.

    Returns:
        Accuracy, seconds, learning curve and the trained network.

    Raises:
        TrainingDiverged: The loss was not finite in the first epoch.
        ValueError: The images are too small, or the data have fewer folds than asked for.
    """
    network = network or NetworkConfig()
    training = training or TrainingConfig()
    machine = machine or training.machine or MachineConfig()
    where = resolve_device(device)
    load_lazy_parts()
    memory = PeakMemory(where)
    seeds = tuple(range(seed, seed + training.seeds))
    groups = seed_groups(seeds, cell, network)
    folds = [
        _train_fold(cell, data, network, training, machine, group, fold, where, on_epoch)
        for fold in range(training.folds)
        for group in groups
    ]
    costs = cell_costs(
        [cell],
        network,
        in_channels=data.in_channels,
        classes=data.classes,
        image_size=data.image_size,
    )
    module: Any = folds[-len(groups)].network
    return TrainingResult(
        **_combined(folds, training),
        parameters=int(costs.parameters[0]),
        flops=int(costs.flops[0]),
        cells_built=len(module.layout),
        device=device_name(where, machine.threads),
        seed=seed,
        peak_memory_bytes=memory.read(),
        network=module,
    )


def _combined(folds: Sequence[_Fold], training: TrainingConfig) -> dict[str, Any]:
    """Return what the trainings of one cell gave together."""
    best = np.concatenate([np.max(fold.curve, axis=0) for fold in folds])
    trained = sum(len(fold.losses) for fold in folds) / len(folds)
    seconds = sum(fold.train_seconds for fold in folds)
    diverged = [fold.diverged_epoch for fold in folds if fold.diverged_epoch is not None]
    stopped = [fold.stopped_epoch for fold in folds if fold.stopped_epoch is not None]
    # Had it been trained on, it would have cost as much as any other.
    scale = training.epochs / trained if diverged or stopped else 1.0
    error = float(best.std(ddof=1) / math.sqrt(len(best))) if len(best) > 1 else None
    return {
        "accuracy": float(best.mean()),
        "seconds": seconds * scale / (training.folds * training.seeds),
        "accuracy_std_error": error,
        "learning_curve": _mean_curve([fold.curve for fold in folds]),
        "train_loss": _mean_curve([fold.losses for fold in folds]),
        "epochs": max(len(fold.losses) for fold in folds),
        "batch_size": folds[0].batch,
        "batch_norm": folds[0].batch_norm,
        "time_parts": {
            "train_seconds": seconds,
            "validation_seconds": sum(fold.validation_seconds for fold in folds),
            "setup_seconds": sum(fold.setup_seconds for fold in folds),
            "clock": folds[0].clock,
        },
        "diverged_epoch": min(diverged, default=None),
        "stopped_epoch": min(stopped, default=None),
    }


def seed_groups(
    seeds: tuple[int, ...], cell: Cell, network: NetworkConfig
) -> list[tuple[int, ...]]:
    """Return which seeds are trained together as a stack: all, where the cell can be stacked."""
    return [seeds] if can_stack(cell, network) else [(seed,) for seed in seeds]


def probe_cell(
    cell: Cell,
    data: ImageData,
    network: NetworkConfig | None = None,
    training: TrainingConfig | None = None,
    *,
    machine: MachineConfig | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
) -> float:
    """Estimate the seconds of training a cell, from about 1 % of its steps.

    The network is built and warmed up as for a training; a few steps are timed and scaled.

    Args:
        cell: The cell.
        data: Images.
        network: How the network is made of the cell.
        training: How it would be trained.
        machine: What it would be trained with.
        seed: Seed of weights, batches and augmentation.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; CUDA if there is any when left out.

    Returns:
        Seconds, comparable with those of :func:`train_cell`.
    """
    config = training or TrainingConfig()
    network = network or NetworkConfig()
    where = resolve_device(device)
    seeds = tuple(range(seed, seed + config.seeds))
    group = seed_groups(seeds, cell, network)[0]
    run = start_training(cell, data, network, config, machine=machine, seeds=group, device=where)
    total = config.epochs * run.steps
    steps = min(max(total // 100, _PROBE_STEPS[0]), _PROBE_STEPS[1])
    return run.probe(steps) * total / len(run.seeds)


def _train_fold(
    cell: Cell,
    data: ImageData,
    network: NetworkConfig,
    config: TrainingConfig,
    machine: MachineConfig,
    seeds: tuple[int, ...],
    fold: int,
    device: torch.device,
    on_epoch: Callable[[EpochReport], bool | None] | None,
) -> _Fold:
    begin = time.perf_counter()
    training = start_training(
        cell, data, network, config, machine=machine, seeds=seeds, fold=fold, device=device
    )
    result = _Fold(clock=training.clock.name, batch=training.batch)
    result.batch_norm = training.batch_norm
    result.setup_seconds = time.perf_counter() - begin
    for _ in range(config.epochs):
        epoch = training.run_epoch()
        result.train_seconds += epoch.seconds
        result.losses.append(list(epoch.losses))
        if not all(map(math.isfinite, epoch.losses)):
            result.diverged_epoch = training.epoch
            break
        begin = time.perf_counter()
        measured = [getattr(metrics, config.metric) for metrics in training.validate()]
        result.validation_seconds += time.perf_counter() - begin
        result.curve.append(measured)
        if on_epoch is not None:
            seconds = result.train_seconds / len(seeds)
            report = EpochReport(training.epoch, config.epochs, float(np.mean(measured)), seconds)
            if on_epoch(report) and training.epoch < config.epochs:
                result.stopped_epoch = training.epoch
                break
    if not result.curve:
        raise TrainingDiverged(
            f"The loss must stay finite, but was {result.losses[-1]} in the first epoch. "
            "Lower `learning_rate`."
        )
    module = training.finish()
    result.network = module.unstack()[0] if isinstance(module, StackedNetwork) else module
    return result


def _mean_curve(curves: Sequence[list[list[float]]]) -> tuple[float, ...]:
    """Return the mean over all networks of each epoch that all of them reached."""
    epochs = min(len(curve) for curve in curves)
    return tuple(
        float(np.mean([value for curve in curves for value in curve[epoch]]))
        for epoch in range(epochs)
    )
