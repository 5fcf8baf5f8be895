"""Training what a search found to the end (Sec. 6.3): from a study, a trial or a cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import optuna

from optuna_popnas.networks import NetworkConfig
from optuna_popnas.objective.progress import Bar
from optuna_popnas.objective.recording import read_settings
from optuna_popnas.space import Cell
from optuna_popnas.study import select as select_trial
from optuna_popnas.study import view_study
from optuna_popnas.study.excess import believed_accuracies
from optuna_popnas.training.candidates import affordable_epochs
from optuna_popnas.training.candidates import brief_epochs
from optuna_popnas.training.candidates import retrain_best
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.model import TrainedModel
from optuna_popnas.training.retraining import final_training
from optuna_popnas.training.retraining import RetrainEpoch


_logger = optuna.logging.get_logger(f"optuna.{__name__}")


def retrain(
    source: Cell | optuna.Study | Any,
    data: ImageData | Any = None,
    *,
    select: str | Mapping[str, float] = "accuracy",
    candidates: int = 1,
    hours: float | None = None,
    network: NetworkConfig | None = None,
    training: TrainingConfig | None = None,
    progress: bool = True,
    **options: Any,
) -> TrainedModel:
    """Train a network to convergence, and test it.

    Network and training are those of the search, but for epochs and T0 (254 and 2, L1262 of the
    thesis). The weights of the epoch with the best validation accuracy are kept. Interrupted, the
    same call with the same folder goes on from the last checkpoint and gives, on a CPU, the same
    network to the last bit.

    Args:
        source: A study; or one of its trials, such as ``select(study)``; or a cell.
        data: Images, or whatever :func:`optuna_popnas.load_dataset` takes. Those of the study if
            left out, where it says which they are.
        select: Which trial of a study, see :func:`optuna_popnas.select`.
        candidates: How many of a study's cells, the selected one and the most accurate others,
            are trained for an eighth of the epochs before the best of them is trained to the end.
        hours: Wall time; the epochs become the most that it has time for, estimated from a few
            steps. What was begun in the folder keeps its epochs.
        network: Settings of the network, instead of those of the search.
        training: Settings of the final training, instead of those of the search.
        progress: Show a bar, in terminals and notebooks.
        options: ``machine``, ``parameters`` (smallest, largest), ``folder``, ``resume``, ``seed``,
            ``device``, ``all_images``, ``checkpoint_seconds``, ``on_epoch``: see
            :func:`optuna_popnas.training.retraining.retrain`.

    Raises:
        ValueError: A setting is out of range, the images are too small, there is no such trial,
            nobody says which data, nothing fits ``parameters``, or the folder's checkpoint is of
            something else.
        OSError: The disk is full or the folder cannot be written to; the last checkpoint is kept.
        TrainingDiverged: The loss was not finite.
    """
    if candidates < 1:
        raise ValueError(f"`candidates` must be at least 1, but got {candidates}.")
    cells, found, stored = _from(source, select, candidates)
    if data is None:
        data = _stored_data(stored)
    elif not isinstance(data, ImageData):
        data = load_dataset(data)
    if found is None and not isinstance(source, Cell) and None in (network, training):
        _logger.warning(
            "Nothing stored says how the search made and trained its networks: the thesis' "
            "settings are used. Pass `network` and `training` of the search."
        )
    network = network or (found[0] if found else NetworkConfig())
    training = training or final_training(found[1] if found else None)
    if hours is not None:
        epochs = affordable_epochs(
            cells[0],
            data,
            hours,
            candidates=len(cells),
            network=network,
            training=training,
            machine=options.get("machine"),
            device=options.get("device"),
            folder=options.get("folder") if options.get("resume", True) else None,
        )
        training = replace(training, epochs=epochs)
    _logger.info(f"Training: {training.describe()}.")
    given = options.pop("on_epoch", None)
    bar = Bar(training.epochs, brief_epochs(training), len(cells)) if progress else None

    def follow(epoch: RetrainEpoch) -> None:
        if bar is not None:
            bar.update(epoch)
        if given is not None:
            given(epoch)

    try:
        return retrain_best(
            cells, data, network=network, training=training, on_epoch=follow, **options
        )
    finally:
        if bar is not None:
            bar.close()


def _from(
    source: Any, rule: str | Mapping[str, float], candidates: int
) -> tuple[list[Cell], tuple[NetworkConfig, TrainingConfig] | None, Mapping[str, Any]]:
    """Return cells, the settings that they were trained with, and what the study says."""
    if isinstance(source, Cell):
        return [source], None, {}
    stored: Mapping[str, Any] = {}
    if not isinstance(source, optuna.Study):
        return [_cell(source)], read_settings(source.user_attrs), stored
    chosen = select_trial(source, rule)
    cells = candidate_cells(source, _cell(chosen), candidates)
    stored = source.user_attrs
    return cells, read_settings(chosen.user_attrs) or read_settings(stored), stored


def candidate_cells(study: optuna.Study, first: Cell, count: int) -> list[Cell]:
    """Return a cell, and with it the study's most accurate others, ``count`` in all.

    As :func:`~optuna_popnas.study.select` ranks them.
    """
    view = view_study(study)
    valid = [trial for trial in view.complete if trial.feasible]
    order = np.argsort(-believed_accuracies(view, valid), kind="stable")
    return list(dict.fromkeys([first, *(_cell(valid[row]) for row in order)]))[:count]


def _cell(trial: Any) -> Cell:
    cell = getattr(trial, "cell", None)
    if isinstance(cell, Cell):
        return cell
    text = getattr(trial, "user_attrs", {}).get("cell")
    if not isinstance(text, str):
        raise ValueError(
            f"`source` must be a cell, a study or a trial with a cell, but got {trial!r}. "
            "Pass `select(study)` or `Cell.parse(text)`."
        )
    return Cell.parse(text)


def _stored_data(stored: Mapping[str, Any]) -> ImageData:
    """Load the images that a search from the command line was of."""
    settings = stored.get("settings")
    given = settings.get("data") if isinstance(settings, Mapping) else None
    if not isinstance(settings, Mapping) or not isinstance(given, Mapping):
        raise ValueError(
            "`data` must be given, as nothing stored says which images were used, but got None. "
            "Pass the data set."
        )
    values = {"source": "digits", **given}
    return load_dataset(values.pop("source"), seed=settings.get("seed", 0), **values)
