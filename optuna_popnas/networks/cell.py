"""A cell as a PyTorch module (Sec. 4.2.1)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch import Tensor

from optuna_popnas.networks.config import NetworkConfig
from optuna_popnas.networks.layout import CellLayout
from optuna_popnas.networks.operations import conv_unit
from optuna_popnas.networks.operations import drop_paths
from optuna_popnas.space.cell import Block
from optuna_popnas.space.cell import Cell
from optuna_popnas.space.operators import parse_operator


class BlockModule(nn.Module):
    """Two operators and their join.

    Args:
        block: The block.
        channels: Channels of what each input value stands for.
        layout: The cell's place in the network.
        config: Settings of the network.
    """

    def __init__(
        self, block: Block, channels: Mapping[int, int], layout: CellLayout, config: NetworkConfig
    ) -> None:
        super().__init__()
        self.concat = config.join == "concat"
        # In a reduction cell operators on lookbacks halve the image; those on blocks do not.
        first, second = (
            parse_operator(name).build(
                channels[source], layout.filters, 2 if layout.reduction and source < 0 else 1
            )
            for source, name in ((block.in1, block.op1), (block.in2, block.op2))
        )
        self.first: nn.Module = first
        self.second: nn.Module = second
        self.drop_rate = config.drop_path * (layout.position + 1) / config.total_cells
        self.drop_probability: Tensor | None
        probability = torch.tensor(self.drop_rate) if self.drop_rate else None
        self.register_buffer("drop_probability", probability, persistent=False)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Join the operators' results.

        Args:
            first: ``(N, C, H, W)``, input of the first operator.
            second: ``(N, C', H', W')``, input of the second.

        Returns:
            ``(N, F, h, w)``, or ``(N, 2F, h, w)`` if the join is concatenation.
        """
        first, second = self.first(first), self.second(second)
        if self.training and self.drop_probability is not None:
            first, second = drop_paths(first, second, self.drop_probability)
        if self.concat:
            return torch.cat((first, second), dim=1)
        return first + second


class CellModule(nn.Module):
    """One cell of a network.

    Args:
        cell: The cell, with at least one block.
        layout: Its place in the network.
        config: Settings of the network.
    """

    def __init__(self, cell: Cell, layout: CellLayout, config: NetworkConfig) -> None:
        super().__init__()
        self.cell = cell
        # One 1x1 unit per lookback that is larger than the previous cell's output.
        self.reshapes = nn.ModuleDict(
            {
                str(lookback): conv_unit((1, 1), read.source_channels, read.channels, read.stride)
                for lookback, read in layout.lookbacks.items()
                if read.stride > 1
            }
        )
        width = layout.filters * (2 if config.join == "concat" else 1)
        channels = {lookback: read.channels for lookback, read in layout.lookbacks.items()}
        channels.update((index, width) for index in range(len(cell)))
        self.blocks = nn.ModuleList(BlockModule(block, channels, layout, config) for block in cell)
        self.outputs = tuple(range(len(cell))) if config.concat_all else cell.outputs
        joined = width * len(self.outputs)
        self.project: nn.Module = nn.Identity()
        if joined != layout.filters:
            self.project = conv_unit((1, 1), joined, layout.filters, 1)

    def forward(self, lookbacks: Mapping[int, Tensor]) -> Tensor:
        """Compute the cell's output.

        Args:
            lookbacks: Lookback -> ``(N, C, H, W)``.

        Returns:
            ``(N, filters, h, w)``.
        """
        values = dict(lookbacks)
        for name, reshape in self.reshapes.items():
            values[int(name)] = reshape(values[int(name)])
        for index, (block, (in1, _, in2, _)) in enumerate(zip(self.blocks, self.cell)):
            values[index] = block(values[in1], values[in2])
        if len(self.outputs) == 1:
            joined = values[self.outputs[0]]
        else:
            joined = torch.cat([values[index] for index in self.outputs], dim=1)
        result: Tensor = self.project(joined)
        return result
