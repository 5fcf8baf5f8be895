"""Figures of one plan: its estimates, and predicted against measured cells (Fig. 6.1)."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import NamedTuple, TYPE_CHECKING

import plotly.graph_objects as go

from optuna_popnas.space import Cell
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.view import view_study
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import accuracy_bounds
from optuna_popnas.visualization.figure import cell_lines
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import log_ticks
from optuna_popnas.visualization.figure import new_figure


if TYPE_CHECKING:
    from optuna_popnas.search import Plan
    from optuna_popnas.search import PlannedCell

_NO_PLAN = (
    "No level has been planned with predictions yet. "
    "They begin with cells of two blocks, in studies of POPNASSampler."
)


class EstimatesInfo(NamedTuple):
    """What a level, or the waves of an adaptive search, could have been, and what was chosen.

    Attributes:
        part: Such as ``"Level 3"`` or ``"8 waves"``; empty if nothing was planned so far.
        candidates: Number of cells that were judged, in the last wave.
        over_limit: Of those, how many were over the time limit or another limit.
        sample: Up to 300 of the estimates: (accuracy, seconds).
        chosen: The cells of the plan with their predictions.
        time_limit: Seconds, or None.
    """

    part: str
    candidates: int
    over_limit: int
    sample: tuple[tuple[float, float], ...]
    chosen: tuple[PlannedCell, ...]
    time_limit: float | None


class PredictedFrontInfo(NamedTuple):
    """Predicted and measured cells of one level, or of all waves of an adaptive search.

    Attributes:
        part: Such as ``"Level 3"`` or ``"8 waves"``; empty if nothing was planned so far.
        cells: (planned cell, measured accuracy, measured seconds) in order of planning; the
            measurements are None where the training has not finished.
    """

    part: str
    cells: tuple[tuple[PlannedCell, float | None, float | None], ...]


def _planned_part(
    view: StudyView, level: int | None
) -> tuple[str, Plan, list[PlannedCell]] | None:
    """Return the name of what was planned, its last plan, and its cells with predictions."""
    plans = [plan for plan in view.plans if any(cell.accuracy is not None for cell in plan.cells)]
    if not plans:
        return None
    if not view.is_adaptive:
        by_level = {plan.level: plan for plan in plans}
        trained = [b for b in by_level if any(level_of(trial) == b for trial in view.complete)]
        last = by_level.get(max(trained or by_level) if level is None else level)
        plans = [] if last is None else [last]
    cells: dict[Cell, PlannedCell] = {}
    for plan in plans:
        for planned in plan.cells:
            asked = level is None or len(planned.cell) == level
            if asked and planned.accuracy is not None and planned.role != "repeat":
                cells.setdefault(planned.cell.canonical(), planned)
    if not cells:
        return None
    many = view.is_adaptive and level is None
    name = f"{len(plans)} waves" if many else f"Level {level or plans[-1].level}"
    return name, plans[-1], list(cells.values())


def _get_estimates_info(study: StudyLike, level: int | None = None) -> EstimatesInfo:
    view = view_study(study)
    found = _planned_part(view, level)
    limit = view.settings.get("time_limit")
    if found is None:
        return EstimatesInfo("", 0, 0, (), (), limit)
    part, plan, cells = found
    sample = tuple((row[0], row[1]) for row in plan.report.sample if len(row) > 1)
    candidates, over = plan.report.candidates or 0, plan.report.over_limit or 0
    return EstimatesInfo(part, candidates, over, sample, tuple(cells), limit)


def plot_estimates(study: StudyLike, level: int | None = None) -> go.Figure:
    """Plot what was predicted of a level's candidates, and which of them were chosen.

    Args:
        study: A study of :class:`~optuna_popnas.POPNASSampler`.
        level: Blocks per cell. Left out: the last level with finished cells; in an adaptive
            search all cells of all waves.
    """
    return _draw_estimates(_get_estimates_info(study, level))


def _draw_estimates(info: EstimatesInfo) -> go.Figure:
    if not info.part:
        return empty_figure("Candidates", _NO_PLAN)
    if not any(planned.seconds is not None for planned in info.chosen):
        return empty_figure(
            f"Candidates, {info.part.lower()}",
            "This search predicts no training times (PNAS): its cells are the most accurate ones.",
        )
    over = f"; {info.over_limit:,} were over a limit" if info.over_limit else ""
    grey = "; grey: a sample of all candidates" if info.sample else ""
    chosen = f"{len(info.chosen)} of {info.candidates:,} candidates chosen"
    if "wave" in info.part:
        chosen = (
            f"{len(info.chosen)} cells chosen, from {info.candidates:,} candidates in the last"
        )
    figure = new_figure(f"{info.part}: {chosen}", f"predictions{grey}{over}")
    figure.add_scatter(
        x=[seconds for _, seconds in info.sample],
        y=[accuracy for accuracy, _ in info.sample],
        mode="markers",
        name="candidates",
        marker={"color": palette.GREY, "size": 5, "opacity": 0.45},
        hovertemplate="accuracy %{y:.4f}<br>%{x:.3g} s<extra>candidate</extra>",
    )
    for role, cells in _by_role(info.chosen).items():
        color, symbol, words = palette.ROLES.get(role, (palette.VERMILION, "star", role))
        figure.add_scatter(
            x=[planned.seconds for planned in cells],
            y=[planned.accuracy for planned in cells],
            mode="markers",
            name=f"{words} ({len(cells)})",
            marker={"color": color, "symbol": symbol, "size": 9},
            text=[cell_lines(planned.cell) for planned in cells],
            hovertemplate="accuracy %{y:.4f}<br>%{x:.3g} s<br>%{text}<extra></extra>",
        )
    if info.time_limit is not None:
        figure.add_vline(
            x=info.time_limit,
            line={"color": palette.VERMILION, "dash": "dash"},
            annotation_text="time limit",
        )
    seconds = [s for _, s in info.sample] + [p.seconds for p in info.chosen if p.seconds]
    figure.update_xaxes(title_text="predicted training seconds", **log_ticks(seconds))
    figure.update_yaxes(title_text="predicted accuracy")
    return figure


def _get_predicted_front_info(study: StudyLike, level: int | None = None) -> PredictedFrontInfo:
    view = view_study(study)
    found = _planned_part(view, level)
    if found is None:
        return PredictedFrontInfo("", ())
    trials = {t.cell.canonical(): t for t in reversed(view.complete) if t.cell is not None}
    rows = []
    for planned in found[2]:
        trial = trials.get(planned.cell.canonical())
        pair = (None, None) if trial is None else (trial.accuracy, trial.seconds)
        rows.append((planned, *pair))
    return PredictedFrontInfo(found[0], tuple(rows))


def plot_predicted_front(study: StudyLike, level: int | None = None) -> go.Figure:
    """Plot the cells of a level as predicted and as measured (Fig. 6.1 of the thesis).

    Args:
        study: A study of :class:`~optuna_popnas.POPNASSampler`.
        level: Blocks per cell. Left out: the last level with finished cells; in an adaptive
            search all cells of all waves.
    """
    return _draw_predicted_front(_get_predicted_front_info(study, level))


def _draw_predicted_front(info: PredictedFrontInfo) -> go.Figure:
    if not info.part:
        return empty_figure("Predicted against measured", _NO_PLAN)
    done = [(p, a, s) for p, a, s in info.cells if a is not None]
    if not any(planned.seconds is not None for planned, _, _ in info.cells):
        return empty_figure(
            f"Predicted against measured, {info.part.lower()}",
            "This search predicts no training times (PNAS).",
        )
    low, high = accuracy_bounds(accuracy for _, accuracy, _ in done)
    figure = new_figure(
        f"{info.part}: predicted and measured, {len(done)} of {len(info.cells)} trained",
        "each line leads from a cell's prediction to its measurement; short lines are good",
    )
    xs: list[float | None] = []
    ys: list[float | None] = []
    for planned, accuracy, seconds in done:
        if planned.seconds is not None and seconds is not None:
            xs += [planned.seconds, seconds, None]
            ys += [_within(planned.accuracy, low, high), accuracy, None]
    figure.add_scatter(
        x=xs,
        y=ys,
        mode="lines",
        line={"color": palette.GREY, "width": 1},
        opacity=0.5,
        showlegend=False,
        hoverinfo="skip",
    )
    ranks = {id(planned): str(rank) for rank, (planned, _, _) in enumerate(info.cells, 1)}
    many = len(info.cells) > 24
    for role, cells in _by_role([planned for planned, _, _ in info.cells]).items():
        _, symbol, words = palette.ROLES.get(role, (palette.VERMILION, "star", role))
        figure.add_scatter(
            x=[planned.seconds for planned in cells],
            y=[_within(planned.accuracy, low, high) for planned in cells],
            error_y=_bars(
                [(planned.accuracy, planned.accuracy_std) for planned in cells], low, high
            ),
            error_x=_bars([(planned.seconds, planned.seconds_std) for planned in cells], 0.0),
            mode="markers" if many else "markers+text",
            name=f"predicted, {words}",
            marker={"color": palette.GREEN, "symbol": symbol, "size": 7},
            text=[ranks[id(planned)] for planned in cells],
            textposition="top center",
            customdata=[cell_lines(planned.cell) for planned in cells],
            hovertemplate="predicted, rank %{text}<br>accuracy %{y:.4f}<br>%{x:.3g} s<br>"
            "%{customdata}<extra></extra>",
        )
        trained = [(p, a, s) for p, a, s in done if p.role == role and s is not None]
        figure.add_scatter(
            x=[s for _, _, s in trained],
            y=[a for _, a, _ in trained],
            mode="markers" if many else "markers+text",
            name=f"measured, {words}",
            marker={"color": palette.BLUE, "symbol": symbol, "size": 8},
            text=[ranks[id(p)] for p, _, _ in trained],
            textposition="top center",
            customdata=[cell_lines(p.cell) for p, _, _ in trained],
            hovertemplate="measured, rank %{text}<br>accuracy %{y:.4f}<br>%{x:.3g} s<br>"
            "%{customdata}<extra></extra>",
        )
    seconds_seen = [p.seconds for p, _, _ in info.cells if p.seconds]
    seconds_seen += [s for _, _, s in done if s]
    figure.update_xaxes(title_text="training seconds", **log_ticks(seconds_seen))
    figure.update_yaxes(title_text="validation accuracy")
    return figure


def _by_role(cells: list[PlannedCell] | tuple[PlannedCell, ...]) -> dict[str, list[PlannedCell]]:
    roles: dict[str, list[PlannedCell]] = {}
    for planned in cells:
        roles.setdefault(planned.role, []).append(planned)
    return roles


def _within(value: float | None, low: float, high: float) -> float | None:
    """Return a prediction as it is drawn: a model knows no bounds."""
    return None if value is None else min(max(value, low), high)


def _bars(
    pairs: Sequence[tuple[float | None, float | None]], low: float, high: float = math.inf
) -> dict[str, object]:
    """Return deviations of means as bars that stay within bounds."""
    if all(deviation is None for _, deviation in pairs):
        return {"visible": False}
    known = [(_within(mean, low, high) or 0.0, deviation or 0.0) for mean, deviation in pairs]
    return {
        "array": [min(deviation, high - mean) for mean, deviation in known],
        "arrayminus": [min(deviation, mean - low) for mean, deviation in known],
        "color": "rgba(0,158,115,0.3)",
        "thickness": 1,
        "width": 0,
    }
