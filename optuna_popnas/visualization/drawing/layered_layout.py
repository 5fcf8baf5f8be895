"""Places the nodes of a layered directed graph: few crossings, straight edges, no overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


Floats = npt.NDArray[np.float64]

_SWEEPS = 12


class LayeredLayout(NamedTuple):
    """Positions of nodes and the points that edges pass.

    Attributes:
        x: Centre of each node, in the unit of the widths; the leftmost border is at 0.
        routes: For each edge, its x at every layer from source to target, ends included.
        width: Extent in x.
    """

    x: tuple[float, ...]
    routes: tuple[tuple[float, ...], ...]
    width: float


def place_layers(
    layers: Sequence[int],
    widths: Sequence[float],
    edges: Sequence[tuple[int, int]],
    *,
    gap: float,
    edge_width: float = 8.0,
) -> LayeredLayout:
    """Place nodes whose layers are given, after Sugiyama.

    An edge that spans several layers gets an invisible node in each, so that it keeps clear of
    the nodes in between. The order within a layer is found by barycentres, the positions by
    isotonic regression.

    Args:
        layers: Layer of each node, from 0.
        widths: Width of each node.
        edges: Pairs (source, target); the target's layer is greater than the source's.
        gap: Least space between neighbours.
        edge_width: Width that an edge passing a layer takes there.

    Returns:
        The layout; the same for the same arguments.
    """
    layer = list(layers)
    width = list(widths)
    chains = []
    for source, target in edges:
        chain = [source]
        for between in range(layers[source] + 1, layers[target]):
            layer.append(between)
            width.append(edge_width)
            chain.append(len(layer) - 1)
        chain.append(target)
        chains.append(chain)
    segments = [pair for chain in chains for pair in zip(chain, chain[1:])]
    above: list[list[int]] = [[] for _ in layer]
    below: list[list[int]] = [[] for _ in layer]
    for upper, lower in segments:
        above[lower].append(upper)
        below[upper].append(lower)
    rows = [
        [node for node, at in enumerate(layer) if at == number]
        for number in range(max(layer, default=-1) + 1)
    ]
    rows = _order(rows, above, below, segments)
    x = _positions(rows, np.array(width, dtype=float), above, below, len(layers), gap)
    left = min((x[i] - width[i] / 2 for i in range(len(x))), default=0.0)
    right = max((x[i] + width[i] / 2 for i in range(len(x))), default=0.0)
    x -= left
    return LayeredLayout(
        tuple(float(value) for value in x[: len(layers)]),
        tuple(tuple(float(x[node]) for node in chain) for chain in chains),
        float(right - left),
    )


def count_crossings(rows: Sequence[Sequence[int]], segments: Sequence[tuple[int, int]]) -> int:
    """Return how often segments between neighbouring rows cross, given the order in each row."""
    place = {node: i for row in rows for i, node in enumerate(row)}
    where = {node: number for number, row in enumerate(rows) for node in row}
    total = 0
    for i, (a, b) in enumerate(segments):
        for c, d in segments[i + 1 :]:
            if where[a] == where[c]:
                total += (place[a] - place[c]) * (place[b] - place[d]) < 0
    return total


def _order(
    rows: list[list[int]],
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
    segments: Sequence[tuple[int, int]],
) -> list[list[int]]:
    best, fewest = rows, count_crossings(rows, segments)
    current = [list(row) for row in rows]
    for sweep in range(_SWEEPS):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        neighbours = above if down else below
        for number in range(len(current)) if down else range(len(current) - 1, -1, -1):
            place = {node: i for row in current for i, node in enumerate(row)}
            mean: Mapping[int, float] = {
                node: float(np.mean([place[other] for other in neighbours[node]]))
                if neighbours[node]
                else float(place[node])
                for node in current[number]
            }
            current[number].sort(key=lambda node: (mean[node], place[node]))
        crossings = count_crossings(current, segments)
        if crossings < fewest:
            best, fewest = [list(row) for row in current], crossings
    return _swap_neighbours(best, segments, fewest)


def _swap_neighbours(
    rows: list[list[int]], segments: Sequence[tuple[int, int]], fewest: int
) -> list[list[int]]:
    improved = True
    while improved and fewest:
        improved = False
        for row in rows:
            for i in range(len(row) - 1):
                row[i], row[i + 1] = row[i + 1], row[i]
                crossings = count_crossings(rows, segments)
                if crossings < fewest:
                    fewest, improved = crossings, True
                else:
                    row[i], row[i + 1] = row[i + 1], row[i]
    return rows


def _positions(
    rows: Sequence[Sequence[int]],
    width: Floats,
    above: Sequence[Sequence[int]],
    below: Sequence[Sequence[int]],
    real: int,
    gap: float,
) -> Floats:
    x = np.zeros(len(width))
    offsets = []
    for row in rows:
        centres = np.cumsum(width[row] + gap) - gap - width[row] / 2
        offsets.append(centres)
        if len(row):
            x[row] = centres - (centres[0] + centres[-1]) / 2
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for number in range(len(rows)) if down else range(len(rows) - 1, -1, -1):
            row = list(rows[number])
            if not row:
                continue
            wanted, weight = np.empty(len(row)), np.ones(len(row))
            for i, node in enumerate(row):
                sides = (above, below) if down else (below, above)
                near = sides[0][node] or sides[1][node]
                wanted[i] = np.mean(x[near]) if near else x[node]
                # Bends of a long edge are what the eye catches: keep them straight first.
                weight[i] = 4.0 if node >= real else 1.0
            x[row] = offsets[number] + _isotonic(wanted - offsets[number], weight)
    return x


def _isotonic(values: Floats, weights: Floats) -> Floats:
    """Return the non-decreasing sequence nearest to ``values`` in weighted least squares."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights):
        block = (float(value), float(weight), 1)
        while blocks and blocks[-1][0] > block[0]:
            mean, mass, count = blocks.pop()
            total = mass + block[1]
            block = ((mean * mass + block[0] * block[1]) / total, total, count + block[2])
        blocks.append(block)
    return np.array([mean for mean, _, count in blocks for _ in range(count)])
