"""What the time model has learnt: feature importance and SHAP values (Sec. 5.3.2, Fig. 5.3)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go

from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import view_study
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import new_figure


_FEWEST = 20
_MOST_SHOWN = 400


class TimeModelInfo(NamedTuple):
    """A CatBoost time model fitted to all finished cells of a study.

    Attributes:
        features: Names of the time features; empty if there are too few cells.
        importance: ``(d,)`` share of the change of predictions, in percent.
        values: ``(n, d)`` feature values of ``n`` finished cells.
        shap: ``(n, d)`` seconds that each feature adds to the prediction of each cell.
    """

    features: tuple[str, ...]
    importance: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    shap: npt.NDArray[np.float64]


def _get_time_model_info(study: StudyLike) -> TimeModelInfo:
    view = view_study(study)
    trials = [trial for trial in view.timed if trial.cell is not None]
    if len(trials) < _FEWEST:
        return TimeModelInfo((), np.zeros(0), np.zeros((0, 0)), np.zeros((0, 0)))
    from optuna_popnas.predictors import CatBoostTimePredictor
    from optuna_popnas.predictors import TIME_FEATURES

    total = view.settings.get("total_cells") or 8
    # A few candidates and trees: the figure explains the model, it does not have to win.
    model = CatBoostTimePredictor(
        view.space, total_cells=total, seed=0, candidates=2, max_trees=300, patience=20
    )
    cells = [trial.cell for trial in trials if trial.cell is not None]
    model.fit(cells, [trial.seconds or 0.0 for trial in trials])
    step = max(1, -(-len(cells) // _MOST_SHOWN))
    shown = cells[::step]
    return TimeModelInfo(
        tuple(TIME_FEATURES),
        model.feature_importance(),
        model.features(shown),
        model.shap_values(shown),
    )


def plot_time_importance(study: StudyLike) -> go.Figure:
    """Plot how much each time feature matters to a CatBoost model of the study's cells."""
    return _draw_time_importance(_get_time_model_info(study))


def plot_time_shap(study: StudyLike) -> go.Figure:
    """Plot SHAP values of the time features (Fig. 5.3 of the thesis).

    Each point is a cell: how many seconds a feature adds to its prediction or takes away.
    """
    return _draw_time_shap(_get_time_model_info(study))


def time_model_figures(study: StudyLike) -> tuple[go.Figure, go.Figure]:
    """Return both figures of one model, which is fitted once."""
    info = _get_time_model_info(study)
    return _draw_time_importance(info), _draw_time_shap(info)


def _too_few(title: str) -> go.Figure:
    return empty_figure(title, f"Fewer than {_FEWEST} cells with training times are finished.")


def _draw_time_importance(info: TimeModelInfo) -> go.Figure:
    if not info.features:
        return _too_few("Time model: feature importance")
    order = np.argsort(info.importance)
    figure = new_figure(
        f"Time model: {info.features[int(order[-1])]} matters most",
        "CatBoost's feature importance, in percent",
        height=420,
    )
    figure.add_bar(
        y=[info.features[i] for i in order],
        x=[float(info.importance[i]) for i in order],
        orientation="h",
        marker_color=palette.BLUE,
        text=[f"{info.importance[i]:.1f} %" for i in order],
        textposition="outside",
        cliponaxis=False,
        hovertemplate="%{y}: %{x:.2f} %<extra></extra>",
    )
    figure.update_xaxes(range=[0, max(float(info.importance.max()), 1.0) * 1.15])
    figure.update_layout(bargap=0.35, showlegend=False)
    return figure


def _draw_time_shap(info: TimeModelInfo) -> go.Figure:
    if not info.features:
        return _too_few("Time model: SHAP values")
    weight = np.abs(info.shap).mean(axis=0)
    order = np.argsort(weight)
    figure = new_figure(
        "Time model: what makes a cell slow",
        "each point is a cell; right: the feature adds seconds, left: it saves them",
        height=470,
    )
    rng = np.random.default_rng(0)  # spreads the points of a row
    low, high = info.values.min(axis=0), info.values.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    for row, index in enumerate(order):
        values = info.values[:, index]
        figure.add_scatter(
            x=info.shap[:, index].tolist(),
            y=(row + rng.uniform(-0.28, 0.28, len(values))).tolist(),
            mode="markers",
            showlegend=False,
            marker={
                "size": 4,
                "opacity": 0.7,
                "color": ((values - low[index]) / span[index]).tolist(),
                # Blue to orange: distinct under colour blindness, visible on light and dark.
                "colorscale": [[0, palette.BLUE], [0.5, palette.GREY], [1, palette.ORANGE]],
                "cmin": 0,
                "cmax": 1,
                "showscale": row == 0,
                "colorbar": {
                    "title": {"text": "feature value", "side": "right"},
                    "tickvals": [0, 1],
                    "ticktext": ["low", "high"],
                    "thickness": 12,
                    "outlinewidth": 0,
                },
            },
            text=[f"{value:.4g}" for value in values],
            hovertemplate=info.features[index] + " = %{text}: %{x:+.3g} s<extra></extra>",
        )
    figure.add_vline(x=0, line={"color": palette.NEUTRAL, "width": 1})
    figure.update_yaxes(
        tickvals=list(range(len(order))), ticktext=[info.features[i] for i in order]
    )
    figure.update_xaxes(title_text="seconds added to the prediction")
    return figure
