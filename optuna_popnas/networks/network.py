"""The whole network of a cell (Sec. 4.2)."""

from __future__ import annotations

import torch
from torch import nn
from torch import Tensor

from optuna_popnas.networks.cell import BlockModule
from optuna_popnas.networks.cell import CellModule
from optuna_popnas.networks.config import NetworkConfig
from optuna_popnas.networks.layout import IMAGE
from optuna_popnas.networks.layout import network_layout
from optuna_popnas.networks.operations import conv_unit
from optuna_popnas.space.cell import Cell


class Network(nn.Module):
    """A stack of cells and a classifier: see :func:`build_network`.

    Attributes:
        cell: The cell.
        config: Settings.
        in_channels: Channels of the images.
        classes: Number of classes.
        layout: What each cell reads, see :mod:`optuna_popnas.networks.layout`.
        output_weights: Weights of the classifiers' losses, last one 1, halved backwards.
    """

    def __init__(
        self, cell: Cell, config: NetworkConfig, *, in_channels: int, classes: int
    ) -> None:
        super().__init__()
        for name, value in (("in_channels", in_channels), ("classes", classes)):
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"`{name}` must be an integer of at least 1, but got {value!r}.")
        self.cell = cell
        self.config = config
        self.in_channels = in_channels
        self.classes = classes
        stem = config.stem_channels(in_channels) if cell.lookbacks else ()
        self.stem = nn.Sequential(*(conv_unit((3, 3), *channels, 2) for channels in stem))
        first = stem[-1][1] if stem else in_channels
        self.layout = network_layout(cell.lookbacks, config, in_channels=first)
        self.cells = nn.ModuleList(CellModule(cell, place, config) for place in self.layout)
        widths = [place.filters for place in self.layout] or [in_channels]
        if not config.multi_output:
            widths = widths[-1:]
        self.heads = nn.ModuleList(Head(width, classes, config.dropout) for width in widths)
        self.output_weights = tuple(0.5**n for n in reversed(range(len(widths))))

    def forward(self, images: Tensor) -> Tensor | list[Tensor]:
        """Classify images.

        Args:
            images: ``(N, in_channels, H, W)``.

        Returns:
            Logits ``(N, classes)``. With ``multi_output``, in training mode: a list of them, one
            per cell, the last one the network's own.

        Raises:
            ValueError: The images have other channels or are too small for the reductions.
        """
        if images.shape[1] != self.in_channels:
            raise ValueError(
                f"Images must have {self.in_channels} channels for this network, "
                f"but got {images.shape[1]}. Use images like those it was built for."
            )
        if self.layout:
            self.config.check_image_size((images.shape[2], images.shape[3]))
        every_head = self.training and len(self.heads) > 1
        last = self.stem(images)
        values = {IMAGE: last}
        logits = []
        for head, (place, cell) in enumerate(zip(self.layout, self.cells)):
            last = cell({back: values[read.source] for back, read in place.lookbacks.items()})
            values[place.position] = last
            if every_head:
                logits.append(self.heads[head](last))
        if every_head:
            return logits
        result: Tensor = self.heads[-1](last)
        return result

    def set_progress(self, fraction: float) -> None:
        """Tell scheduled drop path how much of the training is done, from 0 to 1."""
        for module in self.modules():
            if isinstance(module, BlockModule) and module.drop_probability is not None:
                module.drop_probability.fill_(module.drop_rate * fraction)


class Head(nn.Module):
    """Global average pooling, dropout and a linear classifier.

    Args:
        channels: Channels of the input.
        classes: Number of classes.
        dropout: Probability of dropping a feature.
    """

    def __init__(self, channels: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.linear = nn.Linear(channels, classes)
        nn.init.xavier_uniform_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, C, H, W)`` to logits ``(N, classes)``."""
        logits: Tensor = self.linear(self.dropout(torch.mean(x, dim=(2, 3))))
        return logits


def build_network(
    cell: Cell, config: NetworkConfig | None = None, *, in_channels: int, classes: int
) -> Network:
    """Build the network of a cell (Sec. 4.2).

    M motifs of N normal cells and one reduction cell are stacked, without a stem unless one is
    asked for: the lookbacks of the first cells are the image. Weights are drawn from PyTorch's
    global generator.

    Args:
        cell: The cell; the empty one gives pooling and a linear classifier.
        config: Settings; the thesis' if left out.
        in_channels: Channels of the images: 3 for colour, 1 for grey.
        classes: Number of classes.

    Returns:
        A module that maps ``(N, in_channels, H, W)`` to logits ``(N, classes)``.

    Raises:
        ValueError: A number is out of range.

    Example:
        >>> from optuna_popnas import build_network, Cell
        >>> network = build_network(
        ...     Cell([(-2, "3x3 conv", -1, "2x2 maxpool")]), in_channels=3, classes=10
        ... )
        >>> len(network.cells)
        8
    """
    return Network(cell, config or NetworkConfig(), in_channels=in_channels, classes=classes)
