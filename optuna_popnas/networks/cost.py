"""Parameters and floating-point operations of networks, counted without building them.

For a given set of lookbacks the cost of a branch depends on its operator and its input alone, so
that the cost of a cell is a sum of table entries: hundreds of thousands of cells take a fraction
of a second. Parameters are those of the PyTorch module, exactly. Multiply-accumulates (MACs) are
those of its convolutions and linear layers, for one image; normalisation, activation, pooling
and addition are not counted. One MAC is two floating-point operations (FLOPs).

The functions named after operator families have the signature of the operator table:
``(kernel, in_channels, out_channels, stride, height, width) -> (parameters, macs)`` with the
height and width of the *input*.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.networks.config import NetworkConfig
from optuna_popnas.networks.layout import CellLayout
from optuna_popnas.networks.layout import network_layout
from optuna_popnas.space.batch import CellBatch
from optuna_popnas.space.cell import Cell
from optuna_popnas.space.grammar import Grammar
from optuna_popnas.space.operators import parse_operator
from optuna_popnas.space.search_space import SearchSpace


Counts = npt.NDArray[np.int64]
Cost = tuple[int, int]

#: What a network costs besides :class:`CellCosts`: known once it has been trained.
MEASURED_COSTS = ("latency", "peak_memory")

_ROWS = 1 << 17


class CellCosts(NamedTuple):
    """Costs of the networks of some cells.

    Attributes:
        parameters: ``(n,)`` trainable parameters.
        flops: ``(n,)`` floating-point operations for one image: two per multiply-accumulate.
    """

    parameters: Counts
    flops: Counts


def cell_costs(
    cells: Sequence[Cell],
    config: NetworkConfig | None = None,
    *,
    in_channels: int,
    classes: int,
    image_size: int | tuple[int, int],
    space: SearchSpace | None = None,
) -> CellCosts:
    """Return the costs of the networks of many cells.

    Args:
        cells: A :class:`~optuna_popnas.space.CellBatch`, or any sequence of cells.
        config: Settings of the networks; the thesis' if left out.
        in_channels: Channels of the images.
        classes: Number of classes.
        image_size: Side of the images, or (height, width), in pixels.
        space: The space of the cells, if they are no batch; found out if left out.

    Raises:
        ValueError: The images are too small for the reductions, or a cell is not in the space.
    """
    config = config or NetworkConfig()
    size = config.check_image_size(image_size)
    config = config.for_images(size)
    batch = cells if isinstance(cells, CellBatch) else _batch_of(cells, space)
    total = np.empty((len(batch), 2), dtype=np.int64)
    lookbacks = batch.space.lookbacks
    for start in range(0, len(batch), _ROWS):
        part = batch.take(np.arange(start, min(start + _ROWS, len(batch))))
        present = part.present[:, :, None]
        inputs = part.inputs.astype(np.intp)
        operators = part.operators.astype(np.intp)
        # Bit d-1: the cell reads lookback -d. Cells with equal bits have the same layout.
        bits = np.where(present & (inputs < 0), 1 << (np.clip(-inputs, 1, None) - 1), 0)
        groups = np.bitwise_or.reduce(bits, axis=(1, 2), dtype=np.intp)
        outputs = _output_counts(inputs, present, part.lengths, config)
        # Places of the table: the block first, then lookbacks -1, -2 ...; absent slots last.
        sources = np.where(inputs < 0, -inputs, 0)
        slots = np.where(present, sources * len(batch.space.operators) + operators, -1)
        for group in np.unique(groups):
            read = tuple(-d for d in range(lookbacks, 0, -1) if group >> (d - 1) & 1)
            table, joins, fixed = _tables(
                read, config, batch.space, in_channels, classes, size, inputs.shape[1]
            )
            rows = np.flatnonzero(groups == group)
            cost = table[slots[rows]].sum(axis=(1, 2)) + joins[outputs[rows]] + fixed
            total[start + rows] = cost
    return CellCosts(total[:, 0].copy(), 2 * total[:, 1])


def _batch_of(cells: Sequence[Cell], space: SearchSpace | None) -> CellBatch:
    return CellBatch.from_cells(space or SearchSpace.of(cells), cells)


def _output_counts(
    inputs: npt.NDArray[np.intp],
    present: npt.NDArray[np.bool_],
    lengths: npt.NDArray[np.intp],
    config: NetworkConfig,
) -> npt.NDArray[np.intp]:
    # How many blocks a cell's output is made of.
    if config.concat_all:
        return lengths
    used = np.zeros(len(lengths), dtype=np.intp)
    for block in range(inputs.shape[1]):
        used += np.any(present & (inputs == block), axis=(1, 2))
    return lengths - used


def _tables(
    lookbacks: tuple[int, ...],
    config: NetworkConfig,
    space: Grammar,
    in_channels: int,
    classes: int,
    size: tuple[int, int],
    blocks: int,
) -> tuple[Counts, Counts, Counts]:
    """Return the costs that cells with these lookbacks are made of, summed over the network.

    Returns:
        ``(slots + 1, 2)`` costs of a branch by input and operator, ``(blocks + 1, 2)`` costs of
        joining so many blocks to the output, ``(2,)`` costs of what every such network has.
    """
    fixed = np.zeros(2, dtype=np.int64)
    if lookbacks:
        for channels, filters in config.stem_channels(in_channels):
            fixed += convolution((3, 3), channels, filters, 2, *size)
            in_channels, size = filters, _shrunk(size, 2)
    layout = network_layout(lookbacks, config, in_channels=in_channels)
    names = space.operators
    table = np.zeros(((space.lookbacks + 1) * len(names) + 1, 2), dtype=np.int64)
    joins = np.zeros((blocks + 1, 2), dtype=np.int64)
    wide = 2 if config.join == "concat" else 1
    for place in layout:
        read = _shrunk(size, place.shrink)
        made = _shrunk(read, 2) if place.reduction else read
        for column, name in enumerate(names):
            channels = wide * place.filters
            table[column] += operator_cost(name, channels, place.filters, 1, *made)
            for lookback in lookbacks:
                channels = place.lookbacks[lookback].channels
                stride = 2 if place.reduction else 1
                cost = operator_cost(name, channels, place.filters, stride, *read)
                table[-lookback * len(names) + column] += cost
        fixed += _reshapes(place, size)
        for count in range(1, blocks + 1):
            joined = wide * count * place.filters
            if joined != place.filters:
                joins[count] += convolution((1, 1), joined, place.filters, 1, *made)
    widths = [place.filters for place in layout] or [in_channels]
    for width in widths if config.multi_output else widths[-1:]:
        fixed += (width * classes + classes, 0)
    fixed += (0, widths[-1] * classes)  # only the last classifier is used in inference
    return table, joins, fixed


def _reshapes(place: CellLayout, size: tuple[int, int]) -> Counts:
    total = np.zeros(2, dtype=np.int64)
    for read in place.lookbacks.values():
        if read.stride > 1:
            larger = _shrunk(size, place.shrink // read.stride)
            total += convolution((1, 1), read.source_channels, read.channels, read.stride, *larger)
    return total


def _shrunk(size: tuple[int, int], factor: int) -> tuple[int, int]:
    return -(-size[0] // factor), -(-size[1] // factor)


def operator_cost(
    name: str, in_channels: int, out_channels: int, stride: int, height: int, width: int
) -> Cost:
    """Return (parameters, MACs) of an operator on one image of ``height x width`` pixels."""
    function = parse_operator(name).cost_function
    if function is None:
        return _measured(name, in_channels, out_channels, stride, height, width)
    kernel = parse_operator(name).kernel
    parameters, macs = function(kernel, in_channels, out_channels, stride, height, width)
    return int(parameters), int(macs)


def _measured(
    name: str, in_channels: int, out_channels: int, stride: int, height: int, width: int
) -> Cost:
    from optuna_popnas.networks.measure import measure_operator

    return measure_operator(name, in_channels, out_channels, stride, height, width)


def identity(
    kernel: Sequence[int],
    in_channels: int,
    out_channels: int,
    stride: int,
    height: int,
    width: int,
) -> Cost:
    """Return the cost of the tensor itself (none) or of a strided 1x1 convolution unit."""
    if stride == 1 and in_channels == out_channels:
        return 0, 0
    return convolution((1, 1), in_channels, out_channels, stride, height, width)


def convolution(
    kernel: Sequence[int],
    in_channels: int,
    out_channels: int,
    stride: int,
    height: int,
    width: int,
) -> Cost:
    """Return the cost of a convolution with bias and of its batch normalisation."""
    weights = kernel[0] * kernel[1] * in_channels * out_channels
    rows, columns = _shrunk((height, width), stride)
    return weights + 3 * out_channels, weights * rows * columns


dilated = convolution


def spatially_separable(
    kernel: Sequence[int],
    in_channels: int,
    out_channels: int,
    stride: int,
    height: int,
    width: int,
) -> Cost:
    """Return the cost of an ``AxB`` and a ``CxD`` convolution unit."""
    first = convolution(kernel[:2], in_channels, out_channels, stride, height, width)
    size = _shrunk((height, width), stride)
    second = convolution(kernel[2:], out_channels, out_channels, 1, *size)
    return first[0] + second[0], first[1] + second[1]


def depthwise_separable(
    kernel: Sequence[int],
    in_channels: int,
    out_channels: int,
    stride: int,
    height: int,
    width: int,
) -> Cost:
    """Return the cost of a depthwise (no bias) and a pointwise convolution."""
    rows, columns = _shrunk((height, width), stride)
    depthwise = kernel[0] * kernel[1] * in_channels
    parameters, macs = convolution((1, 1), in_channels, out_channels, 1, rows, columns)
    return depthwise + parameters, depthwise * rows * columns + macs


def max_pooling(
    kernel: Sequence[int],
    in_channels: int,
    out_channels: int,
    stride: int,
    height: int,
    width: int,
) -> Cost:
    """Return the cost of the 1x1 convolution unit that follows if the channels change."""
    size = _shrunk((height, width), stride)
    return identity((), in_channels, out_channels, 1, *size)


average_pooling = max_pooling


def transposed(
    kernel: Sequence[int],
    in_channels: int,
    out_channels: int,
    stride: int,
    height: int,
    width: int,
) -> Cost:
    """Return the cost of a transposed convolution to twice the size and a convolution back."""
    weights = kernel[0] * kernel[1] * in_channels * out_channels
    parameters, macs = convolution(
        kernel, out_channels, out_channels, 2 * stride, 2 * height, 2 * width
    )
    # A transposed convolution multiplies every input pixel with the whole kernel.
    return weights + 3 * out_channels + parameters, weights * height * width + macs
