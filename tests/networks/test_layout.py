from __future__ import annotations

import pytest

from optuna_popnas.networks import network_layout
from optuna_popnas.networks import NetworkConfig
from optuna_popnas.networks.layout import IMAGE


def positions(lookbacks: tuple[int, ...], config: NetworkConfig | None = None) -> list[int]:
    layout = network_layout(lookbacks, config or NetworkConfig(), in_channels=3)
    return [place.position for place in layout]


def test_section_4_2_skip_only_cell_is_built_four_times() -> None:
    layout = network_layout((-2,), NetworkConfig(), in_channels=3)
    assert [place.position for place in layout] == [1, 3, 5, 7]
    assert [place.filters for place in layout] == [24, 48, 96, 96]
    assert [place.reduction for place in layout] == [False, False, True, False]
    # The reduction at 2 is not built: the cell after it halves what it looks back to.
    assert [place.lookbacks[-2].stride for place in layout] == [1, 2, 1, 1]
    assert [place.lookbacks[-2].channels for place in layout] == [3, 48, 48, 96]
    assert [place.lookbacks[-2].source for place in layout] == [IMAGE, 1, 3, 5]


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 7, 8, 9, 20])
def test_cells_built_of_a_single_lookback(depth: int) -> None:
    assert len(positions((-depth,))) == -(-8 // depth)


def test_two_lookbacks_build_every_cell_and_reshape_after_reductions() -> None:
    layout = network_layout((-2, -1), NetworkConfig(), in_channels=3)
    assert [place.position for place in layout] == list(range(8))
    assert [place.lookbacks[-2].stride for place in layout] == [1, 1, 1, 2, 1, 1, 2, 1]
    assert all(place.lookbacks[-1].stride == 1 for place in layout)
    assert [place.lookbacks[-2].channels for place in layout] == [3, 3, 24, 48, 48, 48, 96, 96]
    assert [place.shrink for place in layout] == [1, 1, 1, 2, 2, 2, 4, 4]


def test_three_lookbacks_across_two_reductions() -> None:
    config = NetworkConfig(motifs=3, normal_cells=1)  # reductions at 1 and 3
    layout = network_layout((-3, -1), config, in_channels=1)
    assert [place.lookbacks[-3].source for place in layout] == [IMAGE, IMAGE, IMAGE, 0, 1]
    assert [place.lookbacks[-3].stride for place in layout] == [1, 1, 2, 2, 2]
    assert [place.lookbacks[-3].channels for place in layout] == [1, 1, 48, 48, 96]


def test_cells_that_nothing_reads_are_not_built() -> None:
    assert positions((-3, -2)) == [0, 1, 2, 3, 4, 5, 7]
    assert positions((-4, -2)) == [1, 3, 5, 7]
    assert positions(()) == []
