"""Validation accuracy over epochs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import plotly.graph_objects as go

from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import view_study
from optuna_popnas.study.words import level_name
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import new_figure


_MOST_BACKGROUND = 80
_MOST_FRONT = 7


class LearningCurve(NamedTuple):
    """One training.

    Attributes:
        number: Its trial.
        level: Blocks of its cell.
        highlighted: Whether it is on the front, or was asked for.
        accuracy: Validation accuracy after each epoch.
    """

    number: int
    level: int
    highlighted: bool
    accuracy: tuple[float, ...]


def _get_learning_curves_info(
    study: StudyLike, trials: Sequence[int] | None = None
) -> tuple[LearningCurve, ...]:
    view = view_study(study)
    chosen = [trial.number for trial in view.front] if trials is None else list(trials)
    curves = []
    for trial in view.complete:
        if trial.curve:
            on_front = trial.number in chosen
            curves.append(LearningCurve(trial.number, level_of(trial), on_front, trial.curve))
    lit = {curve.number: curve for curve in curves if curve.highlighted}
    order = [lit[number] for number in chosen if number in lit]
    rest = [curve for curve in curves if not curve.highlighted]
    step = max(1, -(-len(rest) // _MOST_BACKGROUND))
    return (*rest[::step], *order)


def plot_learning_curves(study: StudyLike, trials: Sequence[int] | None = None) -> go.Figure:
    """Plot validation accuracy over epochs: the trials of the front before all others.

    Args:
        study: A study whose objective stored ``learning_curve`` on its trials, as
            :class:`~optuna_popnas.TrainingObjective` does.
        trials: Numbers of the trials to highlight; those of the front if left out.
    """
    return _draw_learning_curves(_get_learning_curves_info(study, trials))


def _draw_learning_curves(info: tuple[LearningCurve, ...]) -> go.Figure:
    if not info:
        return empty_figure(
            "Learning curves",
            "No trial has a `learning_curve` among its user attributes.",
        )
    lit = [curve for curve in info if curve.highlighted]
    if len(lit) > _MOST_FRONT:  # an even choice along the front, both ends included
        picks = [round(i * (len(lit) - 1) / (_MOST_FRONT - 1)) for i in range(_MOST_FRONT)]
        lit = [lit[index] for index in picks]
    figure = new_figure(
        "Learning curves: validation accuracy after each epoch",
        "coloured: cells of the front, the most accurate first; grey: other cells"
        if lit
        else "one line a training",
    )
    xs: list[int | None] = []
    ys: list[float | None] = []
    for curve in info:
        if curve not in lit:
            xs += [*range(1, len(curve.accuracy) + 1), None]
            ys += [*curve.accuracy, None]
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines",
        name="others",
        line={"color": palette.GREY, "width": 1},
        opacity=0.3,
        hoverinfo="skip",
    )
    for index, curve in enumerate(lit):
        figure.add_scatter(
            x=list(range(1, len(curve.accuracy) + 1)),
            y=list(curve.accuracy),
            mode="lines" if len(curve.accuracy) > 1 else "markers",
            name=f"trial {curve.number} ({level_name(curve.level)})",
            line={
                "color": palette.SERIES[index % len(palette.SERIES)],
                "width": 2.2,
                "dash": palette.DASHES[index % len(palette.DASHES)],
            },
        )
    figure.update_xaxes(title_text="epoch")
    figure.update_yaxes(title_text="validation accuracy")
    return figure
