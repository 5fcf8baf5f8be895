"""Draws a whole network as in Fig. 4.3 of the thesis, in SVG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from optuna_popnas.networks import network_layout
from optuna_popnas.networks import NetworkConfig
from optuna_popnas.space import Cell
from optuna_popnas.visualization.drawing import svg


_BOX = (84.0, 58.0)
_STEP = 110.0
_MARGIN = 10.0
# Beyond this many cells the normal cells of a motif are drawn as one box, as in the thesis.
_MOST_CELLS = 12


class NetworkStage(NamedTuple):
    """One cell, or several normal cells in a row, of a network.

    Attributes:
        kind: ``"normal"`` or ``"reduction"``.
        cells: How many cells it stands for.
        motif: Its motif, from 0.
        filters: Channels of its output.
        height, width: Size of its output; None if the image's size is not known.
        built: Whether it is built: a cell that reads only lookback -2 skips every other one.
        sources: Indices of the stages it reads; -1 is the image.
    """

    kind: str
    cells: int
    motif: int
    filters: int
    height: int | None
    width: int | None
    built: bool
    sources: tuple[int, ...]


def get_network_stages(
    cell: Cell, config: NetworkConfig, *, image_size: int | tuple[int, int] | None = None
) -> tuple[NetworkStage, ...]:
    """Return the cells of the network in order (Sec. 4.2).

    Args:
        cell: The cell.
        config: Motifs, normal cells, filters.
        image_size: Height and width of the images, if known.
    """
    total = config.total_cells
    built = {place.position for place in network_layout(cell.lookbacks, config, in_channels=3)}
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    stages = []
    for index in range(total):
        reduction = index in config.reductions
        if reduction and size is not None:
            size = (-(-size[0] // 2), -(-size[1] // 2))
        stages.append(
            NetworkStage(
                "reduction" if reduction else "normal",
                1,
                index // (config.normal_cells + 1),
                config.filters_at(index),
                None if size is None else size[0],
                None if size is None else size[1],
                index in built,
                tuple(max(index + back, -1) for back in cell.lookbacks),
            )
        )
    if total <= _MOST_CELLS:
        return tuple(stages)
    return _merge_normal_cells(stages, config.normal_cells)


def _merge_normal_cells(
    stages: Sequence[NetworkStage], normal_cells: int
) -> tuple[NetworkStage, ...]:
    merged: list[NetworkStage] = []
    for stage in stages:
        if merged and merged[-1].kind == stage.kind == "normal":
            continue
        cells = normal_cells if stage.kind == "normal" else 1
        merged.append(stage._replace(cells=cells, built=True, sources=(len(merged) - 1,)))
    return tuple(merged)


def draw_network(
    cell: Cell, config: NetworkConfig, *, image_size: int | tuple[int, int] | None = None
) -> svg.Drawing:
    """Draw the network that is built of a cell (Fig. 4.3 of the thesis).

    Args:
        cell: The cell that is stacked.
        config: A :class:`~optuna_popnas.NetworkConfig`.
        image_size: Height and width of the images; sizes are written into the cells if given.

    Returns:
        An SVG document, readable on light and dark pages; a notebook shows it.
    """
    stages = get_network_stages(cell, config, image_size=image_size)
    shown = stages if cell.blocks else ()
    arcs = [
        (source, index)
        for index, stage in enumerate(shown)
        if stage.built
        for source in sorted(set(stage.sources))
        if source < index - 1
    ]
    height_of_arcs = 22.0 + 14.0 * max((b - a for a, b in arcs), default=0)
    middle = _MARGIN + height_of_arcs + 18 + _BOX[1] / 2

    def x(index: int) -> float:  # of a stage; -1 is the image
        return _MARGIN + _BOX[0] / 2 + (index + 1) * _STEP

    parts = []
    for motif in sorted({stage.motif for stage in shown}):
        members = [index for index, stage in enumerate(shown) if stage.motif == motif]
        left, right = x(members[0]) - _STEP / 2 + 4, x(members[-1]) + _STEP / 2 - 4
        parts.append(
            svg.box(
                (left + right) / 2,
                middle,
                right - left,
                _BOX[1] + 20,
                fill="none",
                stroke=svg.LINE,
                radius=8,
                dashed=True,
            )
        )
        parts.append(
            svg.text(
                (left + right) / 2,
                middle + _BOX[1] / 2 + 24,
                f"motif {motif + 1}",
                size=12,
                fill=svg.LINE,
            )
        )
    for source, target in arcs:
        parts.append(_arc(x(source), x(target), middle - _BOX[1] / 2, 14.0 * (target - source)))
    for index, stage in enumerate(shown):
        if stage.built and index - 1 in stage.sources:
            parts.append(_straight(x(index - 1), x(index), middle))
    parts.append(_straight(x(len(shown) - 1), x(len(shown)), middle))
    parts.append(_draw_image(x(-1), middle, image_size))
    for index, stage in enumerate(shown):
        parts.append(_draw_stage(stage, x(index), middle))
        if config.multi_output and stage.built and index < len(shown) - 1:
            parts.append(_draw_small_head(x(index), middle + _BOX[1] / 2))
    parts.append(_draw_head(x(len(shown)), middle))
    below = 40.0 + (30.0 if config.multi_output else 0.0)
    return svg.drawing(
        x(len(shown)) + _BOX[0] / 2 + _MARGIN,
        middle + _BOX[1] / 2 + below,
        parts,
        label=f"Network of the cell {cell}",
    )


def _straight(left: float, right: float, y: float) -> str:
    start, end = left + _BOX[0] / 2, right - _BOX[0] / 2
    return (
        f'<path d="M{start:.1f},{y:.1f}H{end:.1f}" stroke="{svg.LINE}" stroke-width="1.4"/>'
        + svg.arrow_head(end, y, direction="right")
    )


def _arc(left: float, right: float, y: float, rise: float) -> str:
    # The arcs of a box leave right of its centre and arrive left of it, so that they never meet.
    start, end, top = left + 14, right - 14, y - 22 - rise
    path = f"M{start:.1f},{y:.1f}C{start:.1f},{top:.1f} {end:.1f},{top:.1f} {end:.1f},{y - 6:.1f}"
    return (
        f'<path d="{path}" fill="none" stroke="{svg.LINE}" stroke-width="1.4"/>'
        + svg.arrow_head(end, y)
    )


def _draw_image(x: float, y: float, image_size: int | tuple[int, int] | None) -> str:
    size = (image_size, image_size) if isinstance(image_size, int) else image_size
    lines = ["image"] if size is None else ["image", f"{size[0]}x{size[1]}"]
    return _lines_box(x, y, lines, "#fff3c4", "#c9a400", "The input image", radius=29)


def _draw_stage(stage: NetworkStage, x: float, y: float) -> str:
    name = stage.kind if stage.cells == 1 else f"{stage.cells} x {stage.kind}"
    lines = [name, f"{stage.filters} filters"]
    if stage.height is not None:
        lines.append(f"{stage.height}x{stage.width}")
    if not stage.built:
        hint = "Not built: no cell reads it"
        return _lines_box(x, y, [name, "not built"], "none", svg.LINE, hint, dashed=True)
    colors = ("#cfe8f8", "#3f9fd8") if stage.kind == "normal" else ("#f9d3bf", "#d55e00")
    return _lines_box(x, y, lines, *colors, f"A {stage.kind} cell, motif {stage.motif + 1}")


def _draw_head(x: float, y: float) -> str:
    lines = ["pooling", "linear", "softmax"]
    return _lines_box(x, y, lines, "#d5efe6", "#009e73", "The classifier", radius=29)


def _draw_small_head(x: float, y: float) -> str:
    return (
        f'<path d="M{x - 26:.1f},{y:.1f}V{y + 40:.1f}" stroke="{svg.LINE}" stroke-width="1.4"/>'
        + svg.arrow_head(x - 26, y + 40)
        + _small_box(x, y + 52)
    )


def _small_box(x: float, y: float) -> str:
    return svg.group(
        "An output of its own, for training",
        svg.box(x, y, 74, 22, fill="#d5efe6", stroke="#009e73", radius=11),
        svg.text(x, y, "output", size=12),
    )


def _lines_box(
    x: float,
    y: float,
    lines: Sequence[str],
    fill: str,
    stroke: str,
    hint: str,
    *,
    radius: float = 6,
    dashed: bool = False,
) -> str:
    ink = svg.LINE if dashed else svg.INK
    parts = [svg.box(x, y, *_BOX, fill=fill, stroke=stroke, radius=radius, dashed=dashed)]
    for i, line in enumerate(lines):
        offset = (i - (len(lines) - 1) / 2) * 16
        parts.append(svg.text(x, y + offset, line, size=12.5, fill=ink, bold=i == 0))
    return svg.group(hint, *parts)
