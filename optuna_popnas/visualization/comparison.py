"""Several studies side by side: POPNAS, PNAS, TPE and the like (Tables 6.4 and 6.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import view_study
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import log_ticks
from optuna_popnas.visualization.figure import style_figure


class ComparedStudy(NamedTuple):
    """One study of a comparison.

    Attributes:
        name: Its name.
        networks: Cells trained.
        hours: Training hours, all workers together.
        top1: Best accuracy.
        top5: Mean of the five best accuracies.
        front: (seconds, accuracy) of the front, the quickest first.
        best: (hours spent, best accuracy so far) after each trial.
    """

    name: str
    networks: int
    hours: float
    top1: float
    top5: float
    front: tuple[tuple[float, float], ...]
    best: tuple[tuple[float, float], ...]


def _get_comparison_info(
    studies: Mapping[str, StudyLike] | Sequence[StudyLike],
) -> tuple[ComparedStudy, ...]:
    if isinstance(studies, Mapping):
        named = [(name, view_study(study)) for name, study in studies.items()]
    else:
        views = [view_study(study) for study in studies]
        named = [(view.study_name, view) for view in views]
    compared = []
    for name, view in named:
        trials = view.complete
        if not trials:
            continue
        accuracies = sorted((trial.accuracy or 0.0 for trial in trials), reverse=True)
        spent, top, best = 0.0, 0.0, []
        for trial in sorted(trials, key=lambda t: (t.finished is None, t.finished, t.number)):
            spent += (trial.seconds or 0.0) / 3600
            top = max(top, trial.accuracy or 0.0)
            best.append((spent, top))
        compared.append(
            ComparedStudy(
                name,
                len(trials),
                spent,
                accuracies[0],
                sum(accuracies[:5]) / len(accuracies[:5]),
                tuple(sorted((t.seconds, t.accuracy or 0.0) for t in view.front if t.seconds)),
                tuple(best),
            )
        )
    return tuple(compared)


def plot_comparison(studies: Mapping[str, StudyLike] | Sequence[StudyLike]) -> go.Figure:
    """Compare the fronts of several studies, and how quickly each found accurate cells.

    Args:
        studies: Studies, or names and studies. They should train the same network on the same
            data and device, or their seconds do not compare.
    """
    return _draw_comparison(_get_comparison_info(studies))


def _draw_comparison(info: tuple[ComparedStudy, ...]) -> go.Figure:
    if not info:
        return empty_figure("Comparison", "None of the studies has a trained cell yet.")
    figure = make_subplots(
        rows=1,
        cols=2,
        horizontal_spacing=0.12,
        subplot_titles=("fronts", "best accuracy so far"),
    )
    style_figure(
        figure,
        f"{len(info)} studies compared" if len(info) > 1 else "One study",
        "; ".join(
            f"{study.name}: {study.networks} cells, {_duration(study.hours)}, "
            f"best {study.top1:.3f}, five best {study.top5:.3f}"
            for study in info[:3]
        ),
    )
    unit, scale = ("hours", 1.0) if max(study.hours for study in info) >= 1 else ("minutes", 60.0)
    for index, study in enumerate(info):
        color = palette.SERIES[index % len(palette.SERIES)]
        dash = palette.DASHES[index % len(palette.DASHES)]
        symbol = palette.SYMBOLS[index % len(palette.SYMBOLS)]
        figure.add_scatter(
            x=[seconds for seconds, _ in study.front],
            y=[accuracy for _, accuracy in study.front],
            mode="lines+markers",
            line={"color": color, "dash": dash, "shape": "hv"},
            marker={"symbol": symbol, "size": 7},
            name=study.name,
            legendgroup=study.name,
            row=1,
            col=1,
        )
        figure.add_scatter(
            x=[hours * scale for hours, _ in study.best],
            y=[accuracy for _, accuracy in study.best],
            mode="lines",
            line={"color": color, "dash": dash, "shape": "hv"},
            name=study.name,
            legendgroup=study.name,
            showlegend=not study.front,
            row=1,
            col=2,
        )
    seconds = [value for study in info for value, _ in study.front]
    figure.update_xaxes(title_text="training seconds", row=1, col=1, **log_ticks(seconds or [1]))
    figure.update_xaxes(title_text=f"training {unit}", row=1, col=2)
    figure.update_yaxes(title_text="validation accuracy", row=1, col=1)
    return figure


def _duration(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{hours * 60:.1f} min"
