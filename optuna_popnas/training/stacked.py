"""Several seeds of one cell, trained as one network.

Networks of a few channels leave most of a processor idle. Here the networks of several seeds lie
side by side in the channels of one stack: convolutions become grouped ones, batch normalisation
and pooling work per channel anyway, and the classifier is one batched product. No number of one
network meets a number of another; with the same batches each network of the stack learns what it
would learn alone, up to rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
import copy
from typing import Any

import torch
from torch import nn
from torch import Tensor

from optuna_popnas.networks import operations
from optuna_popnas.networks.cell import BlockModule
from optuna_popnas.networks.cell import CellModule
from optuna_popnas.networks.config import NetworkConfig
from optuna_popnas.networks.network import Head
from optuna_popnas.networks.network import Network
from optuna_popnas.space import Cell
from optuna_popnas.space.operators import parse_operator


# Layers without weights that treat every channel alike: a stack of channels needs no change.
_PER_CHANNEL = (
    nn.AvgPool2d,
    nn.ConstantPad2d,
    nn.Dropout,
    nn.GELU,
    nn.Identity,
    nn.LeakyReLU,
    nn.MaxPool2d,
    nn.ReLU,
    nn.ReflectionPad2d,
    nn.ReplicationPad2d,
    nn.SiLU,
    nn.ZeroPad2d,
)
_CONTAINERS = (BlockModule, CellModule, Head, Network, nn.ModuleDict, nn.ModuleList, nn.Sequential)
_WITH_WEIGHTS = (nn.BatchNorm2d, nn.Conv2d, nn.ConvTranspose2d)


def can_stack(cell: Cell, config: NetworkConfig) -> bool:
    """Whether networks of this cell can be stacked.

    All operators of the thesis can. Operators that users registered can if they are made of
    convolutions, batch normalisation, pooling and activations in ``nn.Sequential``.
    """
    width = config.filters
    with torch.device("meta"):
        modules = [
            parse_operator(name).build(channels, width, stride)
            for name in sorted(set(cell.operators))
            for channels, stride in ((width, 1), (1, 2))
        ]
    return all(_is_stackable(module) for module in modules)


def _is_stackable(module: nn.Module) -> bool:
    if type(module) is nn.Sequential or _is_own(module):
        return all(_is_stackable(child) for child in module.children())
    return type(module) in (*_PER_CHANNEL, *_WITH_WEIGHTS)


def _is_own(module: nn.Module) -> bool:
    """Whether it is one of this package's operators, all of which work channel by channel."""
    return type(module).__module__ == operations.__name__


class StackedNetwork(nn.Module):
    """Networks of one cell, side by side in the channels of one.

    Args:
        networks: Networks of the same cell and settings. They keep the weights they have until
            :meth:`unstack`.

    Raises:
        ValueError: The networks differ, or have layers that cannot be stacked.

    Attributes:
        config: Settings of the networks.
        layout: Their cells.
        output_weights: Weights of their outputs' losses.
    """

    def __init__(self, networks: Sequence[Network]) -> None:
        super().__init__()
        first = networks[0]
        for network in networks:
            if network.cell != first.cell or network.config != first.config:
                raise ValueError(
                    "Stacked networks must be of one cell and configuration, "
                    f"but got {first.cell} and {network.cell}."
                )
        self.config = first.config
        self.layout = first.layout
        self.output_weights = first.output_weights
        # In a tuple, they are no parts of this module.
        self._originals = tuple(networks)
        self._pairs: list[tuple[Tensor, tuple[Tensor, ...]]] = []
        self.stack: nn.Module = self._stacked(list(networks))

    def forward(self, images: Tensor) -> Any:
        """Classify S times as many channels of images as one network takes.

        Args:
            images: ``(N, S * in_channels, H, W)``, those of the first network first.

        Returns:
            Logits ``(N, S, classes)``, or in training a list of them if there are several
            outputs.
        """
        return self.stack(images)

    def set_progress(self, fraction: float) -> None:
        """Tell scheduled drop path how much of the training is done, from 0 to 1."""
        for module in self.modules():
            if isinstance(module, Network):
                module.set_progress(fraction)

    def unstack(self) -> tuple[Network, ...]:
        """Return the networks, with the weights and averages that the stack has now."""
        with torch.no_grad():
            for whole, parts in self._pairs:
                for part, piece in zip(parts, whole.chunk(len(parts))):
                    part.copy_(piece.reshape(part.shape))
        for network in self._originals:
            network.to(self._pairs[0][0].device).train(self.training)
        return self._originals

    def _stacked(self, modules: list[Any]) -> nn.Module:
        """Return one module that does what these do, one for each network."""
        first, count = modules[0], len(modules)
        if isinstance(first, nn.Conv2d):
            return self._convolution(modules, nn.Conv2d)
        if isinstance(first, nn.ConvTranspose2d):
            return self._convolution(modules, nn.ConvTranspose2d)
        if isinstance(first, nn.BatchNorm2d):
            norm = nn.BatchNorm2d(
                count * first.num_features, eps=first.eps, momentum=first.momentum
            )
            for name in ("weight", "bias", "running_mean", "running_var"):
                self._join(getattr(norm, name), [getattr(m, name) for m in modules])
            return norm
        if isinstance(first, nn.Linear):
            linear = _StackedLinear(count, first.in_features, first.out_features)
            for name in ("weight", "bias"):
                self._join(getattr(linear, name), [getattr(m, name) for m in modules])
            return linear
        if not (isinstance(first, _CONTAINERS) or _is_own(first)):
            if type(first) in _PER_CHANNEL:
                return copy.deepcopy(first)
            raise ValueError(
                f"Layers of stacked networks must work channel by channel, but got {first}. "
                "Train with seeds=1."
            )
        # The container itself, with other parts.
        result = copy.copy(first)
        result._modules = {
            name: self._stacked([module._modules[name] for module in modules])
            for name in first._modules
        }
        result._buffers = {
            name: None if buffer is None else buffer.clone()
            for name, buffer in first._buffers.items()
        }
        if isinstance(first, Network):
            result.in_channels = count * first.in_channels
        if isinstance(first, CellModule) and len(first.outputs) > 1:
            result.project = nn.Sequential(_Regroup(len(first.outputs), count), result.project)
        if isinstance(first, BlockModule):
            return _StackedBlock(result, count)
        return result

    def _convolution(self, modules: list[Any], kind: type[Any]) -> nn.Module:
        first, count = modules[0], len(modules)
        conv = kind(
            count * first.in_channels,
            count * first.out_channels,
            first.kernel_size,
            stride=first.stride,
            padding=first.padding,
            dilation=first.dilation,
            groups=count * first.groups,
            bias=first.bias is not None,
        )
        if kind is nn.ConvTranspose2d:
            conv.output_padding = first.output_padding
        for name in ("weight", "bias"):
            if getattr(first, name) is not None:
                self._join(getattr(conv, name), [getattr(m, name) for m in modules])
        return conv

    def _join(self, whole: Tensor, parts: list[Tensor]) -> None:
        with torch.no_grad():
            whole.copy_(torch.cat(list(parts)).view(whole.shape))
        self._pairs.append((whole, tuple(parts)))


class _StackedLinear(nn.Module):
    """A linear layer per network: ``(N, S * in_features)`` to ``(N, S, out_features)``."""

    def __init__(self, networks: int, in_features: int, out_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(networks, out_features, in_features))
        self.bias = nn.Parameter(torch.empty(networks, out_features))

    def forward(self, x: Tensor) -> Tensor:
        networks = len(self.weight)
        x = x.view(len(x), networks, -1).transpose(0, 1)
        logits = torch.baddbmm(self.bias[:, None], x, self.weight.transpose(1, 2))
        return logits.transpose(0, 1)


class _Regroup(nn.Module):
    """Order channels by network, then by tensor, after a concatenation of stacked tensors."""

    def __init__(self, tensors: int, networks: int) -> None:
        super().__init__()
        self.tensors = tensors
        self.networks = networks

    def forward(self, x: Tensor) -> Tensor:
        return _regrouped(x, self.tensors, self.networks)


def _regrouped(x: Tensor, tensors: int, networks: int) -> Tensor:
    count, channels, height, width = x.shape
    last = x.permute(0, 2, 3, 1).reshape(count, height, width, tensors, networks, -1)
    last = last.transpose(3, 4).reshape(count, height, width, channels)
    return last.permute(0, 3, 1, 2)


class _StackedBlock(nn.Module):
    """Two stacked operators and their join; see :class:`optuna_popnas.networks.cell.BlockModule`.

    Args:
        block: A block whose operators are stacked.
        networks: Number of networks.
    """

    def __init__(self, block: BlockModule, networks: int) -> None:
        super().__init__()
        self.block = block
        self.networks = networks

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        block = self.block
        first, second = block.first(first), block.second(second)
        if self.training and block.drop_probability is not None:
            first, second = self._dropped(first, second, block.drop_probability)
        if block.concat:
            return _regrouped(torch.cat((first, second), dim=1), 2, self.networks)
        return first + second

    def _dropped(
        self, first: Tensor, second: Tensor, probability: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Drop one of two paths for some images of each network, never both."""
        # A network's own draw for each of its images, repeated over its channels.
        draw = torch.rand((len(first), self.networks, 1, 1), device=first.device)
        draw = draw.repeat_interleave(first.shape[1] // self.networks, dim=1)
        scale = 1 / (1 - probability)
        return (
            first * ((draw >= probability) * scale).to(first.dtype),
            second * ((draw < 1 - probability) * scale).to(second.dtype),
        )
