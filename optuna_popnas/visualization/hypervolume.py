"""How the front grew: hypervolume over trials and over training hours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from optuna_popnas.study.front import running_hypervolume
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import view_study
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import style_figure


class HypervolumeInfo(NamedTuple):
    """Hypervolume after each finished trial.

    Attributes:
        volume: Share of the box between accuracy 0 and 1 and between 0 and the reference time
            that the front dominates; with the time axis in logarithms of seconds.
        hours: Training hours spent until then, all workers together.
        level_starts: (level, number of finished trials before its first one).
        reference_seconds: (shortest, longest) time that spans the box.
    """

    volume: tuple[float, ...]
    hours: tuple[float, ...]
    level_starts: tuple[tuple[int, int], ...]
    reference_seconds: tuple[float, float]


def _get_hypervolume_info(
    study: StudyLike, reference_seconds: tuple[float, float] | None = None
) -> HypervolumeInfo:
    view = view_study(study)
    trials = [trial for trial in view.timed if (trial.seconds or 0.0) > 0]
    trials.sort(key=lambda trial: 0.0 if trial.finished is None else trial.finished.timestamp())
    seconds = np.array([trial.seconds for trial in trials], dtype=float)
    accuracy = np.array([trial.accuracy for trial in trials], dtype=float)
    if reference_seconds is None and len(trials):
        reference_seconds = (float(seconds.min()), float(seconds.max()))
    low, high = reference_seconds or (1.0, 1.0)
    span = max(float(np.log(high / low)), 1e-9)
    # Position on the time axis: 0 is the shortest time, 1 the longest.
    place = np.clip(np.log(seconds / low) / span, 0.0, 1.0)
    volume = running_hypervolume(np.clip(accuracy, 0.0, 1.0), place, reference_cost=1.0)
    starts: dict[int, int] = {}
    for index, trial in enumerate(trials):
        starts.setdefault(level_of(trial), index)
    return HypervolumeInfo(
        tuple(volume.tolist()),
        tuple(np.cumsum(seconds / 3600).tolist()),
        tuple(sorted(starts.items())),
        (low, high),
    )


def plot_hypervolume(study: StudyLike) -> go.Figure:
    """Plot how much of the accuracy-time plane the front dominates, over trials and hours.

    The plane is the box between accuracy 0 and 1 and between the shortest and the longest
    training time of the study, whose axis is logarithmic; its area is 1.
    """
    return _draw_hypervolume(_get_hypervolume_info(study))


def _draw_hypervolume(info: HypervolumeInfo) -> go.Figure:
    if not info.volume:
        return empty_figure(
            "Hypervolume", "No cell with accuracy and training time has been trained yet."
        )
    hours, unit = list(info.hours), "hours"
    if hours[-1] < 1.0:
        hours, unit = [value * 60 for value in hours], "minutes"
    figure = make_subplots(rows=1, cols=2, shared_yaxes=True, horizontal_spacing=0.05)
    style_figure(
        figure,
        f"How the front grew: hypervolume {info.volume[-1]:.3f}",
        "share of the plane of accuracy and log time that the front dominates; "
        "dotted: the first cells of 2, 3, ... blocks",
    )
    line = {"color": palette.BLUE, "width": 2, "shape": "hv"}
    for column, xs in ((1, list(range(1, len(info.volume) + 1))), (2, hours)):
        figure.add_scatter(
            x=xs,
            y=list(info.volume),
            mode="lines" if len(xs) > 1 else "markers",
            line=line,
            row=1,
            col=column,
            showlegend=False,
            hovertemplate="%{x:.4g}: %{y:.4f}<extra></extra>",
        )
        for level, start in info.level_starts:
            if level < 2:
                continue
            figure.add_vline(
                x=xs[start],
                row=1,
                col=column,
                line={"color": palette.NEUTRAL, "dash": "dot", "width": 1},
                annotation_text=str(level),
                annotation_position="bottom right",
                annotation_font_size=11,
            )
    figure.update_xaxes(title_text="finished trials", row=1, col=1)
    figure.update_xaxes(title_text=f"training {unit}, all workers", row=1, col=2)
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title_text="hypervolume", row=1, col=1)
    return figure
