"""Final training of several cells for a while, and of the best of them to the end.

One short training is a noisy judge. Candidates are trained with the settings of the final training
up to the end of one of its cosine periods; the winner goes on from there, so that nothing of its
training is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
import math
from pathlib import Path
import shutil
from tempfile import TemporaryDirectory
import time
from typing import Any

import torch

from optuna_popnas.networks.config import NetworkConfig
from optuna_popnas.space.cell import Cell
from optuna_popnas.training.checkpoint import read_tensors
from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.device import resolve_device
from optuna_popnas.training.loop import Training
from optuna_popnas.training.model import load_model
from optuna_popnas.training.model import TrainedModel
from optuna_popnas.training.resuming import CHECKPOINT
from optuna_popnas.training.retraining import final_training
from optuna_popnas.training.retraining import retrain
from optuna_popnas.training.retraining import RetrainEpoch
from optuna_popnas.training.schedule import period_ends
from optuna_popnas.training.threads import with_threads
from optuna_popnas.training.trainer import start_training


# The part of a final training after which candidates are compared.
_BRIEF = 1 / 8
_FEWEST = 6  # after fewer epochs a large network tells nothing
# Steps that are timed, and the part of the time that is planned for.
_STEPS = 10
_PLANNED = 0.9


def brief_epochs(training: TrainingConfig) -> int:
    """Return after how many epochs candidates are compared: the end of a period."""
    most = max(training.epochs * _BRIEF, min(_FEWEST, training.epochs / 2), 1)
    ends = [int(end) for end in period_ends(training, most)]
    fits = [end for end in ends if end <= most]
    found = fits[-1] if fits else (ends or [int(most)])[0]
    return min(found, training.epochs)


def retrain_best(
    cells: Sequence[Cell],
    data: ImageData,
    *,
    training: TrainingConfig | None = None,
    folder: str | Path | None = None,
    on_epoch: Callable[[RetrainEpoch], None] | None = None,
    **options: Any,
) -> TrainedModel:
    """Train several cells briefly, and the most accurate one to the end.

    Interrupted, the same call goes on.

    Args:
        cells: The candidates.
        data: Images.
        training: How the final network is trained; :func:`final_training` if left out.
        folder: Where the model goes; checkpoints of the candidates are below it until the end.
        on_epoch: Called after each epoch of each training.
        options: As for :func:`retrain`.

    Returns:
        The model; ``figures["candidates"]`` has the cells and their accuracies.

    Raises:
        ValueError: As :func:`retrain`, or candidates cannot be compared without validation.
    """
    training = training or final_training()
    if len(cells) == 1:
        return retrain(
            cells[0], data, training=training, folder=folder, on_epoch=on_epoch, **options
        )
    if options.get("all_images"):
        raise ValueError(
            "`all_images` must be False with several candidates, which are compared on validation "
            "images, but got True. Train the chosen cell with it afterwards."
        )
    options = {"training": training, "on_epoch": on_epoch, **options}
    names = [str(cell) for cell in cells]
    if folder is not None and options.get("resume", True) and _compared(Path(folder)) == names:
        # All was done before; what is in the folder is checked and tested again.
        before = load_model(folder)
        model = retrain(before.cell, data, folder=folder, **options)
        return _with_candidates(model, before.figures["candidates"], folder)
    with TemporaryDirectory() as temporary:
        place = Path(temporary if folder is None else folder)
        compared: list[tuple[float, Path, Cell]] = []
        for number, cell in enumerate(cells, start=1):
            own = place / "candidates" / str(number)
            brief = retrain(cell, data, folder=own, until=brief_epochs(training), **options)
            compared.append((max(brief.figures["learning_curve"]), own, cell))
        _, best, cell = max(compared, key=lambda entry: entry[0])
        model = retrain(cell, data, folder=best, **{**options, "resume": True})
        rows = [{"cell": str(other), "accuracy": accuracy} for accuracy, _, other in compared]
        model = _with_candidates(model, rows, folder)
        if folder is not None:
            for file in (CHECKPOINT, "curves.csv"):
                (best / file).replace(place / file)
            shutil.rmtree(place / "candidates")
    return model


def _compared(folder: Path) -> list[str] | None:
    """Return the candidates of a folder's finished model, None if there is none."""
    if not (folder / CHECKPOINT).exists() or not (folder / "model.json").exists():
        return None
    return [row["cell"] for row in load_model(folder).figures.get("candidates", ())]


def _with_candidates(
    model: TrainedModel, rows: Sequence[Mapping[str, Any]], folder: str | Path | None
) -> TrainedModel:
    model = replace(model, figures={**model.figures, "candidates": list(rows)})
    if folder is not None:
        model.save(folder)
    return model


def affordable_epochs(
    cell: Cell,
    data: ImageData,
    hours: float,
    *,
    candidates: int = 1,
    network: NetworkConfig | None = None,
    training: TrainingConfig | None = None,
    machine: MachineConfig | None = None,
    device: str | torch.device | None = None,
    folder: str | Path | None = None,
) -> int:
    """Return the most epochs, at the end of a period, that a final training has time for.

    A few steps and one validation are timed, with as many threads as the training will have.

    Args:
        cell: The cell.
        data: Images.
        hours: Wall time.
        candidates: How many cells are compared before.
        network: How the network is made.
        training: How it is trained; its epochs are the most there will be.
        machine: What it is trained with.
        device: Where.
        folder: Of a training that goes on: what was begun there keeps its epochs.

    Raises:
        ValueError: ``hours`` is not positive.
    """
    if not hours > 0:
        raise ValueError(f"`hours` must be greater than 0, but got {hours:g}.")
    begun = None if folder is None else _begun_epochs(Path(folder))
    if begun is not None:
        return begun
    training = training or final_training()

    def start(machine: MachineConfig) -> Training:
        config = network or NetworkConfig()
        return start_training(cell, data, config, training, machine=machine, device=device)

    machine = machine or training.machine or MachineConfig(threads=None)
    run = start(with_threads(machine, resolve_device(device), start))
    epoch = math.inf
    for _ in range(3):  # the first time prepares what later ones find, and others may disturb one
        begin = time.perf_counter()
        run.probe(_STEPS)
        step = (time.perf_counter() - begin) / min(_STEPS, run.steps)
        begin = time.perf_counter()
        run.validate()
        epoch = min(epoch, step * run.steps + time.perf_counter() - begin)
    ends = [int(end) for end in period_ends(training, training.epochs)] or [training.epochs]
    found = [
        end
        for end in ends
        if end <= training.epochs
        and epoch * (end + (candidates - 1) * brief_epochs(replace(training, epochs=end)))
        <= _PLANNED * 3600 * hours
    ]
    return max([*found, min(ends[0], training.epochs)])


def _begun_epochs(folder: Path) -> int | None:
    """Return the epochs of the training that was begun in a folder, None if there is none."""
    for path in (folder / CHECKPOINT, folder / "candidates" / "1" / CHECKPOINT):
        if path.exists():
            return int(read_tensors(path, what="Checkpoint")[1]["training"]["epochs"])
    return None
