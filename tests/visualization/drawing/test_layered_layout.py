from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st
import pytest

from optuna_popnas.visualization.drawing.layered_layout import count_crossings
from optuna_popnas.visualization.drawing.layered_layout import place_layers


def test_no_nodes() -> None:
    assert place_layers([], [], [], gap=1.0) == ((), (), 0.0)


def test_chain_is_straight() -> None:
    layout = place_layers([0, 1, 2], [10, 30, 20], [(0, 1), (1, 2)], gap=5.0)
    assert layout.x == pytest.approx((15.0, 15.0, 15.0))
    assert layout.width == pytest.approx(30.0)


def test_crossing_is_removed() -> None:
    # Two parents whose only children are given in the opposite order.
    layout = place_layers([0, 0, 1, 1], [10] * 4, [(0, 3), (1, 2)], gap=5.0)
    assert (layout.x[0] < layout.x[1]) == (layout.x[3] < layout.x[2])


def test_count_crossings() -> None:
    assert count_crossings([[0, 1], [2, 3]], [(0, 3), (1, 2)]) == 1
    assert count_crossings([[0, 1], [2, 3]], [(0, 2), (1, 3)]) == 0


def test_long_edge_passes_beside_nodes() -> None:
    # 0 -> 1 -> 2 and 0 -> 2: the long edge must not run through node 1.
    layout = place_layers([0, 1, 2], [20, 60, 20], [(0, 1), (1, 2), (0, 2)], gap=5.0)
    assert len(layout.routes[2]) == 3
    assert abs(layout.routes[2][1] - layout.x[1]) >= 60 / 2 + 5


@given(st.integers(0, 2**32), st.integers(2, 14))
def test_nodes_never_overlap(seed: int, count: int) -> None:
    rng = random.Random(seed)
    layers = sorted(rng.randrange(4) for _ in range(count))
    widths = [rng.uniform(5, 80) for _ in range(count)]
    edges = [
        (a, b)
        for a in range(count)
        for b in range(count)
        if layers[a] < layers[b] and rng.random() < 0.3
    ]
    layout = place_layers(layers, widths, edges, gap=4.0)
    for a in range(count):
        assert layout.x[a] - widths[a] / 2 >= -1e-6
        assert layout.x[a] + widths[a] / 2 <= layout.width + 1e-6
        for b in range(a):
            if layers[a] == layers[b]:
                distance = abs(layout.x[a] - layout.x[b])
                assert distance >= (widths[a] + widths[b]) / 2 + 4.0 - 1e-6
    for (a, b), route in zip(edges, layout.routes):
        assert len(route) == layers[b] - layers[a] + 1
        assert route[0] == layout.x[a]
        assert route[-1] == layout.x[b]
