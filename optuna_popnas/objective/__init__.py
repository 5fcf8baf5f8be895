"""The objective of a study: a trial becomes a cell, and the cell its accuracy and seconds.

Names are loaded when they are first used.
"""

from importlib import import_module
from typing import Any, TYPE_CHECKING


if TYPE_CHECKING:
    from optuna_popnas.objective.confirmation import confirm
    from optuna_popnas.objective.final import retrain
    from optuna_popnas.objective.one_call import search
    from optuna_popnas.objective.training_objective import TrainingObjective
    from optuna_popnas.objective.watching import Watch

_LAZY = {
    "TrainingObjective": "training_objective",
    "Watch": "watching",
    "confirm": "confirmation",
    "retrain": "final",
    "search": "one_call",
}

__all__ = ["TrainingObjective", "Watch", "confirm", "retrain", "search"]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
