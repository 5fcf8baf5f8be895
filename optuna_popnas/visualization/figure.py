"""What all plotly figures share: look, titles, the figure that says why there is none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
import math

import plotly.graph_objects as go

from optuna_popnas.space import Cell
from optuna_popnas.visualization import palette


def new_figure(title: str, subtitle: str = "", *, height: int = 460) -> go.Figure:
    """Return an empty figure in the look of this package.

    Backgrounds are transparent and text is mid-grey, so that it fits light and dark pages.
    """
    figure = go.Figure()
    style_figure(figure, title, subtitle, height=height)
    return figure


def style_figure(figure: go.Figure, title: str, subtitle: str = "", *, height: int = 460) -> None:
    """Give a figure title and look; call it after the subplots are made."""
    text = f"<b>{escape(title)}</b>"
    if subtitle:
        text += f'<br><span style="font-size:12px">{escape(subtitle)}</span>'
    figure.update_layout(
        template="none",
        title={
            "text": text,
            "x": 0.0,
            "xref": "paper",
            "y": 1 - 22 / height,
            "yanchor": "top",
        },
        title_font_size=15,
        font={"color": palette.NEUTRAL, "size": 12, "family": "Helvetica, Arial, sans-serif"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        colorway=list(palette.SERIES),
        height=height,
        margin={"l": 70, "r": 24, "t": 76 if subtitle else 56, "b": 60},
        legend={"bgcolor": "rgba(0,0,0,0)", "tracegroupgap": 4},
        hoverlabel={"align": "left"},
        modebar={
            "bgcolor": "rgba(0,0,0,0)",
            "color": palette.GREY,
            "activecolor": palette.BLUE,
        },
        meta={"title": title, "subtitle": subtitle},
        autosize=True,
    )
    axis = {
        "gridcolor": palette.GRID,
        "linecolor": palette.NEUTRAL,
        "zeroline": False,
        "automargin": True,
        "title_standoff": 10,
        "ticks": "outside",
        "tickcolor": palette.GRID,
    }
    figure.update_xaxes(**axis)
    figure.update_yaxes(**axis)
    if figure.layout.annotations:  # the titles of subplots
        figure.update_annotations(font_size=13)
        figure.update_layout(margin_t=104)


def empty_figure(title: str, reason: str) -> go.Figure:
    """Return a figure that says in one sentence why there is nothing to draw."""
    figure = new_figure(title, height=220)
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    figure.add_annotation(
        text=escape(reason), x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False
    )
    return figure


def cell_lines(cell: Cell | None) -> str:
    """Return a cell for a hover label, one block a line."""
    if cell is None:
        return "no cell"
    if not cell.blocks:
        return "empty cell"
    return "<br>".join(
        f"{index}: ({b.in1}, {escape(b.op1)}, {b.in2}, {escape(b.op2)})"
        for index, b in enumerate(cell)
    )


def accuracy_bounds(measured: Iterable[float | None]) -> tuple[float, float]:
    """Return where predicted accuracies are drawn: in [0, 1], if the measured ones are shares."""
    shares = all(0 <= value <= 1 for value in measured if value is not None)
    return (0.0, 1.0) if shares else (-math.inf, math.inf)


def log_axis(values: Iterable[float]) -> str:
    """Return ``"log"`` where positive values span more than a factor of four, else linear."""
    known = [value for value in values if value is not None]
    if not known or min(known) <= 0 or max(known) / min(known) < 4:
        return "linear"
    return "log"


def log_ticks(values: Sequence[float]) -> dict[str, object]:
    """Return axis settings for training times: plain numbers at 1, 2, 5, 10, ..."""
    if log_axis(values) == "linear":
        return {"type": "linear"}
    low, high = min(values), max(values)
    ticks = [
        step * 10.0**power
        for power in range(-4, 9)
        for step in (1, 2, 5)
        if low * 0.5 <= step * 10.0**power <= high * 2
    ]
    return {"type": "log", "tickvals": ticks, "ticktext": [f"{tick:g}" for tick in ticks]}
