"""The Pareto front, and all finished cells by level."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import NamedTuple, TYPE_CHECKING

import plotly.graph_objects as go

from optuna_popnas.study.excess import Expected
from optuna_popnas.study.excess import expected_accuracies
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import view_study
from optuna_popnas.study.words import level_name
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import accuracy_bounds
from optuna_popnas.visualization.figure import cell_lines
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import log_ticks
from optuna_popnas.visualization.figure import new_figure


if TYPE_CHECKING:
    from optuna_popnas.study.records import TrialRecord


class ParetoFrontInfo(NamedTuple):
    """Finished cells and their front.

    Attributes:
        levels: Finished trials by level, ascending; the trials of the front among them.
        front: Trials that no other one dominates, the most accurate first.
        objectives: Names of the objectives.
        timed: Whether training times are known; if not, trials are drawn by their number.
        failed: Number of failed trials.
        expected: For each trial of the front what to expect of it when it is trained again; empty
            where single trainings are all that is known.
        references: Name -> (accuracy, seconds) of known networks.
    """

    levels: tuple[tuple[int, tuple[TrialRecord, ...]], ...]
    front: tuple[TrialRecord, ...]
    objectives: tuple[str, ...]
    timed: bool
    failed: int
    expected: tuple[Expected | None, ...] = ()
    references: Mapping[str, tuple[float, float]] = {}


def _get_pareto_front_info(
    study: StudyLike, references: Mapping[str, tuple[float, float]] | None = None
) -> ParetoFrontInfo:
    view = view_study(study)
    timed = bool(view.timed)
    trials = view.timed if timed else view.complete
    levels = sorted({level_of(trial) for trial in trials})
    return ParetoFrontInfo(
        tuple((b, tuple(trial for trial in trials if level_of(trial) == b)) for b in levels),
        view.front,
        view.metric_names,
        timed,
        sum(trial.is_failure for trial in view.trials),
        expected_accuracies(view, view.front) if view.is_adaptive or view.confirmed else (),
        references or {},
    )


def plot_pareto_front(
    study: StudyLike, *, references: Mapping[str, tuple[float, float]] | None = None
) -> go.Figure:
    """Plot accuracy against training time of all cells, by level, and their Pareto front.

    Args:
        study: A study whose objective used ``space.suggest``, with any sampler. Of more than two
            objectives the first two are the axes; the front is that of all.
        references: Known networks to compare with: name -> (accuracy, training seconds), trained
            as the cells were.
    """
    return _draw_pareto_front(_get_pareto_front_info(study, references))


def _draw_pareto_front(info: ParetoFrontInfo) -> go.Figure:
    count = sum(len(trials) for _, trials in info.levels)
    if count == 0:
        failed = f" {info.failed} failed." if info.failed else ""
        return empty_figure("Pareto front", f"No cell has been trained yet.{failed}")
    best = max(info.front, key=lambda trial: trial.accuracy or 0.0)
    cells = "1 cell" if count == 1 else f"{count} cells"
    if not info.timed or len(info.objectives) < 2:
        subtitle = f"best of {cells}: {best.accuracy:.3f}"
        title = "Accuracy of all cells"
    else:
        title = f"Pareto front: {len(info.front)} of {cells} trained are on it"
        subtitle = "upper left is better; the line joins cells that no other cell beats"
    if len(info.objectives) > 2:
        title = f"Pareto front of {len(info.objectives)} objectives: {len(info.front)} of {cells}"
        subtitle = f"also compared: {', '.join(info.objectives[2:])}"
    figure = new_figure(title, subtitle)
    on_front = {trial.number for trial in info.front}
    if info.timed and len(info.objectives) == 2:
        line = sorted(info.front, key=lambda trial: trial.seconds or 0.0)
        figure.add_scatter(
            x=[trial.seconds for trial in line],
            y=[trial.accuracy for trial in line],
            mode="lines",
            line={"shape": "hv", "color": palette.NEUTRAL, "width": 1.5},
            name="front",
            hoverinfo="skip",
        )
    for level, trials in info.levels:
        color, symbol = palette.level_mark(level)
        front = [trial.number in on_front for trial in trials]
        figure.add_scatter(
            x=[trial.seconds if info.timed else trial.number for trial in trials],
            y=[trial.accuracy for trial in trials],
            mode="markers",
            name=f"{level_name(level)} ({len(trials)})",
            marker={
                "color": color,
                "symbol": symbol,
                "size": [10 if inside else 6 for inside in front],
                "opacity": [1.0 if inside else 0.5 for inside in front],
                "line": {
                    "width": [1.5 if inside else 0 for inside in front],
                    "color": palette.NEUTRAL,
                },
            },
            text=[_hover(trial, info.objectives) for trial in trials],
            hovertemplate="%{text}<extra></extra>",
        )
    _add_expected(figure, info)
    _add_references(figure, info)
    seconds = [trial.seconds for _, trials in info.levels for trial in trials if trial.seconds]
    seconds += [time for _, time in info.references.values()]
    if info.timed:
        figure.update_xaxes(title_text="training seconds", **log_ticks(seconds))
    else:
        figure.update_xaxes(title_text="trial")
    figure.update_yaxes(title_text="validation accuracy")
    return figure


def _add_expected(figure: go.Figure, info: ParetoFrontInfo) -> None:
    known = [(t, e) for t, e in zip(info.front, info.expected) if e is not None]
    if not known or not info.timed:
        return
    measured = (trial.accuracy for _, trials in info.levels for trial in trials)
    low, high = accuracy_bounds(measured)
    means = [min(max(expected.mean, low), high) for _, expected in known]  # a model knows none
    figure.add_scatter(
        x=[trial.seconds for trial, _ in known],
        y=means,
        error_y={
            "array": [min(e.deviation, high - mean) for mean, (_, e) in zip(means, known)],
            "arrayminus": [min(e.deviation, mean - low) for mean, (_, e) in zip(means, known)],
            "color": palette.NEUTRAL,
            "thickness": 1,
            "width": 3,
        },
        mode="markers",
        name="to expect when trained again",
        marker={"symbol": "line-ew-open", "size": 9, "color": palette.NEUTRAL},
        text=[f"trial {trial.number}" for trial, _ in known],
        hovertemplate="%{text}: %{y:.4f} to expect<extra></extra>",
    )


def _add_references(figure: go.Figure, info: ParetoFrontInfo) -> None:
    if not info.references or not info.timed:
        return
    figure.add_scatter(
        x=[seconds for _, seconds in info.references.values()],
        y=[accuracy for accuracy, _ in info.references.values()],
        mode="markers+text",
        name="known networks",
        marker={"symbol": "star", "size": 13, "color": palette.VERMILION},
        text=[escape(name) for name in info.references],
        textposition=[_beside(info, *pair) for pair in info.references.values()],
        cliponaxis=False,
        hovertemplate="%{text}<br>accuracy %{y:.4f}<br>training %{x:.3g} s<extra></extra>",
    )


def _beside(info: ParetoFrontInfo, accuracy: float, seconds: float) -> str:
    """Return where the name of a known network stands free: the front and its cells do not."""
    below = any(
        (trial.accuracy or 0.0) >= accuracy and (trial.seconds or 0.0) <= seconds
        for trial in info.front
    )
    return "bottom center" if below else "top left"


def _hover(trial: TrialRecord, objectives: tuple[str, ...]) -> str:
    lines = [f"<b>trial {trial.number}</b>", f"accuracy {trial.accuracy:.4f}"]
    if trial.seconds is not None:
        lines.append(f"training {trial.seconds:.3g} s")
    for name, value in list(zip(objectives, trial.values or ()))[2:]:
        lines.append(f"{name} {value:,.6g}")
    return "<br>".join([*lines, cell_lines(trial.cell)])
