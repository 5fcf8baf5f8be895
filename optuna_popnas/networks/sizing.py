"""The size of a final network: filters and cells that fit a range of parameters (Sec. 6.3)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from optuna_popnas.networks.config import NetworkConfig
from optuna_popnas.networks.cost import cell_costs
from optuna_popnas.space.cell import Cell


_MOST_FILTERS = 4096
_MOST_NORMAL_CELLS = 12


def fit_parameters(
    cell: Cell,
    config: NetworkConfig,
    parameters: tuple[int, int],
    *,
    in_channels: int,
    classes: int,
    image_size: int | tuple[int, int],
) -> NetworkConfig:
    """Return settings with which a cell's network has a number of parameters in a range.

    Normal cells stay as they are if some number of filters fits; of those that fit the largest
    multiple of 8 is taken, else of 4, 2, 1. Else the nearest number of normal cells that fits is
    taken. Motifs never change: they are bound to the size of the images.

    Args:
        cell: The cell.
        config: The settings to start from.
        parameters: Smallest and largest number of parameters.
        in_channels: Channels of the images.
        classes: Number of classes.
        image_size: Side of the images, or (height, width), in pixels.

    Raises:
        ValueError: The range is empty, or nothing fits.

    Example:
        >>> cell = Cell([(-1, "3x3 conv", -1, "identity")])
        >>> fit_parameters(
        ...     cell, NetworkConfig(), (900_000, 1_100_000),
        ...     in_channels=3, classes=10, image_size=32,
        ... ).filters
        48
    """
    low, high = parameters
    if not 0 < low <= high:
        raise ValueError(
            "`parameters` must be a range (smallest, largest) of positive numbers, "
            f"but got {tuple(parameters)!r}."
        )

    def count(settings: NetworkConfig) -> int:
        costs = cell_costs(
            [cell], settings, in_channels=in_channels, classes=classes, image_size=image_size
        )
        return int(costs.parameters[0])

    def most_filters(normal_cells: int, limit: int) -> int:
        """Return the largest number of filters with at most this many parameters, 0 if none."""
        few, many = 0, _MOST_FILTERS + 1
        while many - few > 1:
            middle = (few + many) // 2
            settings = replace(config, normal_cells=normal_cells, filters=middle)
            if count(settings) <= limit:
                few = middle
            else:
                many = middle
        return few

    for normal_cells in _nearest(config.normal_cells):
        most = most_filters(normal_cells, high)
        least = most_filters(normal_cells, low - 1) + 1
        if len(cell) and least <= most:
            step = next(step for step in (8, 4, 2, 1) if most // step * step >= least)
            return replace(config, normal_cells=normal_cells, filters=most // step * step)
    smallest = count(replace(config, filters=1, normal_cells=1))
    raise ValueError(
        f"`parameters` must be a range that a network of this cell can have, but got {low} to "
        f"{high}; the smallest has {smallest}. Widen the range or change `motifs`."
    )


def _nearest(start: int) -> Iterator[int]:
    numbers = range(1, max(_MOST_NORMAL_CELLS, start) + 1)
    return iter(sorted(numbers, key=lambda number: (abs(number - start), number)))
