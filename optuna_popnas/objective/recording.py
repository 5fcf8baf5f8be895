"""What the objective leaves behind: facts on the trial, and the best networks in a folder."""

from __future__ import annotations

from collections.abc import Mapping
import json
import math
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import BaseTrial

from optuna_popnas.networks import NetworkConfig
from optuna_popnas.sampler.optuna_internals import write_users
from optuna_popnas.space import Cell
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.model import describe_data
from optuna_popnas.training.model import TrainedModel
from optuna_popnas.training.result import TrainingResult


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

#: On trials whose training failed without the cell's fault: the reason.
MACHINE_FAILURE = "machine_failure"
#: On every trial: how its network was made and trained, as far as that is not the thesis' way.
SETTINGS = "settings"


def write(trial: BaseTrial, cell: Cell, facts: Mapping[str, Any]) -> None:
    """Write user attributes, the cell among them."""
    if "cell" not in trial.user_attrs:
        facts = {"cell": str(cell), **facts}
    try:
        write_users(trial, facts)
    except UpdateFinishedTrialError:
        # Another worker declared this trial dead; Optuna tells so when the values arrive.
        _logger.warning("The trial was finished by another worker while it was training.")


def facts_of(result: TrainingResult) -> dict[str, Any]:
    """Return what a training gave, as JSON values."""
    facts: dict[str, Any] = {
        "learning_curve": [round(value, 6) for value in result.learning_curve],
        "train_loss": [round(v, 6) if math.isfinite(v) else None for v in result.train_loss],
        "time_parts": dict(result.time_parts),
    }
    for name in (
        "cells_built", "device", "seed", "epochs", "batch_size",
        "batch_norm", "peak_memory_bytes", "accuracy_std_error", "diverged_epoch",
    ):  # fmt: skip
        if getattr(result, name) is not None:
            facts[name] = getattr(result, name)
    return facts


def settings_of(network: NetworkConfig, training: TrainingConfig) -> dict[str, Any]:
    """Return the settings that are not the defaults; :func:`read_settings` is the inverse."""
    return {
        name: {key: value for key, value in own.items() if value != usual[key]}
        for name, own, usual in (
            ("network", network.to_dict(), NetworkConfig().to_dict()),
            ("training", training.to_dict(), TrainingConfig().to_dict()),
        )
    }


def read_settings(attributes: Mapping[str, Any]) -> tuple[NetworkConfig, TrainingConfig] | None:
    """Return the settings among the user attributes of a trial or study, None if there are none.

    Raises:
        ValueError: They are of another version of this library.
    """
    found = attributes.get(SETTINGS)
    if not isinstance(found, Mapping) or not {"network", "training"} <= set(found):
        return None
    network = NetworkConfig.from_dict(found["network"])
    return network, TrainingConfig.from_dict(found["training"])


def first_line(error: BaseException) -> str:
    """Return what an error says, or its name."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def keep_model(
    folder: Path, result: TrainingResult, data: ImageData, training: TrainingConfig, number: int
) -> None:
    """Save a network if none of as many blocks in the folder is more accurate."""
    network: Any = result.network
    name = f"blocks{len(network.cell)}"
    card = folder / f"{name}.json"
    try:
        best = json.loads(card.read_text())["figures"]["best_validation_accuracy"]
    except (OSError, ValueError, KeyError, TypeError):
        best = -math.inf
    if result.accuracy <= best:
        return
    figures = {
        "best_validation_accuracy": result.accuracy,
        "learning_curve": list(result.learning_curve),
        "train_seconds": result.seconds,
        "trial": number,
    }
    TrainedModel(network, describe_data(data), training.to_dict(), figures).save(folder, name=name)
