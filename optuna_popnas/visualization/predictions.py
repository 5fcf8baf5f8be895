"""Predicted against measured values, with rank correlation and error by level."""

from __future__ import annotations

from typing import NamedTuple, TYPE_CHECKING

import plotly.graph_objects as go

from optuna_popnas.search import PredictionQuality
from optuna_popnas.study.quality import level_quality
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import view_study
from optuna_popnas.study.words import level_name
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import log_ticks
from optuna_popnas.visualization.figure import new_figure


if TYPE_CHECKING:
    from optuna_popnas.study.records import TrialRecord


_TARGETS = {"accuracy": "accuracy", "seconds": "training time"}


class PredictionsInfo(NamedTuple):
    """Predictions of one kind and what came of them.

    Attributes:
        target: ``"accuracy"`` or ``"seconds"``.
        levels: Finished trials that were predicted, by level.
        quality: Rho and MAPE of each level.
    """

    target: str
    levels: tuple[tuple[int, tuple[TrialRecord, ...]], ...]
    quality: dict[int, PredictionQuality]


def _get_predictions_info(study: StudyLike, target: str = "accuracy") -> PredictionsInfo:
    if target not in _TARGETS:
        raise ValueError(f"`target` must be 'accuracy' or 'seconds', but got {target!r}.")
    view = view_study(study)
    quality = {
        row.level: found
        for row in level_quality(view)
        if (found := getattr(row, target)) is not None
    }
    known = [
        trial
        for trial in view.complete
        if getattr(trial, f"predicted_{target}") is not None and getattr(trial, target) is not None
    ]
    levels = tuple(
        (level, tuple(trial for trial in known if level_of(trial) == level)) for level in quality
    )
    return PredictionsInfo(target, levels, quality)


def plot_predictions(study: StudyLike, target: str = "accuracy") -> go.Figure:
    """Plot predicted against measured accuracy or time, with rho and MAPE of each level.

    Every prediction was made before its level was trained (Tables 6.2 and 6.3 of the thesis).

    Args:
        study: A study of :class:`~optuna_popnas.POPNASSampler`.
        target: ``"accuracy"`` or ``"seconds"``.

    Raises:
        ValueError: ``target`` is neither.
    """
    return _draw_predictions(_get_predictions_info(study, target))


def quality_words(quality: PredictionQuality) -> str:
    """Return rho and MAPE in short words."""
    parts = []
    if quality.rho is not None:
        parts.append(f"rho {quality.rho:.2f}")
    if quality.mape is not None:
        parts.append(f"error {quality.mape:.1f} %")
    return ", ".join(parts) or "too few cells"


def _draw_predictions(info: PredictionsInfo) -> go.Figure:
    words = _TARGETS[info.target]
    if not info.levels:
        return empty_figure(
            f"Predicted {words}",
            f"No cell with a predicted {words} has been trained yet. "
            "Predictions begin with cells of two blocks.",
        )
    figure = new_figure(
        f"How well {words} was predicted, before training",
        "on the dashed line: perfect; rho: rank correlation; error: mean of |error| / measured",
        height=480,
    )
    values = []
    for level, trials in info.levels:
        color, symbol = palette.level_mark(level)
        predicted = [getattr(trial, f"predicted_{info.target}") for trial in trials]
        measured = [getattr(trial, info.target) for trial in trials]
        values += predicted + measured
        figure.add_scatter(
            x=measured,
            y=predicted,
            mode="markers",
            name=f"{level_name(level)}: {quality_words(info.quality[level])}",
            marker={"color": color, "symbol": symbol, "size": 7, "opacity": 0.8},
            text=[f"trial {trial.number}: {trial.cell}" for trial in trials],
            hovertemplate="measured %{x:.4g}<br>predicted %{y:.4g}<br>%{text}<extra></extra>",
        )
    axis = log_ticks(values) if info.target == "seconds" else {"type": "linear"}
    low, high = min(values), max(values)
    figure.add_scatter(
        x=[low, high],
        y=[low, high],
        mode="lines",
        line={"dash": "dash", "color": palette.NEUTRAL, "width": 1},
        showlegend=False,
        hoverinfo="skip",
    )
    unit = " (seconds)" if info.target == "seconds" else ""
    figure.update_xaxes(title_text=f"measured {words}{unit}", **axis)
    figure.update_yaxes(title_text=f"predicted {words}{unit}", **axis)
    return figure
