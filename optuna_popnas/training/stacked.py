"""Several seeds of one cell, trained as one network.

Networks of a few channels leave most of a processor idle. Here the networks of several seeds lie
side by side in the channels of one stack: convolutions become grouped ones, batch normalisation
and pooling work per channel anyway, and the classifier is one batched product. No number of one
network meets a number of another; with the same batches each network of the stack learns what it
would learn alone, up to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
import copy
from typing import Any

import torch
from torch import nn
from torch import Tensor

from optuna_popnas.networks.cell import BlockModule
from optuna_popnas.networks.cell import CellModule
from optuna_popnas.networks.config import NetworkConfig
from optuna_popnas.networks.network import Head
from optuna_popnas.networks.network import Network
from optuna_popnas.networks.operations import drop_paths
from optuna_popnas.space import Cell
from optuna_popnas.space.operators import parse_operator


# Layers that treat every channel alike, so that a stack of channels needs no change.
_PER_CHANNEL = (
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.ZeroPad2d,
    nn.Identity,
    nn.Dropout,
    nn.SiLU,
    nn.ReLU,
    nn.GELU,
)
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_OWN = (Network, CellModule, BlockModule, Head)


def can_stack(cell: Cell, config: NetworkConfig) -> bool:
    """Whether networks of this cell can be stacked.

    Operators registered by users can be stacked if they are made of convolutions, batch
    normalisation, pooling and activations in ``nn.Sequential``.
    """
    operators = {name for block in cell for name in (block.op1, block.op2)}
    with torch.device("meta"):
        modules = [
            parse_operator(name).build(channels, 4, stride)
            for name in operators
            for channels, stride in ((4, 1), (2, 2))
        ]
    return all(_is_stackable(module) for module in modules)


def stack_networks(networks: Sequence[Network]) -> StackedNetwork:
    """Return one network that computes what all of these do, side by side.

    Args:
        networks: Networks of the same cell and settings, at least one.

    Raises:
        ValueError: The networks differ, or have layers that cannot be stacked.
    """
    first = networks[0]
    for network in networks:
        same = network.cell == first.cell and network.config == first.config
        if not same or network.classes != first.classes:
            raise ValueError(
                "Stacked networks must be of one cell and configuration, "
                f"but got {first.cell} and {network.cell}."
            )
    return StackedNetwork(_stack(list(networks)), len(networks))


def unstack(stack: nn.Module) -> list[Network]:
    """Return the networks of a stack, each with its weights.

    Raises:
        ValueError: The module is no stack.
    """
    if not isinstance(stack, StackedNetwork):
        raise ValueError(f"`stack` must be a StackedNetwork, but got {type(stack).__name__}.")
    count = stack.networks
    networks = []
    for index in range(count):
        template = stack.network
        network = Network(
            template.cell,
            template.config,
            in_channels=template.in_channels // count,
            classes=template.classes,
        )
        state = {}
        for name, tensor in template.state_dict().items():
            # Block names gain a level where a projection was wrapped.
            own = name.replace("project.1.", "project.") if "project.1." in name else name
            state[own] = _part(tensor, index, count)
        target = network.state_dict()
        network.load_state_dict({n: t.view(target[n].shape) for n, t in state.items()})
        networks.append(network.to(next(stack.parameters()).device).train(stack.training))
    return networks
