"""What is kept of a final training, so that it can go on after an interruption."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
import hashlib
from pathlib import Path
from typing import Any

import numpy as np

from optuna_popnas.networks.config import NetworkConfig
from optuna_popnas.training.checkpoint import pack
from optuna_popnas.training.checkpoint import read_tensors
from optuna_popnas.training.checkpoint import unpack
from optuna_popnas.training.checkpoint import write_tensors
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.image_data import Split
from optuna_popnas.training.loop import Training


#: Name of the checkpoint in the folder of a training.
CHECKPOINT = "checkpoint.safetensors"

#: Marks of the file.
FORMAT = "optuna-popnas checkpoint"
VERSION = 1


@dataclass
class Progress:
    """What is known of a training beside the state of its network."""

    curve: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0
    best_epoch: int = 0
    best: dict[str, Any] | None = None


def go_on(job: Training, saved: Mapping[str, Any]) -> Progress:
    """Put a training into the state of a checkpoint."""
    try:
        job.load_state_dict(saved["state"])
        return Progress(**saved["progress"])
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ValueError(
            "A checkpoint must be as it was written, but its parts do not fit each other "
            f"({type(error).__name__}: {str(error).strip().splitlines()[0]}). Pass resume=False "
            "to begin again."
        ) from None


def fingerprint(data: ImageData, split: Split) -> str:
    """Return a text that is the same for the same images, labels and split."""
    digest = hashlib.blake2b(digest_size=8)
    digest.update(repr((tuple(data.images.shape), data.classes)).encode())
    for array in (data.labels, split.train, split.validation):
        digest.update(np.ascontiguousarray(array).tobytes())
    if isinstance(data.images, np.ndarray):
        digest.update(np.ascontiguousarray(data.images).data)
    return digest.hexdigest()


def write_checkpoint(
    path: Path, notes: Mapping[str, Any], job: Training, progress: Progress
) -> None:
    """Write a checkpoint; raises OSError where it cannot be written."""
    tensors, values = pack({"state": job.state_dict(), "progress": vars(progress)})
    write_tensors(path, tensors, {**notes, **values}, what="Checkpoint")


def read_checkpoint(path: Path, notes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a checkpoint; raises ValueError if it is of another training, or damaged."""
    tensors, found = read_tensors(path, what="Checkpoint")
    if found.get("format") != FORMAT:
        raise ValueError(
            f"Checkpoint {str(path)!r} must be one of a training, but it is "
            f"{found.get('format')!r}. Choose another folder."
        )
    found["training"] = TrainingConfig.from_dict(found["training"]).to_dict()
    found["network"] = NetworkConfig.from_dict({"stem": "none", **found["network"]}).to_dict()
    for name in ("cell", "network", "training", "seed", "all_images", "data", "images"):
        here, there = _difference(notes[name], found[name])
        if here != there:
            what = "images" if name == "images" else name
            raise ValueError(
                f"Checkpoint {str(path)!r} must be of the same {what}, but it is of {there} "
                f"instead of {here}. Choose another folder, or pass resume=False to replace it."
            )
    content: dict[str, Any] = unpack(tensors, found)
    return content


def _difference(here: Any, there: Any) -> tuple[Any, Any]:
    """Return the two values; of mappings, only the settings that differ."""
    if not isinstance(here, dict):
        return here, there
    keys = [key for key in {**here, **there} if here.get(key) != there.get(key)]
    return {key: here.get(key) for key in keys}, {key: there.get(key) for key in keys}
