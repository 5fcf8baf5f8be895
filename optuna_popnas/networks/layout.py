"""Which cells of a network are built, and what each of them reads (Sec. 4.2).

The layout depends on the lookbacks that a cell reads and on nothing else of it, so that a search
space has few layouts: three with two lookbacks. Networks are built from it and costs are counted
from it. No PyTorch here.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from optuna_popnas.networks.config import NetworkConfig


#: Index of the input image among the cells: what the first cells look back to.
IMAGE = -1


class Lookback(NamedTuple):
    """What one lookback of one cell of a network stands for.

    Attributes:
        source: Index of the cell it is the output of, or ``IMAGE``.
        source_channels: Channels of that tensor.
        stride: 1, or how much larger the tensor is than the previous cell's output, because of
            the reductions between them: a 1x1 convolution unit with this stride, shared by the
            blocks of the cell, brings it to the previous cell's shape.
        channels: Channels of what the blocks read: after that unit, if there is one.
    """

    source: int
    source_channels: int
    stride: int
    channels: int


class CellLayout(NamedTuple):
    """One cell of a network.

    Attributes:
        position: Its place, counted from 0; places that no later cell reads are not built.
        reduction: Whether operators on lookbacks have stride 2.
        filters: Channels of its output.
        shrink: Side of the image over the side of the previous cell's output (a power of 2).
        lookbacks: What its lookbacks stand for, such as ``{-1: Lookback(...)}``.
    """

    position: int
    reduction: bool
    filters: int
    shrink: int
    lookbacks: dict[int, Lookback]


def network_layout(
    lookbacks: Iterable[int], config: NetworkConfig, *, in_channels: int
) -> tuple[CellLayout, ...]:
    """Return the cells that are built, first to last.

    Only cells that the last one depends on are built: a cell that reads nothing but lookback
    ``-d`` is built ``ceil(total_cells / d)`` times. The filters double at a reduction's place
    even if that reduction is not built (its successor halves the image when it looks back).

    Args:
        lookbacks: Lookbacks that the cell reads, such as ``(-2, -1)``; none for the empty cell.
        config: Settings of the network.
        in_channels: Channels of the image.
    """
    return _layout(tuple(sorted(set(lookbacks))), config, in_channels)


@cache
def _layout(
    lookbacks: tuple[int, ...], config: NetworkConfig, in_channels: int
) -> tuple[CellLayout, ...]:
    if not lookbacks:
        return ()
    reductions = config.reductions
    built: set[int] = set()
    waiting = [config.total_cells - 1]
    while waiting:
        index = waiting.pop()
        if index < 0 or index in built:
            continue
        built.add(index)
        waiting.extend(index + lookback for lookback in lookbacks)

    cells = []
    for index in sorted(built):
        read = {}
        for lookback in lookbacks:
            source = max(index + lookback, IMAGE)
            channels = in_channels if source == IMAGE else config.filters_at(source)
            between = sum(source < reduction < index for reduction in reductions)
            target = config.filters_at(index - 1) if between else channels
            read[lookback] = Lookback(source, channels, 1 << between, target)
        before = sum(reduction < index for reduction in reductions)
        cells.append(
            CellLayout(index, index in reductions, config.filters_at(index), 1 << before, read)
        )
    return tuple(cells)
