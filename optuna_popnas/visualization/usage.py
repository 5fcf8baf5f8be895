"""Which inputs and operators the cells of a level use (Figs. A.5 to A.12)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from optuna_popnas.space import Cell
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import view_study
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import style_figure


class Usage(NamedTuple):
    """Shares of slots of one group of cells.

    Attributes:
        group: ``"front"``, ``"exploration"`` or ``"trained"``.
        cells: Number of cells.
        operators: Share of operator slots of each operator, in the order of the space.
        inputs: Share of input slots of each input, ascending.
    """

    group: str
    cells: int
    operators: tuple[float, ...]
    inputs: tuple[float, ...]


class UsageInfo(NamedTuple):
    """Usage at one level.

    Attributes:
        level: Blocks per cell; None if there is no cell.
        operators: Operators of the space.
        inputs: Values that inputs can take at this level.
        groups: Planned front, planned exploration cells, trained cells; those that exist.
    """

    level: int | None
    operators: tuple[str, ...]
    inputs: tuple[int, ...]
    groups: tuple[Usage, ...]


def _get_usage_info(study: StudyLike, level: int | None = None) -> UsageInfo:
    view = view_study(study)
    levels = [b for b in view.levels if b > 0]
    space = view.space
    if level is None:
        level = max(levels, default=None)
    if level is None or level < 1:
        return UsageInfo(None, space.operators, (), ())
    inputs = space.inputs(level - 1)
    plans = [plan for plan in view.plans if plan.level == level]
    groups: dict[str, list[Cell]] = {"front": [], "exploration": []}
    for plan in plans:
        for planned in plan.cells:
            if planned.role in groups:
                groups[planned.role].append(planned.cell)
    groups["trained"] = [
        trial.cell for trial in view.complete if trial.cell and level_of(trial) == level
    ]
    usages = tuple(
        Usage(
            name,
            len(cells),
            _shares((op for cell in cells for op in cell.operators), space.operators),
            _shares((value for cell in cells for value in cell.inputs), inputs),
        )
        for name, cells in groups.items()
        if cells
    )
    return UsageInfo(level if usages else None, space.operators, inputs, usages)


def _shares(values: Iterable[object], choices: Iterable[object]) -> tuple[float, ...]:
    counts = Counter(values)
    total = max(sum(counts.values()), 1)
    return tuple(counts[choice] / total for choice in choices)


def plot_usage(study: StudyLike, level: int | None = None) -> go.Figure:
    """Plot how often each operator and input is used at a level (Figs. A.5 to A.12).

    Args:
        study: A study; without POPNASSampler only trained cells are counted.
        level: Blocks per cell; the last level with finished cells if left out.
    """
    return _draw_usage(_get_usage_info(study, level))


def _draw_usage(info: UsageInfo) -> go.Figure:
    if info.level is None:
        return empty_figure("Operators and inputs", "No cell with blocks has been trained yet.")
    share = max(0.22, min(0.4, len(info.inputs) / (len(info.inputs) + len(info.operators))))
    figure = make_subplots(
        rows=1,
        cols=2,
        column_widths=[1 - share, share],
        horizontal_spacing=0.1,
        subplot_titles=("operators", "inputs"),
    )
    style_figure(
        figure,
        f"Level {info.level}: what its cells are made of",
        "share of all slots; dashed: below this the exploration step steps in",
        height=480,
    )
    colors = {"front": palette.BLUE, "exploration": palette.ORANGE, "trained": palette.GREY}
    patterns = {"front": "", "exploration": "/", "trained": "."}
    names = [str(value) for value in info.inputs]
    for usage in info.groups:
        for column, labels, shares in (
            (1, list(info.operators), usage.operators),
            (2, names, usage.inputs),
        ):
            figure.add_bar(
                x=labels,
                y=shares,
                row=1,
                col=column,
                name=f"{usage.group} ({usage.cells} cells)",
                legendgroup=usage.group,
                showlegend=column == 1,
                marker={
                    "color": colors[usage.group],
                    "pattern": {"shape": patterns[usage.group], "size": 5, "solidity": 0.4},
                },
                hovertemplate="%{x}: %{y:.1%}<extra>" + usage.group + "</extra>",
            )
    for column, count in ((1, len(info.operators)), (2, len(info.inputs))):
        figure.add_hline(
            y=1 / (5 * count),
            row=1,
            col=column,
            line={"dash": "dash", "color": palette.NEUTRAL, "width": 1},
        )
    figure.update_yaxes(tickformat=".0%", rangemode="tozero")
    figure.update_xaxes(type="category", tickangle=-45, col=1)
    figure.update_xaxes(type="category", col=2)
    figure.update_layout(
        barmode="group",
        bargap=0.25,
        legend={"orientation": "h", "x": 0, "y": -0.3, "yanchor": "top"},
    )
    return figure
