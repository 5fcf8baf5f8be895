"""POPNASv2, Pareto-optimal progressive neural architecture search, as an Optuna sampler.

The paper is A. Falanti's thesis "POPNASv2: Efficient Neural Architecture Search through
Time-Accuracy Optimization" (Politecnico di Milano, 2022). PyTorch and CatBoost are loaded when
needed, so that importing this package is about as quick as importing Optuna.
"""

from types import ModuleType
from typing import Any

import lazy_loader

from optuna_popnas import search as _search_room
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


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
