from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from optuna_popnas.networks import NetworkConfig
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace
from optuna_popnas.visualization import draw_cell
from optuna_popnas.visualization import draw_network
from optuna_popnas.visualization.drawing import svg
from optuna_popnas.visualization.drawing.cell_drawing import draw_cells
from optuna_popnas.visualization.drawing.cell_drawing import get_cell_graph
from optuna_popnas.visualization.drawing.network_drawing import get_network_stages
from optuna_popnas.visualization.trial_pictures import draw_curve


SVG = "{http://www.w3.org/2000/svg}"
TWO = Cell([(-2, "3x3 conv", -1, "identity"), (0, "3x3 dconv", -1, "2x2 maxpool")])

# c and c' of Sec. 4.1.2, drawn in Fig. 4.2, and the cell of Fig. 5.4.
FIG_4_2 = Cell(
    [
        (-2, "3x3 conv", -1, "2x2 maxpool"),
        (0, "3x3 conv", -1, "2x2 maxpool"),
        (-2, "5x5 dconv", 1, "3x3 dconv"),
        (-1, "2x2 maxpool", -1, "identity"),
    ]
)
FIG_4_2_PERMUTED = Cell(
    [
        (-1, "2x2 maxpool", -1, "identity"),
        (-2, "3x3 conv", -1, "2x2 maxpool"),
        (1, "3x3 conv", -1, "2x2 maxpool"),
        (-2, "5x5 dconv", 2, "3x3 dconv"),
    ]
)
FIG_5_4 = Cell(
    [
        (-2, "3x3 conv", -1, "2x2 maxpool"),
        (-1, "2x2 maxpool", -1, "1x7-7x1 conv"),
        (0, "3x3 conv", -1, "1x7-7x1 conv"),
    ]
)


def texts(drawing: str) -> list[str]:
    root = ElementTree.fromstring(drawing)
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def test_graph_of_figure_4_2() -> None:
    nodes, edges = get_cell_graph(FIG_4_2)
    kinds = [node.kind for node in nodes]
    assert kinds.count("input") == 2
    assert kinds.count("operator") == 8
    assert kinds.count("add") == 4
    assert kinds.count("concat") == kinds.count("output") == 1
    # 8 edges into operators, 8 into joins, 2 into the concatenation, 1 into the output.
    assert len(edges) == 19
    assert all(nodes[a].layer < nodes[b].layer for a, b in edges)
    assert next(node.label for node in nodes if node.kind == "concat") == "concat 2, 1x1 conv"


def test_graph_without_concatenation() -> None:
    nodes, _ = get_cell_graph(Cell([(-2, "3x3 conv", -1, "identity")]))
    assert [node.kind for node in nodes].count("concat") == 0


def test_equivalent_cells_have_the_same_labels() -> None:
    assert sorted(texts(draw_cell(FIG_4_2))) == sorted(texts(draw_cell(FIG_4_2_PERMUTED)))


def test_scores_of_figure_5_4() -> None:
    scores = {"3x3 conv": 0.6, "2x2 maxpool": 0.1, "1x7-7x1 conv": 1.0}
    written = texts(draw_cell(FIG_5_4, scores=scores, title="Fig. 5.4"))
    assert written.count("3x3 conv (0.6)") == 2
    assert written.count("1x7-7x1 conv (1)") == 2
    assert "Fig. 5.4" in written


@pytest.mark.parametrize("blocks", [0, 1, 2, 5, 12])
def test_boxes_of_a_row_do_not_overlap(blocks: int) -> None:
    space = SearchSpace(max_blocks=12)
    names = space.operators
    cell = Cell(
        [
            (-2 if i % 2 else -1, names[i % 12], i - 1 if i else -2, names[(i * 5) % 12])
            for i in range(blocks)
        ]
    )
    root = ElementTree.fromstring(draw_cell(cell))
    width = float(root.attrib["width"])
    rows: dict[str, list[tuple[float, float]]] = {}
    for box in root.iter(f"{SVG}rect"):
        left = float(box.attrib["x"])
        rows.setdefault(box.attrib["y"], []).append((left, left + float(box.attrib["width"])))
    assert len(rows) >= 2
    for spans in rows.values():
        spans.sort()
        assert spans[0][0] >= 0
        assert spans[-1][1] <= width
        assert all(a[1] < b[0] for a, b in zip(spans, spans[1:]))


def test_text_is_escaped() -> None:
    drawing = draw_cell(Cell([(-1, "identity", -1, "identity")]), title="a < b & c")
    assert "a < b & c" in texts(drawing)


def test_notebooks_show_cells() -> None:
    assert FIG_5_4._repr_svg_() == draw_cell(FIG_5_4)


def test_join_by_concatenation() -> None:
    cell = Cell([(-1, "identity", -1, "3x3 conv")])
    assert "concat" in texts(draw_cell(cell, join="concat"))


def test_stages_of_the_thesis_network() -> None:
    stages = get_network_stages(FIG_5_4, NetworkConfig(), image_size=32)
    assert [stage.kind == "reduction" for stage in stages] == [
        False, False, True, False, False, True, False, False,
    ]  # fmt: skip
    assert [stage.filters for stage in stages] == [24, 24, 48, 48, 48, 96, 96, 96]
    assert [stage.height for stage in stages] == [32, 32, 16, 16, 16, 8, 8, 8]
    assert all(stage.built for stage in stages)
    assert stages[0].sources == (-1, -1)
    assert stages[1].sources == (-1, 0)


def test_skip_only_cell_builds_every_other_cell() -> None:
    cell = Cell([(-2, "3x3 conv", -2, "identity")])
    stages = get_network_stages(cell, NetworkConfig())
    assert [index for index, stage in enumerate(stages) if stage.built] == [1, 3, 5, 7]
    assert texts(draw_network(cell, NetworkConfig())).count("not built") == 4


def test_odd_sizes_round_up() -> None:
    stages = get_network_stages(FIG_5_4, NetworkConfig(), image_size=(7, 9))
    assert (stages[2].height, stages[2].width) == (4, 5)


def test_deep_networks_are_collapsed() -> None:
    stages = get_network_stages(FIG_5_4, NetworkConfig(motifs=4, normal_cells=5))
    assert [(stage.kind, stage.cells) for stage in stages] == [
        ("normal", 5), ("reduction", 1), ("normal", 5), ("reduction", 1),
        ("normal", 5), ("reduction", 1), ("normal", 5),
    ]  # fmt: skip
    assert "5 x normal" in texts(draw_network(FIG_5_4, NetworkConfig(motifs=4, normal_cells=5)))


def test_empty_cell_is_pooling_and_linear() -> None:
    assert texts(draw_network(Cell(), NetworkConfig())) == [
        "image",
        "pooling",
        "linear",
        "softmax",
    ]


def test_multi_output_draws_a_head_per_cell() -> None:
    assert texts(draw_network(FIG_5_4, NetworkConfig(multi_output=True))).count("output") == 7


def boxes(drawing: str) -> list[tuple[float, float, float, float]]:
    """Return left, top, right, bottom of every box that is filled."""
    rects = ElementTree.fromstring(drawing).iter(f"{SVG}rect")
    found = []
    for rect in rects:
        x, y, w, h = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        if rect.attrib["fill"] != "none":
            found.append((x, y, x + w, y + h))
    return found


@pytest.mark.parametrize("config", [
    NetworkConfig(), NetworkConfig(motifs=1, normal_cells=1), NetworkConfig(multi_output=True),
    NetworkConfig(motifs=4, normal_cells=5),
])  # fmt: skip
def test_networks_stay_within_their_drawing(config: NetworkConfig) -> None:
    drawing = draw_network(TWO, config, image_size=32)
    root = ElementTree.fromstring(drawing)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    found = boxes(drawing)
    for left, top, right, bottom in found:
        assert 0 <= left < right <= width and 0 <= top < bottom <= height
    for i, one in enumerate(found):
        for other in found[:i]:
            apart = one[0] >= other[2] or other[0] >= one[2]
            assert apart or one[1] >= other[3] or other[1] >= one[3]
    for element in root.iter(f"{SVG}text"):
        half = svg.text_width(element.text or "", float(element.attrib["font-size"])) / 2
        assert 0 <= float(element.attrib["x"]) - half
        assert float(element.attrib["x"]) + half <= width
        assert 0 < float(element.attrib["y"]) < height
    for path in root.iter(f"{SVG}path"):
        numbers = [float(part) for part in re.findall(r"-?\d+\.\d", path.attrib["d"])]
        assert min(numbers) >= 0 and max(numbers) <= max(width, height)


def test_labels_fit_into_their_boxes() -> None:
    names = ("1x7-7x1 conv", "5x5 dilated conv", "2x2 maxpool", "identity")
    for name in names:
        root = ElementTree.fromstring(draw_cell(Cell([(-1, name, -2, name)])))
        for part in root.iter(f"{SVG}g"):
            rect, label = part.find(f"{SVG}rect"), part.find(f"{SVG}text")
            assert rect is not None and label is not None
            need = svg.text_width(label.text or "", 13)
            assert float(rect.attrib["width"]) >= need
            middle = float(rect.attrib["x"]) + float(rect.attrib["width"]) / 2
            assert float(label.attrib["x"]) == pytest.approx(middle, abs=0.11)


def test_every_edge_ends_at_a_box() -> None:
    drawing = draw_cell(TWO)
    tops = {(round(top, 1)) for _, top, _, _ in boxes(drawing)}
    tips = re.findall(r'<polygon points="([\d.]+),([\d.]+)', drawing)
    assert len(tips) == 9  # into 4 operators, 4 into sums, 1 into the output
    for x, y in tips:
        assert min(abs(float(y) - top) for top in tops) <= 0.11
        assert any(a <= float(x) <= c for a, top, c, _ in boxes(drawing)
                   if abs(top - float(y)) <= 0.11)  # fmt: skip


def test_cells_side_by_side_keep_their_size() -> None:
    both = ElementTree.fromstring(draw_cells({"one": TWO, "two": Cell()}))
    parts = both.findall(f"{SVG}svg")
    widths = [float(part.attrib["width"]) for part in parts]
    assert float(parts[0].attrib["x"]) == 0
    assert float(parts[1].attrib["x"]) >= widths[0]
    assert float(both.attrib["width"]) == pytest.approx(sum(widths) + 24, abs=1.5)
    assert float(both.attrib["height"]) == max(float(part.attrib["height"]) for part in parts)
    with pytest.raises(ValueError, match="must have a width and a height"):
        svg.side_by_side(["<svg></svg>"], label="x")


def test_a_learning_curve_runs_from_left_to_right_and_up() -> None:
    drawing = draw_curve([0.0, 0.25, 1.0])
    points = re.search(r'<polyline points="([^"]+)"', drawing)
    assert points is not None
    places = [tuple(map(float, pair.split(","))) for pair in points[1].split()]
    xs, ys = [x for x, _ in places], [y for _, y in places]
    assert xs == sorted(xs) and xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    assert ys == sorted(ys, reverse=True)
    assert (ys[0] - ys[1]) * 3 == pytest.approx(ys[1] - ys[2], abs=0.5)
    assert "best 1.0000" in drawing
