"""POPNASv2, Pareto-optimal progressive neural architecture search, as an Optuna sampler.

The paper is A. Falanti's thesis "POPNASv2: Efficient Neural Architecture Search through
Time-Accuracy Optimization" (Politecnico di Milano, 2022). PyTorch and CatBoost are loaded when
needed, so that importing this package is about as quick as importing Optuna.
"""

from importlib import import_module
from types import ModuleType
from typing import Any, TYPE_CHECKING

from optuna_popnas import search as _search_room
from optuna_popnas._failures import MachineFailure
from optuna_popnas._version import __version__
from optuna_popnas.space import Block
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.space import register_operator
from optuna_popnas.space import SearchSpace


if TYPE_CHECKING:
    from optuna_popnas.networks import build_network
    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.objective import retrain
    from optuna_popnas.objective import TrainingObjective
    from optuna_popnas.objective import Watch
    from optuna_popnas.sampler import copy_trials
    from optuna_popnas.sampler import detach
    from optuna_popnas.sampler import optimize_steadily
    from optuna_popnas.sampler import POPNASSampler
    from optuna_popnas.study import select
    from optuna_popnas.training import evaluate
    from optuna_popnas.training import export
    from optuna_popnas.training import load_dataset
    from optuna_popnas.training import load_model
    from optuna_popnas.training import MachineConfig
    from optuna_popnas.training import train_cell
    from optuna_popnas.training import TrainingConfig
    from optuna_popnas.visualization import report

_LAZY = {
    "MachineConfig": "training",
    "NetworkConfig": "networks",
    "POPNASSampler": "sampler",
    "TrainingConfig": "training",
    "TrainingObjective": "objective",
    "Watch": "objective",
    "build_network": "networks",
    "copy_trials": "sampler",
    "detach": "sampler",
    "evaluate": "training",
    "export": "training",
    "load_dataset": "training",
    "load_model": "training",
    "optimize_steadily": "sampler",
    "report": "visualization",
    "retrain": "objective",
    "select": "study",
    "train_cell": "training",
}
_SUBPACKAGES = (
    "networks",
    "objective",
    "predictors",
    "sampler",
    "search",
    "study",
    "training",
    "visualization",
)

__all__ = [
    "Block",
    "Cell",
    "CellBatch",
    "MachineConfig",
    "MachineFailure",
    "NetworkConfig",
    "PAPER_OPERATORS",
    "POPNASSampler",
    "SearchSpace",
    "TrainingConfig",
    "TrainingObjective",
    "Watch",
    "__version__",
    "build_network",
    "copy_trials",
    "detach",
    "evaluate",
    "export",
    "load_dataset",
    "load_model",
    "optimize_steadily",
    "register_operator",
    "report",
    "retrain",
    "select",
    "train_cell",
]


def _cell_drawing(cell: Cell) -> str:
    """Return the picture of a cell that ends a code box of a notebook."""
    from optuna_popnas.visualization import draw_cell

    return draw_cell(cell)


# A cell does not know its picture; notebooks ask for it by this name.
setattr(Cell, "_repr_svg_", _cell_drawing)  # noqa: B010


def _watch(space: SearchSpace, trial: Any, epochs: int | None = None) -> Any:
    """Return what says after each epoch whether the trial's training should be ended."""
    from optuna_popnas.objective import Watch

    return Watch(trial, epochs)


setattr(SearchSpace, "watch", _watch)  # noqa: B010


class _SearchRoom(ModuleType):
    """The room of the algorithm, which can be called: a search in one call."""

    def __call__(self, data: Any, *, hours: float, **options: Any) -> Any:
        """See :func:`optuna_popnas.objective.one_call.search`."""
        from optuna_popnas.objective.one_call import search

        return search(data, hours=hours, **options)


_search_room.__class__ = _SearchRoom


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        value = getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    elif name in _SUBPACKAGES:
        value = import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, *_SUBPACKAGES})
