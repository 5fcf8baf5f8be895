"""What each operator costs and brings, by the symmetric cells of level 1."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from optuna_popnas.predictors import operator_scores
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import view_study
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import style_figure


class OperatorInfo(NamedTuple):
    """One operator ``o``, measured as the cell ``[(-1, o, -1, o)]``.

    Attributes:
        operator: Its name.
        accuracy: Validation accuracy.
        seconds: Training seconds, or None.
        score: Its OP score (dynamic reindex, Sec. 4.4.2): seconds above the empty cell, over
            the largest; None without seconds.
    """

    operator: str
    accuracy: float
    seconds: float | None
    score: float | None


def _get_operators_info(study: StudyLike) -> tuple[OperatorInfo, ...]:
    view = view_study(study)
    found: dict[str, TrialRecord] = {}
    timed: list[tuple[Cell, float]] = []
    for trial in view.complete:
        cell = trial.cell
        if cell is None or trial.accuracy is None:
            continue
        alone = len(cell) == 1 and cell.inputs == (-1, -1) and cell[0].op1 == cell[0].op2
        if alone:
            found[cell[0].op1] = trial
        if trial.seconds is not None and (alone or not len(cell)):
            timed.append((cell, trial.seconds))
    scores = {}
    if timed:
        cells = [cell for cell, _ in timed]
        seconds = [seconds for _, seconds in timed]
        scores = operator_scores(SearchSpace.of(cells), cells, seconds)
    rows = [
        OperatorInfo(
            name,
            trial.accuracy or 0.0,
            trial.seconds,
            None if trial.seconds is None else scores[name],
        )
        for name, trial in found.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.seconds or 0.0, row.accuracy)))


def plot_operators(study: StudyLike) -> go.Figure:
    """Plot training time and accuracy of each operator alone, by its cell ``(-1, o, -1, o)``."""
    return _draw_operators(_get_operators_info(study))


def _draw_operators(info: tuple[OperatorInfo, ...]) -> go.Figure:
    if not info:
        return empty_figure(
            "Operators", "No cell [(-1, o, -1, o)] of one operator has been trained yet."
        )
    figure = make_subplots(
        rows=1,
        cols=2,
        shared_yaxes=True,
        horizontal_spacing=0.06,
        subplot_titles=("training seconds (OP score)", "validation accuracy"),
    )
    style_figure(
        figure,
        "What each operator costs and brings",
        "cells of one operator, [(-1, o, -1, o)]; the quickest at the bottom",
        height=max(300, 150 + 26 * len(info)),
    )
    names = [row.operator for row in info]
    colors = [palette.operator_colors(name)[1] for name in names]
    timed = [row for row in info if row.seconds is not None]
    figure.add_bar(
        y=[row.operator for row in timed],
        x=[row.seconds for row in timed],
        orientation="h",
        row=1,
        col=1,
        marker_color=[palette.operator_colors(row.operator)[1] for row in timed],
        text=[f"{row.seconds:.3g} s ({row.score:.2f})" for row in timed],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.4g} s<extra></extra>",
    )
    figure.add_scatter(
        y=names,
        x=[row.accuracy for row in info],
        mode="markers+text",
        row=1,
        col=2,
        marker={"color": colors, "size": 11},
        text=[f"{row.accuracy:.3f}" for row in info],
        textposition="middle right",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.4f}<extra></extra>",
    )
    slowest = max([row.seconds or 0.0 for row in info])
    low, high = min(row.accuracy for row in info), max(row.accuracy for row in info)
    margin = max((high - low) * 0.22, 0.02)
    figure.update_xaxes(range=[0, slowest * 1.4 or 1.0], row=1, col=1)
    figure.update_xaxes(range=[low - margin / 3, high + margin], row=1, col=2)
    figure.update_layout(showlegend=False, bargap=0.3)
    return figure
