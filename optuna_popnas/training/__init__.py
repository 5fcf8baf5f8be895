"""Training of cells (Sec. 4.4 and 6.1 of the thesis): data, training loop, objective.

Names are loaded when they are first used: configurations need no PyTorch.
"""

from importlib import import_module
from typing import Any, TYPE_CHECKING

from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig


if TYPE_CHECKING:
    from optuna_popnas.training.data.image_data import ImageData
    from optuna_popnas.training.data.load import load_dataset
    from optuna_popnas.training.evaluation import evaluate
    from optuna_popnas.training.exporting import export
    from optuna_popnas.training.model import load_model
    from optuna_popnas.training.model import TrainedModel
    from optuna_popnas.training.result import TrainingResult
    from optuna_popnas.training.trainer import train_cell

_LAZY = {
    "ImageData": "data.image_data",
    "TrainedModel": "model",
    "TrainingResult": "result",
    "evaluate": "evaluation",
    "export": "exporting",
    "load_dataset": "data.load",
    "load_model": "model",
    "train_cell": "trainer",
}

__all__ = [
    "ImageData",
    "MachineConfig",
    "TrainedModel",
    "TrainingConfig",
    "TrainingResult",
    "evaluate",
    "export",
    "load_dataset",
    "load_model",
    "train_cell",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
