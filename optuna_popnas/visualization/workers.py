"""What each worker did when: training apart from waiting."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import plotly.graph_objects as go

from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import view_study
from optuna_popnas.study.words import level_name
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import new_figure


class WorkSpan(NamedTuple):
    """One stretch of a worker's time.

    Attributes:
        number: The trial.
        level: Blocks of its cell.
        kind: ``"waiting"``, ``"training"`` or ``"failed"``.
        start: Minutes since the first trial of the study began.
        minutes: Its length.
    """

    number: int
    level: int
    kind: str
    start: float
    minutes: float


class WorkerInfo(NamedTuple):
    """One worker.

    Attributes:
        name: Its name, as written on its trials.
        spans: What it did, in order.
        busy: Share of the time from its first to its last moment that it trained.
    """

    name: str
    spans: tuple[WorkSpan, ...]
    busy: float


def _get_workers_info(study: StudyLike, now: datetime | None = None) -> tuple[WorkerInfo, ...]:
    view = view_study(study)
    begun = [
        trial
        for trial in view.trials
        if trial.started is not None
        and not (trial.state == "PRUNED" and trial.cell is None)  # asked for after the end
    ]
    if not begun:
        return ()
    zero = min(trial.started for trial in begun if trial.started is not None)
    end = now or datetime.now(zero.tzinfo)
    spans: dict[str, list[WorkSpan]] = {}
    for trial in begun:
        if trial.started is None or trial.state == "WAITING":
            continue
        finished = trial.finished or max(end, trial.started)
        start = (trial.started - zero).total_seconds() / 60
        total = max((finished - trial.started).total_seconds() / 60, 0.0)
        waited = min(trial.waited_seconds / 60, total)
        rows = spans.setdefault(trial.worker or "a worker", [])
        level = level_of(trial)
        if waited > 0:
            rows.append(WorkSpan(trial.number, level, "waiting", start, waited))
        kind = "failed" if trial.state == "FAIL" else "training"
        rows.append(WorkSpan(trial.number, level, kind, start + waited, total - waited))
    workers = []
    for name in sorted(spans):
        rows = sorted(spans[name], key=lambda span: span.start)
        length = max(row.start + row.minutes for row in rows) - rows[0].start
        trained = sum(row.minutes for row in rows if row.kind == "training")
        workers.append(WorkerInfo(name, tuple(rows), min(trained / length, 1) if length else 1.0))
    return tuple(workers)


def plot_workers(study: StudyLike) -> go.Figure:
    """Plot what each worker did over time, with waiting apart from training."""
    return _draw_workers(_get_workers_info(study))


def _draw_workers(info: tuple[WorkerInfo, ...]) -> go.Figure:
    if not info:
        return empty_figure("Workers", "No trial has been started yet.")
    count = sum(len(worker.spans) for worker in info)
    busy = sum(worker.busy for worker in info) / len(info)
    figure = new_figure(
        f"Workers: {busy:.0%} of their time they had a cell to train",
        "each bar is a training; waiting is for the end of a level and its plan",
        height=180 + 46 * len(info),
    )
    looks = {
        "training": (palette.BLUE, ""),
        "waiting": (palette.ORANGE, "/"),
        "failed": (palette.VERMILION, "x"),
    }
    for kind, (color, pattern) in looks.items():
        rows = [(w, span) for w in info for span in w.spans if span.kind == kind]
        if not rows:
            continue
        figure.add_bar(
            y=[_label(worker) for worker, _ in rows],
            x=[span.minutes for _, span in rows],
            base=[span.start for _, span in rows],
            orientation="h",
            name=kind,
            marker={
                "color": color,
                "line": {"width": 0.5 if count < 400 else 0, "color": "rgba(255,255,255,0.6)"},
                "pattern": {"shape": pattern, "size": 6, "solidity": 0.35},
            },
            text=[f"trial {span.number}, {level_name(span.level)}" for _, span in rows],
            textposition="none",
            hovertemplate="%{text}<br>" + kind + " %{x:.3g} min<extra></extra>",
        )
    figure.update_layout(barmode="overlay", bargap=0.35)
    figure.update_xaxes(title_text="minutes since the start")
    figure.update_yaxes(type="category", autorange="reversed")
    return figure


def _label(worker: WorkerInfo) -> str:
    name = worker.name if len(worker.name) <= 28 else f"{worker.name[:12]}...{worker.name[-13:]}"
    return f"{name} ({worker.busy:.0%})"
