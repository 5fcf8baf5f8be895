from __future__ import annotations

import pytest

from optuna_popnas.networks import build_network
from optuna_popnas.networks import NetworkConfig
from optuna_popnas.networks.sizing import fit_parameters
from optuna_popnas.space import Cell


CELL = Cell([(-2, "3x3 conv", -1, "2x2 maxpool"), (-1, "3x3 dconv", 0, "1x3-3x1 conv")])


def fit(cell: Cell, low: int, high: int, **settings: int) -> NetworkConfig:
    config = NetworkConfig(drop_path=0.1, **settings)  # type: ignore[arg-type]
    return fit_parameters(cell, config, (low, high), in_channels=3, classes=10, image_size=32)


@pytest.mark.parametrize("low, high", [(3_000, 10_000), (900_000, 1_100_000), (2**22, 2**23)])
def test_the_network_has_parameters_in_the_range(low: int, high: int) -> None:
    config = fit(CELL, low, high)
    network = build_network(CELL, config, in_channels=3, classes=10)
    assert low <= sum(p.numel() for p in network.parameters()) <= high
    assert (config.motifs, config.normal_cells, config.drop_path) == (3, 2, 0.1)


def test_filters_are_the_largest_round_number_that_fits() -> None:
    assert fit(CELL, 1_000_000, 2_000_000).filters % 8 == 0
    # A range of one number, that of 13 filters, leaves no choice.
    network = build_network(CELL, NetworkConfig(filters=13), in_channels=3, classes=10)
    count = sum(p.numel() for p in network.parameters())
    assert fit(CELL, count, count).filters == 13


def test_cells_change_only_where_filters_cannot_fit() -> None:
    config = NetworkConfig(normal_cells=5, filters=1)
    network = build_network(CELL, config, in_channels=3, classes=10)
    count = sum(p.numel() for p in network.parameters())
    assert fit(CELL, count, count, normal_cells=1) == NetworkConfig(
        normal_cells=5, filters=1, drop_path=0.1
    )


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"must be a range \(smallest, largest\).*\(5, 3\)"):
        fit(CELL, 5, 3)
    with pytest.raises(ValueError, match="a network of this cell can have, but got 1 to 9; the"):
        fit(CELL, 1, 9)
    with pytest.raises(ValueError, match="the smallest has 40"):
        fit(Cell(), 1_000, 2_000)
