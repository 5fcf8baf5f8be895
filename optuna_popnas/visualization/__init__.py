"""See a search: figures, drawings, a report, optuna-dashboard.

Everything is imported when it is first used; plotly loads with the first figure.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from optuna_popnas.visualization.cell_drawing import draw_cell as draw_cell
    from optuna_popnas.visualization.network_drawing import draw_network as draw_network

_HOMES = {
    "draw_cell": "cell_drawing",
    "draw_network": "network_drawing",
}

__all__ = ["draw_cell", "draw_network"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
