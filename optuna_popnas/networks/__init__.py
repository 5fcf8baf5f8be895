"""From cell to network (Sec. 4.2): settings, layout, costs, and the PyTorch modules.

Settings, layout and costs load without PyTorch.
"""

from __future__ import annotations

from typing import Any, TYPE_CHECKING

from optuna_popnas.networks.config import NetworkConfig
from optuna_popnas.networks.cost import cell_costs
from optuna_popnas.networks.cost import CellCosts
from optuna_popnas.networks.layout import CellLayout
from optuna_popnas.networks.layout import network_layout


if TYPE_CHECKING:
    from optuna_popnas.networks.network import build_network
    from optuna_popnas.networks.network import Network


__all__ = [
    "CellCosts",
    "CellLayout",
    "Network",
    "NetworkConfig",
    "build_network",
    "cell_costs",
    "network_layout",
]

_TORCH = ("Network", "build_network")


def __getattr__(name: str) -> Any:
    if name in _TORCH:
        from optuna_popnas.networks import network

        return getattr(network, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
