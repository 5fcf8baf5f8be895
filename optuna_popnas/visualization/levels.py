"""Accuracy and training time by level."""

from __future__ import annotations

from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import view_study
from optuna_popnas.study.words import level_name
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import log_ticks
from optuna_popnas.visualization.figure import style_figure


class LevelsInfo(NamedTuple):
    """Measurements by level.

    Attributes:
        levels: Blocks per cell, ascending.
        accuracy: Accuracies of each level.
        seconds: Training seconds of each level; empty where they are not known.
    """

    levels: tuple[int, ...]
    accuracy: tuple[tuple[float, ...], ...]
    seconds: tuple[tuple[float, ...], ...]


def _get_levels_info(study: StudyLike) -> LevelsInfo:
    view = view_study(study)
    by_level = [[t for t in view.complete if level_of(t) == level] for level in view.levels]
    return LevelsInfo(
        view.levels,
        tuple(tuple(t.accuracy for t in trials if t.accuracy is not None) for trials in by_level),
        tuple(tuple(t.seconds for t in trials if t.seconds is not None) for trials in by_level),
    )


def plot_levels(study: StudyLike) -> go.Figure:
    """Plot boxes of accuracy and training time by level."""
    return _draw_levels(_get_levels_info(study))


def _draw_levels(info: LevelsInfo) -> go.Figure:
    if not info.levels:
        return empty_figure("Accuracy and time by level", "No cell has been trained yet.")
    timed = any(info.seconds)
    titles = ("validation accuracy", "training seconds") if timed else ("validation accuracy",)
    figure = make_subplots(
        rows=1, cols=len(titles), horizontal_spacing=0.12, subplot_titles=titles
    )
    style_figure(
        figure,
        "Accuracy and time by level" if timed else "Accuracy by level",
        "boxes: middle half of the cells; every cell is a point",
    )
    columns = (info.accuracy, info.seconds) if timed else (info.accuracy,)
    for column, groups in enumerate(columns, start=1):
        for level, values in zip(info.levels, groups):
            color, _ = palette.level_mark(level)
            figure.add_box(
                y=values,
                name=level_name(level),
                row=1,
                col=column,
                boxpoints="all",
                jitter=0.5,
                pointpos=0,
                marker={"color": color, "size": 4, "opacity": 0.55},
                line={"color": palette.NEUTRAL, "width": 1.3},
                fillcolor="rgba(128,136,146,0.12)",
                showlegend=False,
                hovertemplate="%{y:.4g}<extra>%{x}</extra>",
                hoveron="points",
            )
    if timed:
        figure.update_yaxes(
            row=1, col=2, **log_ticks([value for group in info.seconds for value in group])
        )
    return figure
