"""How the time features go together, and with the training time (Fig. 5.2)."""

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


_FEWEST = 10


class CorrelationInfo(NamedTuple):
    """Correlations of the time features and the seconds.

    Attributes:
        names: The features that differ between the study's cells, and "seconds" last.
        matrix: ``(d, d)`` Pearson correlations; empty if there are too few cells.
    """

    names: tuple[str, ...]
    matrix: npt.NDArray[np.float64]


def _get_correlation_info(study: StudyLike) -> CorrelationInfo:
    view = view_study(study)
    trials = [trial for trial in view.timed if trial.cell is not None]
    if len(trials) < _FEWEST:
        return CorrelationInfo((), np.zeros((0, 0)))
    from optuna_popnas.predictors import operator_scores
    from optuna_popnas.predictors import TIME_FEATURES
    from optuna_popnas.predictors import time_features
    from optuna_popnas.study.tables import total_cells

    cells = [trial.cell for trial in trials if trial.cell is not None]
    seconds = np.array([trial.seconds for trial in trials], dtype=np.float64)
    scores = operator_scores(view.space, cells, seconds)
    columns = np.column_stack([time_features(cells, scores, total_cells(view)), seconds])
    differs = np.ptp(columns, axis=0) > 0
    names = [name for name, keep in zip((*TIME_FEATURES, "seconds"), differs) if keep]
    return CorrelationInfo(tuple(names), np.corrcoef(columns[:, differs].T))


def plot_feature_correlation(study: StudyLike) -> go.Figure:
    """Plot the correlations of the time features with each other and with the training time.

    Args:
        study: A study with training times.
    """
    return _draw_correlation(_get_correlation_info(study))


def _draw_correlation(info: CorrelationInfo) -> go.Figure:
    if not info.names:
        return empty_figure(
            "Time features", f"Fewer than {_FEWEST} cells with training times are finished."
        )
    best = int(np.argmax(np.abs(info.matrix[-1, :-1])))
    figure = new_figure(
        f"Time features: {info.names[best]} goes with the seconds best",
        "Pearson's correlation over the study's cells; blue: together, orange: against",
        height=560,
    )
    figure.add_heatmap(
        x=info.names,
        y=info.names,
        z=np.round(info.matrix, 3),
        zmin=-1,
        zmax=1,
        colorscale=[[0, palette.ORANGE], [0.5, "rgba(128,136,146,0.06)"], [1, palette.BLUE]],
        text=[[f"{value:.2f}" for value in row] for row in info.matrix],
        texttemplate="%{text}",
        hovertemplate="%{y} with %{x}: %{z:.3f}<extra></extra>",
        colorbar={"thickness": 12, "outlinewidth": 0},
    )
    figure.update_yaxes(autorange="reversed")
    return figure
