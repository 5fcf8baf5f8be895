"""Draws a cell as a graph, as in Figs. 4.2 and 5.4 of the thesis, in SVG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from optuna_popnas.space import Cell
from optuna_popnas.visualization.drawing import svg
from optuna_popnas.visualization.drawing.layered_layout import place_layers
from optuna_popnas.visualization.palette import operator_colors


_HEIGHT = 26.0
_ROW = 54.0
_GAP = 14.0
_MARGIN = 8.0


class CellNode(NamedTuple):
    """A node of a cell's graph.

    Attributes:
        kind: ``"input"``, ``"operator"``, ``"add"``, ``"concat"`` or ``"output"``.
        label: What is written on it.
        layer: Row, from 0 at the top.
        block: The block it belongs to, or None.
    """

    kind: str
    label: str
    layer: int
    block: int | None


class CellGraph(NamedTuple):
    """A cell as nodes and edges (indices into ``nodes``)."""

    nodes: tuple[CellNode, ...]
    edges: tuple[tuple[int, int], ...]


def get_cell_graph(cell: Cell, *, join: str = "add", concat_all: bool = False) -> CellGraph:
    """Return the graph of a cell: inputs, operators, one join per block, concat, output.

    Args:
        cell: The cell.
        join: How a block joins its branches: ``"add"``, or ``"concat"`` as in POPNASv1.
        concat_all: Whether the output is made of all blocks, not only of those left over.
    """
    nodes: list[CellNode] = []
    edges: list[tuple[int, int]] = []

    def add(kind: str, label: str, layer: int, block: int | None = None) -> int:
        nodes.append(CellNode(kind, label, layer, block))
        return len(nodes) - 1

    source = {value: add("input", str(value), 0) for value in cell.lookbacks}
    if not cell.blocks:
        image = add("input", "image", 0)
        edges.append((image, add("output", "pooling, linear", 1)))
        return CellGraph(tuple(nodes), tuple(edges))
    for index, block in enumerate(cell):
        row = max(nodes[source[block.in1]].layer, nodes[source[block.in2]].layer) + 1
        branches = []
        for value, operator in ((block.in1, block.op1), (block.in2, block.op2)):
            branches.append(add("operator", operator, row, index))
            edges.append((source[value], branches[-1]))
        source[index] = add("add", "+" if join == "add" else "concat", row + 1, index)
        edges.extend((branch, source[index]) for branch in branches)
    last = max(node.layer for node in nodes)
    outputs = tuple(range(len(cell))) if concat_all else cell.outputs
    end = source[outputs[0]]
    if len(outputs) > 1:
        last += 1
        end = add("concat", f"concat {len(outputs)}, 1x1 conv", last)
        edges.extend((source[value], end) for value in outputs)
    edges.append((end, add("output", "output", last + 1)))
    return CellGraph(tuple(nodes), tuple(edges))


def draw_cell(
    cell: Cell,
    *,
    title: str | None = None,
    scores: Mapping[str, float] | None = None,
    join: str = "add",
    concat_all: bool = False,
) -> svg.Drawing:
    """Draw a cell as a graph (Figs. 4.2 and 5.4 of the thesis).

    Args:
        cell: The cell. Notebooks call this for a cell that ends a code box.
        title: A line above the drawing.
        scores: OP scores by operator, written into the boxes as in Fig. 5.4.
        join: How a block joins its branches: ``"add"`` or ``"concat"``.
        concat_all: Whether the output is made of all blocks, not only of those left over.

    Returns:
        An SVG document, readable on light and dark pages; a notebook shows it. No programs
        outside Python are used.

    Example:
        >>> draw_cell(Cell([(-2, "3x3 conv", -1, "identity")]))[:4]
        '<svg'
    """
    nodes, edges = get_cell_graph(cell, join=join, concat_all=concat_all)
    labels = [
        f"{node.label} ({scores[node.label]:.2g})"
        if scores is not None and node.kind == "operator" and node.label in scores
        else node.label
        for node in nodes
    ]
    widths = [_width(node.kind, label) for node, label in zip(nodes, labels)]
    layout = place_layers([node.layer for node in nodes], widths, edges, gap=_GAP)
    top = _MARGIN + (24 if title else 0)
    heading = svg.text_width(title, 13) if title else 0.0
    width = max(layout.width, heading) + 2 * _MARGIN
    shift = (width - layout.width) / 2
    height = top + max(node.layer for node in nodes) * _ROW + _HEIGHT + _MARGIN

    def y(layer: float) -> float:
        return top + layer * _ROW + _HEIGHT / 2

    parts = [svg.text(width / 2, _MARGIN + 6, title, fill=svg.LINE, bold=True)] if title else []
    for (source, _), route in zip(edges, layout.routes):
        first = nodes[source].layer
        points = [(x + shift, y(first + i)) for i, x in enumerate(route)]
        points[0] = (points[0][0], points[0][1] + _HEIGHT / 2)
        points[-1] = (points[-1][0], points[-1][1] - _HEIGHT / 2)
        parts.append(svg.curve(_clear_of_rows(points)))
    for node, label, x, w in zip(nodes, labels, layout.x, widths):
        parts.append(_draw_node(node, label, x + shift, y(node.layer), w))
    return svg.drawing(width, height, parts, label=title or f"Cell {cell}")


def draw_cells(cells: Mapping[str, Cell]) -> svg.Drawing:
    """Draw several cells side by side, each under its title (Appendix A.1 of the thesis)."""
    drawings = [draw_cell(cell, title=title) for title, cell in cells.items()]
    return svg.side_by_side(drawings, label=f"Cells: {', '.join(cells)}")


def _width(kind: str, label: str) -> float:
    if kind == "add" and label == "+":
        return _HEIGHT
    return max(svg.text_width(label, 13) + 18, 34.0)


def _clear_of_rows(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Make an edge run straight down beside the nodes of each row it passes."""
    out = [points[0]]
    for x, y in points[1:-1]:
        out += [(x, y - _HEIGHT / 2), (x, y + _HEIGHT / 2)]
    return [*out, points[-1]]


def _draw_node(node: CellNode, label: str, x: float, y: float, width: float) -> str:
    if node.kind == "operator":
        fill, border = operator_colors(node.label)
        radius, hint = 5.0, f"Block {node.block}: {node.label}"
    elif node.kind == "input":
        fill, border, radius = "#fff3c4", "#c9a400", _HEIGHT / 2
        hint = {"-1": "The previous cell", "-2": "The cell before the previous one"}.get(
            node.label, f"The cell {node.label.lstrip('-')} places back"
        )
        if node.label == "image":
            hint = "The input image"
    else:
        fill, border, radius = "#d5efe6", "#009e73", _HEIGHT / 2
        hint = {
            "add": f"Output of block {node.block}",
            "concat": "The block outputs that make the cell's output, joined",
            "output": "Output of the cell",
        }[node.kind]
    return svg.group(
        hint,
        svg.box(x, y, width, _HEIGHT, fill=fill, stroke=border, radius=radius),
        svg.text(x, y, label),
    )
