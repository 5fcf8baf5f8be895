"""What the report says, as plain data for its template."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from optuna_popnas.networks import NetworkConfig
from optuna_popnas.study.excess import expected_accuracies
from optuna_popnas.study.findings import confirmed_words
from optuna_popnas.study.levels import LevelSummary
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.summary import SearchSummary
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.words import duration_words
from optuna_popnas.study.words import level_name
from optuna_popnas.visualization.drawing.cell_drawing import draw_cell
from optuna_popnas.visualization.drawing.network_drawing import draw_network
from optuna_popnas.visualization.page.figures import FigureSheet
from optuna_popnas.visualization.page.figures import PageFigure


_MOST_CARDS = 12
_MOST_TRIALS = 5000
_MOST_FAILURES = 20


class Table(NamedTuple):
    """A table of texts.

    Attributes:
        rows: Its rows.
        head: Names of the columns; a table without has none.
        long: Columns whose texts may be broken into lines.
    """

    rows: Sequence[Sequence[str]]
    head: Sequence[str] = ()
    long: Collection[int] = ()


class Card(NamedTuple):
    """A cell of the front: what it is, its figures with their units, its curve and drawing."""

    caption: str
    facts: Sequence[tuple[str, str]]
    curve: str
    drawing: str


def tables(view: StudyView, summary: SearchSummary) -> dict[str, Any]:
    """Return tiles and tables, by their names in the template."""
    trials = view.trials
    if len(trials) > _MOST_TRIALS:
        trials = tuple(sorted(trials, key=lambda trial: -(trial.accuracy or -1.0)))[:_MOST_TRIALS]
    return {
        "tiles": _tiles(summary),
        "searched": _searched(view),
        "settings": _settings(view),
        "levels": _levels(summary.levels),
        "failures": _failures(view.trials),
        "front": _front(view),
        "trials": _trials(trials),
        "more_trials": len(view.trials) if len(trials) < len(view.trials) else 0,
        "trust": _trust(summary.levels),
    }


def _tiles(summary: SearchSummary) -> list[tuple[str, str]]:
    best = "none yet" if summary.best_accuracy is None else f"{summary.best_accuracy:.3f}"
    levels = "none yet" if summary.level is None else str(summary.level)
    if summary.max_blocks is not None and summary.level is not None:
        levels = f"{summary.level} of {summary.max_blocks}"
    return [
        (best, "best validation accuracy"),
        (str(len(summary.front)), "cells on the Pareto front"),
        (f"{summary.complete:,}", "cells trained"),
        (str(summary.failed), "trainings failed"),
        (levels, "blocks per cell reached"),
        (duration_words(summary.training_seconds), "of training"),
        (duration_words(summary.elapsed_seconds), "from start to end"),
    ]


def _searched(view: StudyView) -> Table:
    space = view.space
    rows = [
        ("operators", ", ".join(space.operators)),
        ("blocks per cell", f"up to {space.max_blocks}"),
        ("a block can read", f"the {space.lookbacks} cells before, and earlier blocks"),
        ("cells of that space", f"at most {space.profile()[-1].upper_bound:.3g}"),
    ]
    source = _section(view, "data").get("source")
    if source:
        rows.insert(0, ("data", str(source)))
    if view.stored_space is None:
        rows.append(("note", "Read from the trials: another sampler ran this study."))
    return Table(rows, long={1})


def _section(view: StudyView, name: str) -> Mapping[str, Any]:
    settings = view.user_attrs.get("settings")
    values = settings.get(name) if isinstance(settings, dict) else None
    return values if isinstance(values, dict) else {}


def _settings(view: StudyView) -> Table:
    """Return every setting that is stored, those that are off too."""
    sections: dict[str, Mapping[str, Any]] = {"search": view.settings}
    settings = view.user_attrs.get("settings")
    for name in settings if isinstance(settings, dict) else ():
        values = _section(view, name)
        sections[name] = {**values, **sections.get(name, {})}
    rows = [
        (f"{name}.{key}", _plain(value))
        for name, values in sections.items()
        for key, value in values.items()
    ]
    return Table(rows or [("", "The study does not say.")], long={1})


def _plain(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "none"}[value]
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items()) or "none"
    return str(value)


def _levels(levels: Sequence[LevelSummary]) -> Table:
    head = ["level", "candidates", "merged", "front + exploration", "trained", "ended early"]
    head += ["best accuracy", "training seconds", "planning", "from exploration cells", ""]
    rows = [
        [
            level_name(row.level),
            _number(row.candidates),
            _number(row.merged),
            f"{row.front} + {row.exploration}" if row.candidates and row.level >= 2 else "",
            str(row.trained),
            str(row.stopped or ""),
            _digits(row.best_accuracy, ".3f"),
            "" if row.seconds is None else f"{row.seconds[0]:.3g} to {row.seconds[1]:.3g}",
            "" if row.plan_seconds is None else f"{row.plan_seconds:.1f} s",
            _number(row.descendants),
            row.message or "",
        ]
        for row in levels
    ]
    used = [i for i in range(len(head)) if i < 1 or any(row[i] for row in rows)]
    return Table(
        [[row[i] for i in used] for row in rows],
        [head[i] for i in used],
        {len(used) - 1} if used and used[-1] == len(head) - 1 else (),
    )


def _failures(trials: Sequence[TrialRecord]) -> Table:
    failed = [trial for trial in trials if trial.state == "FAIL" and trial.reason]
    rows = [
        (str(t.number), "" if t.cell is None else str(t.cell), t.reason or "")
        for t in failed[:_MOST_FAILURES]
    ]
    if len(failed) > len(rows):
        rows.append(("...", f"and {len(failed) - len(rows)} more", ""))
    return Table(rows, ("trial", "cell", "reason"), {1, 2})


def _front(view: StudyView) -> Table:
    again = bool(view.confirmed)
    both = expected_accuracies(view, view.front)
    rows = [
        [
            str(trial.number),
            _digits(trial.accuracy, ".4f"),
            "" if expected is None else f"{expected.mean:.3f} +- {expected.deviation:.3f}",
            *([confirmed_words(view, trial)] if again else []),
            _digits(trial.seconds, ".3g"),
            _number(trial.user_attrs.get("parameters")),
            *(f"{value:.6g}" for value in (trial.values or ())[2:]),
            str(trial.cell),
        ]
        for trial, expected in zip(view.front, both)
    ]
    head = [
        "trial",
        "accuracy",
        "to expect",
        *(["fresh seeds"] if again else []),
        "seconds",
        "parameters",
    ]
    head += [*view.metric_names[2:], "cell"]
    return Table(rows, head, {len(head) - 1})


def _trials(trials: Sequence[TrialRecord]) -> Table:
    head = ("trial", "state", "blocks", "role", "accuracy", "predicted", "seconds", "predicted")
    rows = [
        (
            str(trial.number),
            "ended early" if trial.user_attrs.get("stopped") else trial.state.lower(),
            "" if trial.level is None else str(trial.level),
            trial.role or "",
            _digits(trial.accuracy, ".4f"),
            _digits(trial.predicted_accuracy, ".4f"),
            _digits(trial.seconds, ".3g"),
            _digits(trial.predicted_seconds, ".3g"),
            _number(trial.user_attrs.get("parameters")),
            "" if trial.cell is None else str(trial.cell),
        )
        for trial in trials
    ]
    return Table(rows, (*head, "parameters", "cell"), {9})


def _trust(levels: Sequence[LevelSummary]) -> Table:
    rows = []
    for row in levels:
        cells = [level_name(row.level)]
        for quality in (row.accuracy_quality, row.seconds_quality):
            rho, mape = (None, None) if quality is None else (quality.rho, quality.mape)
            cells += [_digits(rho, ".3f"), "" if mape is None else f"{mape:.1f} %"]
        if any(cells[1:]):
            rho = None if row.accuracy_quality is None else row.accuracy_quality.rho
            rows.append((*cells, "too few cells to say" if rho is None else _rho_words(rho)))
    head = ("level", "accuracy: rho", "error", "time: rho", "error", "accuracy ranking")
    return Table(rows, head)


def _rho_words(rho: float) -> str:
    scale = ((0.8, "very good"), (0.6, "good"), (0.4, "fair"), (0.2, "weak"))
    return next((word for limit, word in scale if rho >= limit), "no better than chance")


def _digits(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _number(value: object) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def cards(view: StudyView, summary: SearchSummary) -> dict[str, Any]:
    """Return the drawings of the front's cells, evenly along it."""
    return {"cards": [_card(view, trial) for trial in pick_along(summary.front, _MOST_CARDS)]}


def _card(view: StudyView, trial: TrialRecord) -> Card:
    facts = [(_digits(trial.accuracy, ".3f"), "accuracy")]
    if trial.number in view.confirmed:
        facts.append((confirmed_words(view, trial), "with fresh seeds"))
    if trial.seconds is not None:
        facts.append((f"{trial.seconds:.3g} s", "of training"))
    if isinstance(trial.user_attrs.get("parameters"), int):
        facts.append((f"{trial.user_attrs['parameters']:,}", "parameters"))
    step = 120 / max(len(trial.curve) - 1, 1)
    heights = [21 - min(max(value, 0.0), 1.0) * 20 for value in trial.curve]
    points = " ".join(f"{i * step:.1f},{height:.1f}" for i, height in enumerate(heights))
    return Card(
        f"trial {trial.number}, {level_name(level_of(trial))}",
        facts,
        points if len(trial.curve) > 1 else "",
        "" if trial.cell is None else draw_cell(trial.cell),
    )


def pick_along(trials: Sequence[TrialRecord], most: int) -> list[TrialRecord]:
    """Return at most so many trials, evenly along the sequence, both ends included."""
    if len(trials) <= most:
        return list(trials)
    return [trials[round(i * (len(trials) - 1) / (most - 1))] for i in range(most)]


def network(view: StudyView) -> dict[str, Any]:
    """Return the drawing of the best cell's network, where its settings are stored."""
    best = next(iter(view.front), None)
    values = _section(view, "network")
    if best is None or best.cell is None or not values:
        return {}
    try:
        config = NetworkConfig.from_dict(values)
    except (ValueError, TypeError):  # written by another version
        return {}
    return {"network_svg": draw_network(best.cell, config), "network_trial": best.number}


def figures(
    view: StudyView,
    sheet: FigureSheet,
    references: Mapping[str, tuple[float, float]] | None = None,
) -> dict[str, list[PageFigure]]:
    """Return the figures by section; their data are collected on the sheet."""
    from optuna_popnas.visualization import effects
    from optuna_popnas.visualization import hypervolume
    from optuna_popnas.visualization import learning_curves
    from optuna_popnas.visualization import levels
    from optuna_popnas.visualization import operators
    from optuna_popnas.visualization import pareto_front
    from optuna_popnas.visualization import planned
    from optuna_popnas.visualization import predictions
    from optuna_popnas.visualization import time_model
    from optuna_popnas.visualization import usage
    from optuna_popnas.visualization import workers

    # The figures of the model that planned.
    catboost = str(view.settings.get("time_predictor")).startswith("CatBoost")
    deep = [level for level in view.levels if level >= 2][-2:]
    found = {
        "how": [
            pareto_front.plot_pareto_front(view, references=references),
            levels.plot_levels(view),
            hypervolume.plot_hypervolume(view),
            workers.plot_workers(view),
        ],
        "front": [learning_curves.plot_learning_curves(view)] if view.front else [],
        "trust": [
            predictions.plot_predictions(view, "accuracy"),
            predictions.plot_predictions(view, "seconds"),
            planned.plot_predicted_front(view),
            planned.plot_estimates(view),
        ],
        "made": [
            operators.plot_operators(view),
            *(usage.plot_usage(view, level) for level in deep),
            effects.plot_operator_effects(view),
            *(time_model.time_model_figures(view) if catboost else ()),
        ],
    }
    return {name: [sheet.add(figure) for figure in group] for name, group in found.items()}


def steps(summary: SearchSummary, storage: str | None) -> list[tuple[str, str]]:
    """Return what can be done next: words and a command each."""
    where = f"--storage {storage or 'STORAGE'} --study {_quoted(summary.study_name)}"
    found = []
    if summary.state in ("stopped", "running"):
        words = (
            "Go on, or add workers: run the command again that started the search, on this "
            "machine or on another one. With your own objective: the same script."
        )
        found.append((words, "optuna-popnas search CONFIG.toml --workers 2 " + where))
    if summary.front:
        found += [
            (
                "Train the front again with fresh seeds, to see how much of its accuracy is luck.",
                f"optuna-popnas confirm {where}",
            ),
            (
                "Train the most accurate cell to convergence. --select knee takes the best "
                "bargain, --trial any other.",
                f"optuna-popnas retrain {where} -o model",
            ),
            (
                "Export it: weights, PyTorch and ONNX files that need neither this package nor "
                "the study.",
                "optuna-popnas export model -o exported",
            ),
        ]
    found.append(
        ("Look at single trials in the browser.", f"optuna-dashboard {storage or 'STORAGE'}")
    )
    return found


def _quoted(name: str) -> str:
    plain = all(c.isalnum() or c in "-_.:/" for c in name)
    return name if plain and name else "'" + name.replace("'", "'\\''") + "'"
