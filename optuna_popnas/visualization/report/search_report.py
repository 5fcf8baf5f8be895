"""The story of a search as one page that needs no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
import os
from pathlib import Path
import tempfile
from typing import Any, TYPE_CHECKING

from optuna_popnas.networks import NetworkConfig
from optuna_popnas.study.summary import SearchSummary
from optuna_popnas.study.summary import summarize
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.view import view_study
from optuna_popnas.study.words import duration_words
from optuna_popnas.study.words import level_name
from optuna_popnas.visualization.drawing.cell_drawing import draw_cell
from optuna_popnas.visualization.drawing.network_drawing import draw_network
from optuna_popnas.visualization.report.report_page import code
from optuna_popnas.visualization.report.report_page import FigureSheet
from optuna_popnas.visualization.report.report_page import page
from optuna_popnas.visualization.report.report_page import section
from optuna_popnas.visualization.report.report_page import sparkline
from optuna_popnas.visualization.report.report_page import table
from optuna_popnas.visualization.report.report_page import tiles


if TYPE_CHECKING:
    from optuna_popnas.study.records import TrialRecord


_MOST_CARDS = 12


def report(
    study: StudyLike, path: str | os.PathLike[str] = "report.html", *, storage: str | None = None
) -> Path:
    """Write the story of a search as one self-contained page, also while the search runs.

    Args:
        study: A study whose objective used ``space.suggest``.
        path: The file to write. A browser that shows it while it is written again sees either
            the old or the new page.
        storage: The URL that the commands on the page name.

    Returns:
        The path.

    Raises:
        OSError: The file cannot be written.
    """
    target = Path(path)
    text = report_html(study, storage=storage)
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(name, 0o644)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise
    return target


def report_html(study: StudyLike, *, storage: str | None = None) -> str:
    """Return the page as text, see :func:`report`."""
    view = view_study(study)
    summary = summarize(view)
    sheet = FigureSheet()
    parts = [
        _head(summary),
        _what(view),
        _how(view, summary, sheet),
        _front(view, summary, sheet),
        _trust(view, summary, sheet),
        _made_of(view, sheet),
        _next(view, summary, storage),
    ]
    title = f"Search report: {summary.study_name}"
    return page(title, summary.sentence, "".join(parts), sheet)


def _head(summary: SearchSummary) -> str:
    best = "none yet" if summary.best_accuracy is None else f"{summary.best_accuracy:.3f}"
    levels = "none yet" if summary.level is None else str(summary.level)
    if summary.max_blocks is not None and summary.level is not None:
        levels = f"{summary.level} of {summary.max_blocks}"
    return tiles(
        [
            (best, "best validation accuracy"),
            (str(len(summary.front)), "cells on the Pareto front"),
            (f"{summary.complete:,}", "cells trained"),
            (str(summary.failed), "trainings failed"),
            (levels, "blocks per cell reached"),
            (duration_words(summary.training_seconds), "of training"),
            (duration_words(summary.elapsed_seconds), "from start to end"),
        ]
    )


def _what(view: StudyView) -> str:
    space = view.space
    settings = view.user_attrs.get("settings")
    settings = settings if isinstance(settings, dict) else {}
    rows: list[tuple[str, str]] = []
    data = settings.get("data", {})
    if isinstance(data, dict) and data.get("source"):
        extra = _plain({k: v for k, v in data.items() if k != "source"})
        rows.append(("data", ", ".join(filter(None, [str(data["source"]), extra]))))
    rows += [
        ("operators", ", ".join(space.operators)),
        ("blocks per cell", f"up to {space.max_blocks}"),
        ("a block can read", f"the {space.lookbacks} cells before, and earlier blocks"),
        ("cells of that space", f"at most {space.profile()[-1].upper_bound:.3g}"),
    ]
    if view.settings:
        rows.append(("search", _plain(view.settings)))
    for name in ("network", "training"):
        values = settings.get(name)
        if isinstance(values, dict) and values:
            rows.append((name, _plain(values)))
    if view.stored_space is None:
        rows.append(("note", "Read from the trials: another sampler ran this study."))
    body = table(("", ""), rows, plain=True)
    best = view.front[0] if view.front else None
    config = _network_config(settings)
    if best is not None and best.cell is not None and config is not None:
        body += (
            "<p>Every cell is judged as a network in which it is stacked. "
            f"With the most accurate cell (trial {best.number}):</p>"
            f'<div class="wide">{draw_network(best.cell, config)}</div>'
        )
    return section("What was searched", body)


def _plain(values: dict[str, Any]) -> str:
    """Return settings in words; those that are off or left to the machine are not worth a line."""
    off: tuple[Any, ...] = (None, False, 0, "auto", "none", {}, (), [])
    facts = [k if v is True else f"{k} {v}" for k, v in values.items() if v not in off]
    return ", ".join(facts).replace("_", " ")


def _network_config(settings: dict[str, Any]) -> NetworkConfig | None:
    values = settings.get("network")
    if not isinstance(values, dict):
        return None
    try:
        return NetworkConfig.from_dict(values)
    except (ValueError, TypeError):  # written by another version
        return None


def _how(view: StudyView, summary: SearchSummary, sheet: FigureSheet) -> str:
    from optuna_popnas.visualization.hypervolume import plot_hypervolume
    from optuna_popnas.visualization.levels import plot_levels
    from optuna_popnas.visualization.pareto_front import plot_pareto_front
    from optuna_popnas.visualization.workers import plot_workers

    def number(value: object) -> str:
        return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value}"

    rows = []
    for row in summary.levels:
        times = "" if row.seconds is None else f"{row.seconds[0]:.3g} to {row.seconds[1]:.3g}"
        best = "" if row.best_accuracy is None else f"{row.best_accuracy:.3f}"
        spent = "" if row.plan_seconds is None else f"{row.plan_seconds:.1f} s"
        chosen = f"{row.front} + {row.exploration}" if row.level >= 2 and row.planned else ""
        rows.append(
            (
                level_name(row.level),
                number(row.candidates),
                chosen,
                str(row.trained),
                best,
                times,
                spent,
                row.message or "",
            )
        )
    head = (
        "level",
        "candidates",
        "front + exploration",
        "trained",
        "best accuracy",
        "training seconds",
        "planning",
        "",
    )
    failures = [trial for trial in view.trials if trial.state == "FAIL" and trial.reason]
    body = table(head, rows) if rows else "<p>Nothing has been trained yet.</p>"
    if failures:
        reasons = [
            (f"{trial.number}", str(trial.cell or ""), trial.reason or "")
            for trial in failures[:20]
        ]
        body += f"<h3>Failed trials</h3>{table(('trial', 'cell', 'reason'), reasons)}"
    body += sheet.add(plot_pareto_front, view) + sheet.add(plot_levels, view)
    body += sheet.add(plot_hypervolume, view) + sheet.add(plot_workers, view)
    return section("How it went", body)


def _front(view: StudyView, summary: SearchSummary, sheet: FigureSheet) -> str:
    from optuna_popnas.visualization.learning_curves import plot_learning_curves

    if not summary.front:
        return section("The front", "<p>No cell has been trained yet.</p>")
    shown = pick_along(summary.front, _MOST_CARDS)
    intro = "Cells that no other cell beats in every objective; the most accurate first."
    if len(shown) < len(summary.front):
        intro += f" {len(shown)} of {len(summary.front)} are drawn; the table has them all."
    rows = [
        (
            str(trial.number),
            f"{trial.accuracy:.4f}",
            "" if trial.seconds is None else f"{trial.seconds:.3g}",
            f"{trial.user_attrs.get('parameters', '')}",
            *(f"{value:.6g}" for value in (trial.values or ())[2:]),
            str(trial.cell),
        )
        for trial in summary.front
    ]
    names = ("trial", "accuracy", "seconds", "parameters", *view.metric_names[2:], "cell")
    cards = "".join(_card(trial) for trial in shown)
    body = (
        f'<p>{intro}</p><div class="cards">{cards}</div>'
        f"<details><summary>All {len(rows)} cells of the front</summary>{table(names, rows)}"
        "</details>" + sheet.add(plot_learning_curves, view)
    )
    return section("The front", body)


def _card(trial: TrialRecord) -> str:
    facts = [f"<b>{trial.accuracy:.3f}</b> accuracy"]
    if trial.seconds is not None:
        facts.append(f"{trial.seconds:.3g} s of training")
    if isinstance(trial.user_attrs.get("parameters"), int):
        facts.append(f"{trial.user_attrs['parameters']:,} parameters")
    curve = trial.user_attrs.get("learning_curve")
    line = sparkline(curve) if isinstance(curve, list) and len(curve) > 1 else ""
    drawing = "" if trial.cell is None else draw_cell(trial.cell)
    return (
        f'<figure class="card"><figcaption>trial {trial.number}, '
        f"{level_name(level_of(trial))}<br>{', '.join(facts)}{line}</figcaption>"
        f"{drawing}</figure>"
    )


def pick_along(trials: Sequence[TrialRecord], most: int) -> list[TrialRecord]:
    """Return at most so many trials, evenly along the sequence, both ends included."""
    if len(trials) <= most:
        return list(trials)
    return [trials[round(i * (len(trials) - 1) / (most - 1))] for i in range(most)]


def _trust(view: StudyView, summary: SearchSummary, sheet: FigureSheet) -> str:
    from optuna_popnas.visualization.planned import plot_estimates
    from optuna_popnas.visualization.planned import plot_predicted_front
    from optuna_popnas.visualization.predictions import plot_predictions

    rows = []
    for row in summary.levels:
        cells = [level_name(row.level)]
        for quality in (row.accuracy_quality, row.seconds_quality):
            rho = None if quality is None else quality.rho
            mape = None if quality is None else quality.mape
            cells += ["" if rho is None else f"{rho:.3f}", "" if mape is None else f"{mape:.1f} %"]
        if any(cells[1:]):
            rows.append((*cells, "" if row.accuracy_quality is None else _words(row)))
    if not rows:
        return section(
            "How far to trust the predictors",
            "<p>Nothing has been predicted and trained yet. Predictions begin with cells of two "
            "blocks, in studies of POPNASSampler.</p>",
        )
    head = ("level", "accuracy: rho", "error", "time: rho", "error", "accuracy ranking")
    body = (
        "<p>Each level was predicted before it was trained, from the levels before it. The search "
        "needs the right order more than the right values: look at rho, Spearman's rank "
        "correlation, first (1 is a perfect order, 0 a random one).</p>"
        + table(head, rows)
        + sheet.add(plot_predictions, view, "accuracy")
        + sheet.add(plot_predictions, view, "seconds")
        + sheet.add(plot_predicted_front, view)
        + sheet.add(plot_estimates, view)
    )
    return section("How far to trust the predictors", body)


def _words(row: Any) -> str:
    rho = row.accuracy_quality.rho
    if rho is None:
        return "too few cells to say"
    scale = ((0.8, "very good"), (0.6, "good"), (0.4, "fair"), (0.2, "weak"))
    return next((word for limit, word in scale if rho >= limit), "no better than chance")


def _made_of(view: StudyView, sheet: FigureSheet) -> str:
    from optuna_popnas.visualization.operators import plot_operators
    from optuna_popnas.visualization.time_model import time_model_figures
    from optuna_popnas.visualization.usage import plot_usage

    figures: list[tuple[Callable[..., Any], tuple[Any, ...]]] = [(plot_operators, (view,))]
    figures += [(plot_usage, (view, level)) for level in view.levels if level >= 2][-2:]
    body = "".join(sheet.add(function, *arguments) for function, arguments in figures)
    for figure in time_model_figures(view):
        body += sheet.add_figure(figure)
    return section("What good and slow cells are made of", body)


def _next(view: StudyView, summary: SearchSummary, storage: str | None) -> str:
    where = f"--storage {storage or 'STORAGE'} --study {_quoted(summary.study_name)}"
    steps: list[tuple[str, str]] = []
    if summary.state in ("stopped", "running"):
        steps.append(
            (
                "Go on, or add workers: run the command again that started the search, on this "
                "machine or on another one. With your own objective: the same script.",
                "optuna-popnas search CONFIG.toml --workers 2 " + where,
            )
        )
    if summary.front:
        steps += [
            (
                "Train the most accurate cell to convergence. `--select knee` takes the best "
                "bargain, `--trial` any other.",
                f"optuna-popnas retrain {where} -o model",
            ),
            (
                "Export it: weights, PyTorch and ONNX files that need neither this package nor "
                "the study.",
                "optuna-popnas export model -o exported",
            ),
        ]
    steps.append(
        ("Look at single trials in the browser.", f"optuna-dashboard {storage or 'STORAGE'}")
    )
    body = "".join(f"<p>{escape(text)}</p>{code(command)}" for text, command in steps)
    return section("What to do next", body)


def _quoted(name: str) -> str:
    plain = all(c.isalnum() or c in "-_.:/" for c in name)
    return name if plain and name else "'" + name.replace("'", "'\\''") + "'"
