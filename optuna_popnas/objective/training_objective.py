"""The objective of an Optuna study that trains cells (Sec. 4.4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
import math
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import BaseTrial
import torch

from optuna_popnas._failures import MachineFailure
from optuna_popnas.networks import cell_costs
from optuna_popnas.networks import NetworkConfig
from optuna_popnas.objective.agreement import check_data
from optuna_popnas.objective.agreement import check_network
from optuna_popnas.objective.agreement import mode_of
from optuna_popnas.objective.calibration import Calibration
from optuna_popnas.objective.calibration import Devices
from optuna_popnas.objective.goals import Goals
from optuna_popnas.objective.recording import facts_of
from optuna_popnas.objective.recording import first_line
from optuna_popnas.objective.recording import keep_model
from optuna_popnas.objective.recording import MACHINE_FAILURE
from optuna_popnas.objective.recording import SETTINGS
from optuna_popnas.objective.recording import settings_of
from optuna_popnas.objective.recording import write
from optuna_popnas.objective.watching import EXPECTED
from optuna_popnas.objective.watching import Watch
from optuna_popnas.objective.watching import WatchedTraining
from optuna_popnas.sampler.facts import repeat_of
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace
from optuna_popnas.training.augment import Augmenter
from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.device import device_name
from optuna_popnas.training.device import is_machine_failure
from optuna_popnas.training.device import is_out_of_memory
from optuna_popnas.training.device import release_memory
from optuna_popnas.training.device import resolve_device
from optuna_popnas.training.device import shared_with_others
from optuna_popnas.training.latency import measure_latency
from optuna_popnas.training.result import TrainingDiverged
from optuna_popnas.training.result import TrainingResult
from optuna_popnas.training.schedule import wasted_epochs
from optuna_popnas.training.trainer import probe_cell
from optuna_popnas.training.trainer import train_cell


_logger = optuna.logging.get_logger(f"optuna.{__name__}")


class TrainingObjective:
    """Trains the cell that a trial suggests; give it to ``study.optimize``.

    Returns accuracy and seconds, or the objectives that are named, and writes on the trial:
    ``cell``, ``learning_curve``, ``train_loss``, ``parameters``, ``flops``, ``cells_built``,
    ``total_cells``, ``device``, ``seed``, ``epochs``, ``batch_size``, ``peak_memory_bytes``,
    ``time_parts``, and where it applies ``accuracy_std_error``, ``latency_seconds``,
    ``diverged_epoch``, ``out_of_memory``, ``calibration``, ``reason`` and ``machine_failure``.

    A training that finds no memory is tried once more with half the batch size. A trial whose
    training fails, for lack of memory or because the loss is not finite in its first epoch,
    fails with the reason on it; the study goes on.

    Args:
        space: The search space.
        data: Images, or whatever :func:`optuna_popnas.load_dataset` takes.
        network: How networks are made of cells; the thesis' settings if left out.
        training: How they are trained; the thesis' settings if left out.
        machine: What they are trained with: threads, number format, memory layout.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``; CUDA if there is any when left out.
        seed: Seed of weights, batches and augmentation: the same for all cells. Where the search
            wants a cell trained again, it is counted up.
        objectives: What the trial's values are, in the order of the study's directions:
            ``"accuracy"`` (maximise) and any of ``"seconds"``, ``"parameters"``, ``"flops"``,
            ``"latency"`` and ``"peak_memory"`` (minimise). Left out: accuracy for a study of one
            direction, accuracy and seconds for one of two.
        limits: Upper bounds, by these names; ``"accuracy"`` is a lower bound. They become
            constraints of the trial. A cell over a limit of parameters or FLOPs is pruned
            without being trained.
        latency_batch: Images per batch whose latency is measured.
        normalize_seconds: Convert seconds to the device of the study's first trial, by timing
            two small cells on each device. Otherwise a warning names the devices that are mixed.
        stop_early: End trainings whose curve says that the cell will not reach the front, see
            :class:`~optuna_popnas.objective.watching.Watch`; such trials are pruned. Left out:
            if the sampler's mode is ``"adaptive"``. Of several folds or seeds, none is ended.
        keep_models: A folder for the weights of the most accurate network of each number of
            blocks: ``blocks<b>.safetensors`` and its card, see
            :func:`optuna_popnas.training.load_model`.

    Raises:
        ValueError: A name is unknown, the images are too small for the network, or the data
            have fewer folds or classes than the settings ask for.

    Attributes:
        last_result: Everything about the training of the latest trial, its network included.
    """

    def __init__(
        self,
        space: SearchSpace,
        data: ImageData | Any,
        *,
        network: NetworkConfig | None = None,
        training: TrainingConfig | None = None,
        machine: MachineConfig | None = None,
        device: str | torch.device | None = None,
        seed: int = 0,
        objectives: Sequence[str] | None = None,
        limits: Mapping[str, float] | None = None,
        latency_batch: int = 1,
        normalize_seconds: bool = False,
        stop_early: bool | None = None,
        keep_models: str | Path | None = None,
    ) -> None:
        self.space = space
        self.data = data if isinstance(data, ImageData) else load_dataset(data)
        self.network = network or NetworkConfig()
        training = training or TrainingConfig()
        self.training = training.for_data(self.data.mirror)
        self.machine = machine or training.machine or MachineConfig()
        self.device = resolve_device(device)
        self.seed = seed
        self.goals = Goals(None if objectives is None else tuple(objectives), dict(limits or {}))
        self.latency_batch = latency_batch
        self.stop_early = stop_early
        self.keep_models = None if keep_models is None else Path(keep_models)
        self.last_result: TrainingResult | None = None
        self._compared = False
        self._devices = Devices(
            device_name(self.device, self.machine.threads), self.probe, normalize_seconds
        )
        wasted = wasted_epochs(self.training)
        if wasted is not None:
            _logger.warning(wasted)
        self.network = self.network.for_images(self.network.check_image_size(self.data.image_size))
        self.data.split(self.training.folds - 1)
        Augmenter(self.training, self.data.image_size)  # raises what is wrong with it
        weights = self.training.class_weights
        if isinstance(weights, tuple) and len(weights) != self.data.classes:
            raise ValueError(
                f"`class_weights` must have one number for each of the {self.data.classes} "
                f"classes, but got {len(weights)}."
            )

    def __call__(self, trial: BaseTrial) -> float | tuple[float, ...]:
        """Train the trial's cell and return its values; NaN where the training failed.

        Raises:
            ValueError: The study's directions do not fit the objectives, it was begun with
                other images, or its mode needs another network.
            TrialPruned: The cell is over a limit of parameters or FLOPs, or its training was ended
                early.
            MachineFailure: Disk, data or device failed, for which the cell is not to blame.
        """
        names = self.goals.names(trial)
        check_network(trial, self.network)
        cell = self.space.suggest(trial)
        study = getattr(trial, "study", None)
        if not self._compared and study is not None:
            check_data(study, self.data)
            self._compared = True
        for text in self._devices.complaints(trial, shared_with_others(self.device)):
            _logger.warning(text)
        costs = self.costs(cell)
        self.goals.constrain(trial, costs)
        reason = self.goals.over_limit(costs)
        if reason is not None:
            write(trial, cell, {**costs, "reason": reason})
            raise optuna.TrialPruned(reason)
        try:
            watch = self._watch(trial, names, costs)
            result, facts = self._train(cell, watch, self.seed + repeat_of(trial))
        except TrainingDiverged as error:
            return self._fail(trial, cell, names, costs, str(error))
        except Exception as error:
            if is_out_of_memory(error):
                reason = f"Out of memory: {first_line(error)}"
                return self._fail(trial, cell, names, costs, reason)
            if is_machine_failure(error):
                reason = f"{type(error).__name__}: {first_line(error)}"
                write(trial, cell, {"reason": reason, MACHINE_FAILURE: reason})
                raise MachineFailure(reason) from error
            raise
        self.last_result = result
        values: dict[str, float] = {
            "accuracy": result.accuracy,
            "seconds": result.seconds,
            "peak_memory": result.peak_memory_bytes,
            **costs,
        }
        facts = {
            **facts_of(result),
            **costs,
            "total_cells": self.network.total_cells,
            SETTINGS: settings_of(self.network, self.training),
            **facts,
        }
        whole = result.stopped_epoch is None
        if whole and ("latency" in names or "latency" in self.goals.limits):
            values["latency"] = facts["latency_seconds"] = self._latency(result)
        values["seconds"] = self._devices.convert(result.seconds, trial)
        facts.update(self._devices.facts())
        if result.stopped_epoch is not None:
            reason = (
                f"Ended after epoch {result.stopped_epoch} of {self.training.epochs}: its curve "
                f"leads to {facts[EXPECTED]:.3f}, which cells that cost no more exceed."
            )
            write(trial, cell, {**facts, "seconds": values["seconds"], "reason": reason})
            raise optuna.TrialPruned(reason)
        self.goals.constrain(trial, {k: v for k, v in values.items() if k not in costs})
        write(trial, cell, facts)
        if self.keep_models is not None:
            keep_model(self.keep_models, result, self.data, self.training, trial.number)
        return values[names[0]] if len(names) == 1 else tuple(values[name] for name in names)

    def probe(self, cell: Cell) -> float:
        """Estimate the seconds of a training from a few of its steps, about 1 % of its cost.

        This is a ``time_probe`` for :class:`optuna_popnas.POPNASSampler`.
        """
        return probe_cell(
            cell,
            self.data,
            self.network,
            self.training,
            machine=self.machine,
            seed=self.seed,
            device=self.device,
        )

    def costs(self, cell: Cell) -> dict[str, int]:
        """Return the parameters and FLOPs of a cell's network, without building it."""
        costs = cell_costs(
            [cell],
            self.network,
            in_channels=self.data.in_channels,
            classes=self.data.classes,
            image_size=self.data.image_size,
        )
        return {name: int(column[0]) for name, column in costs._asdict().items()}

    def calibrate(self) -> Calibration:
        """Measure how fast this device trains the empty cell and a reference cell, once."""
        return self._devices.calibrate()

    def _watch(
        self, trial: BaseTrial, names: Sequence[str], costs: Mapping[str, int]
    ) -> WatchedTraining | None:
        """Return what ends a hopeless training, None if nothing does."""
        wanted = mode_of(trial) == "adaptive" if self.stop_early is None else self.stop_early
        if not wanted or self.training.folds * self.training.seeds > 1:
            return None
        return WatchedTraining(
            Watch(trial, self.training.epochs),
            [costs.get(name, -math.inf) for name in names],
            names,
            lambda seconds: self._devices.convert(seconds, trial),
        )

    def _train(
        self, cell: Cell, watch: WatchedTraining | None, seed: int
    ) -> tuple[TrainingResult, dict[str, Any]]:
        """Train; if there is no memory, once more with half the batch."""
        try:
            result = self._train_once(cell, self.training, watch, seed=seed)
            return result, {} if watch is None else watch.facts
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = first_line(error)
        # Outside of the handler, which keeps the failed training's tensors alive.
        release_memory(self.device)
        half = max(self.training.batch_size // 2, 1)
        _logger.warning(
            f"Training {cell} found no memory with batches of {self.training.batch_size}; "
            f"trying {half}."
        )
        halved = replace(self.training, batch_size=half)
        result = self._train_once(cell, halved, None, seed=seed)
        return result, {"out_of_memory": {"batch_size": half, "reason": reason}}

    def train(self, cell: Cell, *, seed: int) -> TrainingResult:
        """Train a cell as the search does, to the end, with a seed of its own."""
        return self._train_once(cell, self.training, None, seed=seed)

    def _train_once(
        self,
        cell: Cell,
        training: TrainingConfig,
        watch: WatchedTraining | None,
        *,
        seed: int,
    ) -> TrainingResult:
        return train_cell(
            cell,
            self.data,
            self.network,
            training,
            machine=self.machine,
            seed=seed,
            device=self.device,
            on_epoch=watch,
        )

    def _latency(self, result: TrainingResult) -> float:
        assert result.network is not None
        height, width = self.data.image_size
        return measure_latency(
            result.network,
            (self.data.in_channels, height, width),
            batch=self.latency_batch,
            device=self.device,
            threads=self.machine.threads,
        )

    def _fail(
        self,
        trial: BaseTrial,
        cell: Cell,
        names: Sequence[str],
        costs: Mapping[str, int],
        reason: str,
    ) -> float | tuple[float, ...]:
        """Say on the trial why it fails; NaN makes Optuna fail it without ending the study."""
        release_memory(self.device)
        _logger.warning(f"Training {cell} failed. {reason}")
        device = device_name(self.device, self.machine.threads)
        write(trial, cell, {**costs, "device": device, "seed": self.seed, "reason": reason})
        return math.nan if len(names) == 1 else (math.nan,) * len(names)
