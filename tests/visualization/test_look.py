"""What figures look like: colours, axes, words."""

from __future__ import annotations

from dataclasses import replace
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
import optuna
import pytest

import optuna_popnas as popnas
from optuna_popnas import visualization
from optuna_popnas.space import Cell
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.study import view_study
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.drawing import svg
from optuna_popnas.visualization.figure import cell_lines
from optuna_popnas.visualization.figure import log_ticks
from optuna_popnas.visualization.figure import new_figure
from optuna_popnas.visualization.planned import _get_estimates_info
from optuna_popnas.visualization.planned import _get_predicted_front_info
from tests.visualization.made_up import CountingPredictor
from tests.visualization.made_up import OPERATORS
from tests.visualization.made_up import run_study


TWO = Cell([(-2, "3x3 conv", -1, "identity"), (0, "3x3 dconv", -1, "2x2 maxpool")])


@pytest.fixture(scope="module")
def adaptive() -> optuna.Study:
    space = popnas.SearchSpace(OPERATORS, max_blocks=3)
    predictors = {"accuracy_predictor": CountingPredictor, "time_predictor": CountingPredictor}
    sampler = popnas.POPNASSampler(space, budget_seconds=200.0, seed=0, **predictors)
    return run_study(sampler=sampler, n_trials=45)


def luminance(color: str) -> float:
    parts = [int(color[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#14181c"])
@pytest.mark.parametrize("color", [palette.NEUTRAL, svg.LINE])
def test_text_reads_on_light_and_on_dark_pages(color: str, page: str) -> None:
    assert contrast(color, page) > 4


def test_text_reads_on_the_box_of_every_operator() -> None:
    for name in (*PAPER_OPERATORS, "3x3 tconv", "5x5 dilated conv", "an own one"):
        fill, border = palette.operator_colors(name)
        assert contrast(svg.INK, fill) > 10
        assert contrast(border, fill) > 1.5
    assert palette.operator_colors("3x3 conv") == palette.operator_colors("5x5 conv")
    assert palette.operator_colors("3x3 conv") != palette.operator_colors("3x3 dconv")


def test_levels_differ_in_colour_and_in_mark() -> None:
    marks = [palette.level_mark(level) for level in range(7)]
    assert len({color for color, _ in marks}) == len({mark for _, mark in marks}) == 7
    assert palette.level_mark(7) == palette.level_mark(1)
    assert palette.level_mark(None) not in marks


@given(st.floats(1e-3, 1e4), st.floats(4.1, 1e4))
def test_axes_of_times_have_plain_numbers_in_sight(low: float, factor: float) -> None:
    axis: dict[str, Any] = log_ticks([low, low * factor])
    assert axis["type"] == "log"
    inside = [tick for tick in axis["tickvals"] if low <= tick <= low * factor]
    assert inside and [float(text) for text in axis["ticktext"]] == axis["tickvals"]
    assert all(f"{tick:e}"[0] in "125" for tick in axis["tickvals"])


def test_times_that_hardly_differ_have_a_linear_axis() -> None:
    for values in ([1.0, 3.9], [0.0, 100.0], [2.0]):
        assert log_ticks(values) == {"type": "linear"}


def test_titles_are_escaped_and_leave_room() -> None:
    figure = new_figure("a < b", "c & d", height=300)
    assert "a &lt; b" in figure.layout.title.text and "c &amp; d" in figure.layout.title.text
    assert figure.layout.margin.t > new_figure("a").layout.margin.t
    assert figure.layout.meta == {"title": "a < b", "subtitle": "c & d"}


def test_cells_in_hover_labels_have_a_line_a_block() -> None:
    assert cell_lines(TWO).split("<br>") == [
        "0: (-2, 3x3 conv, -1, identity)",
        "1: (0, 3x3 dconv, -1, 2x2 maxpool)",
    ]
    assert (cell_lines(Cell()), cell_lines(None)) == ("empty cell", "no cell")


def test_the_front_is_a_line_through_its_cells_and_no_others(finished: optuna.Study) -> None:
    figure = visualization.plot_pareto_front(finished)
    front = sorted(view_study(finished).front, key=lambda trial: trial.seconds or 0)
    line = next(trace for trace in figure.data if trace.name == "front")
    assert list(line.x) == [trial.seconds for trial in front]
    assert list(line.y) == [trial.accuracy for trial in front]
    marks = [trace for trace in figure.data if trace.mode == "markers"]
    large = sum(list(trace.marker.size).count(10) for trace in marks if trace.text is not None)
    assert large == len(front)
    assert f"{len(front)} of " in figure.layout.title.text
    names = [trace.name for trace in marks]
    assert names[:2] == ["empty cell (1)", "1 block (36)"]
    label = marks[0].text[0]
    assert label.startswith("<b>trial 0</b><br>accuracy 0.") and label.endswith("empty cell")


def test_predictions_lie_beside_the_line_of_the_perfect_ones(finished: optuna.Study) -> None:
    figure = visualization.plot_predictions(finished, "seconds")
    *levels, perfect = figure.data
    assert perfect.line.dash == "dash" and list(perfect.x) == list(perfect.y)
    assert min(perfect.x) <= min(min(trace.x) for trace in levels)
    assert max(perfect.y) >= max(max(trace.y) for trace in levels)
    trials = {trial.number: trial for trial in view_study(finished).trials}
    for trace in levels:
        assert re.fullmatch(r"\d blocks: rho -?\d\.\d\d, error \d+\.\d %", trace.name)
        for x, y, text in zip(trace.x, trace.y, trace.text):
            trial = trials[int(text.split()[1].rstrip(":"))]
            assert (x, y) == (trial.seconds, trial.predicted_seconds)


def test_bars_of_operators_are_in_order_and_in_their_colours(finished: optuna.Study) -> None:
    figure = visualization.plot_operators(finished)
    bars = figure.data[0]
    assert list(bars.x) == sorted(bars.x)
    assert [palette.operator_colors(name)[1] for name in bars.y] == list(bars.marker.color)
    assert figure.layout.xaxis.range[1] > 1.3 * max(bars.x)  # room for the numbers


def test_waves_are_shown_together_each_cell_once(adaptive: optuna.Study) -> None:
    """Only one of eight cells of the last wave seemed trained: those of its deepest level."""
    view = view_study(adaptive)
    assert view.is_adaptive
    planned = {
        cell.cell.canonical()
        for plan in view.plans
        for cell in plan.cells
        if cell.accuracy is not None and cell.role != "repeat"
    }
    info = _get_predicted_front_info(adaptive)
    assert re.fullmatch(r"\d+ waves", info.part)
    assert {cell.cell.canonical() for cell, _, _ in info.cells} == planned
    assert len(info.cells) == len(planned) > 8
    trained = {t.cell.canonical(): t for t in reversed(view.complete) if t.cell is not None}
    for cell, accuracy, _ in info.cells:
        trial = trained.get(cell.cell.canonical())
        assert accuracy == (None if trial is None else trial.accuracy)
    assert len({len(cell.cell) for cell, accuracy, _ in info.cells if accuracy is not None}) > 1
    deep = _get_predicted_front_info(adaptive, 2)
    assert deep.part == "Level 2" and {len(cell.cell) for cell, _, _ in deep.cells} == {2}
    assert len(_get_estimates_info(adaptive).chosen) == len(planned)
    title = visualization.plot_estimates(adaptive).layout.title.text
    assert f"{len(planned)} cells chosen" in title and "grey" not in title


def test_workers_are_bars_from_start_to_end(finished: optuna.Study) -> None:
    figure = visualization.plot_workers(finished)
    bars = {trace.name: trace for trace in figure.data}
    assert len(bars["failed"].x) == 2
    assert [text.split(",")[0] for text in bars["failed"].text] == ["trial 5", "trial 17"]
    assert min(bars["training"].base) >= 0
    share = re.search(r"Workers: (\d+)% of their time they had a cell", figure.layout.title.text)
    label = re.search(r"\((\d+)%\)", bars["training"].y[0])
    assert share is not None and label is not None and share[1] == label[1]


def test_whoever_asks_after_the_end_is_no_worker(adaptive: optuna.Study) -> None:
    """Trials that were not needed stood in a row of their own, as "a worker"."""
    view = view_study(adaptive)
    last = view.trials[-1]._replace(state="PRUNED", cell=None, worker=None, accuracy=None)
    more = view._replace(trials=(*view.trials, last._replace(number=len(view.trials))))
    assert visualization.plot_workers(more).data[0].y == visualization.plot_workers(view).data[0].y


def test_deviations_stay_where_accuracies_are(adaptive: optuna.Study) -> None:
    """Bars reached down to -0.6, and the axis with them."""
    view = view_study(adaptive)
    plans = [
        replace(plan, cells=tuple(cell._replace(accuracy_std=0.7) for cell in plan.cells))
        for plan in view.plans
    ]
    figure = visualization.plot_predicted_front(view._replace(plans=tuple(plans)))
    traces = [trace for trace in figure.data if (trace.name or "").startswith("predicted")]
    assert traces
    for trace in traces:
        for mean, up, down in zip(trace.y, trace.error_y.array, trace.error_y.arrayminus):
            assert 0 <= mean - down + 1e-9 and mean + up <= max(mean, 1) + 1e-9
        assert max(trace.error_y.array) > 0.01


def test_studies_are_compared_by_name_line_and_mark(finished: optuna.Study) -> None:
    figure = visualization.plot_comparison({"ours": finished, "<b>": finished})
    fronts = [trace for trace in figure.data if trace.mode == "lines+markers"]
    steps = [trace for trace in figure.data if trace.mode == "lines"]
    assert [trace.name for trace in fronts] == [trace.name for trace in steps] == ["ours", "<b>"]
    assert fronts[0].marker.symbol != fronts[1].marker.symbol
    assert fronts[0].line.dash != fronts[1].line.dash == steps[1].line.dash
    assert list(fronts[0].x) == sorted(fronts[0].x) and list(steps[0].y) == sorted(steps[0].y)
    assert max(steps[0].y) == max(fronts[0].y)
    assert "&lt;b&gt;: " in figure.layout.title.text


def test_curves_of_the_front_stand_before_the_others(finished: optuna.Study) -> None:
    others, *lit = visualization.plot_learning_curves(finished).data
    front = view_study(finished).front
    assert others.name == "others" and others.opacity < 0.5
    assert len(lit) == min(len(front), 7)
    assert lit[0].name.startswith(f"trial {front[0].number} (")
    assert lit[-1].name.startswith(f"trial {front[-1].number} (")  # both ends of the front
    assert len({(trace.line.color, trace.line.dash) for trace in lit}) == len(lit)
    drawn = sum(value is None for value in others.x)
    assert drawn == len(view_study(finished).complete) - len(lit)


def test_boxes_of_levels_hold_every_cell(finished: optuna.Study) -> None:
    figure = visualization.plot_levels(finished)
    names = ["empty cell", "1 block", "2 blocks", "3 blocks"]
    assert [trace.name for trace in figure.data] == names * 2
    counts = [len(trace.y) for trace in figure.data]
    assert counts[:4] == counts[4:] and sum(counts[:4]) == len(view_study(finished).complete)
    assert all(trace.boxpoints == "all" for trace in figure.data)
    assert (figure.layout.yaxis.type, figure.layout.yaxis2.type) == (None, "log")
