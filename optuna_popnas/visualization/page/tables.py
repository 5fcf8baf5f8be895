"""The tables of the report, as texts for its template."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

from optuna_popnas.study.excess import expected_accuracies
from optuna_popnas.study.findings import confirmed_words
from optuna_popnas.study.levels import LevelSummary
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.summary import SearchSummary
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.words import digits
from optuna_popnas.study.words import duration_words
from optuna_popnas.study.words import level_name


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
    deepest = max((row.level for row in summary.levels if row.trained), default=None)
    levels = "none yet" if deepest is None else str(deepest)
    if summary.max_blocks is not None and deepest is not None:
        levels = f"{deepest} of {summary.max_blocks}"
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
    source = section(view, "data").get("source")
    if source:
        rows.insert(0, ("data", str(source)))
    if view.stored_space is None:
        rows.append(("note", "Read from the trials: another sampler ran this study."))
    return Table(rows, long={1})


def section(view: StudyView, name: str) -> Mapping[str, Any]:
    """Return the stored settings of a section; empty where there are none."""
    settings = view.user_attrs.get("settings")
    values = settings.get(name) if isinstance(settings, dict) else None
    return values if isinstance(values, dict) else {}


def _settings(view: StudyView) -> Table:
    """Return every setting that is stored, those that are off too."""
    sections: dict[str, Mapping[str, Any]] = {"search": view.settings}
    settings = view.user_attrs.get("settings")
    for name in settings if isinstance(settings, dict) else ():
        values = section(view, name)
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
            digits(row.best_accuracy, ".3f"),
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
            digits(trial.accuracy, ".4f"),
            "" if expected is None else f"{expected.mean:.3f} +- {expected.deviation:.3f}",
            *([confirmed_words(view, trial)] if again else []),
            digits(trial.seconds, ".3g"),
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
            digits(trial.accuracy, ".4f"),
            digits(trial.predicted_accuracy, ".4f"),
            digits(trial.seconds, ".3g"),
            digits(trial.predicted_seconds, ".3g"),
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
            cells += [digits(rho, ".3f"), "" if mape is None else f"{mape:.1f} %"]
        if any(cells[1:]):
            rho = None if row.accuracy_quality is None else row.accuracy_quality.rho
            rows.append((*cells, "too few cells to say" if rho is None else _rho_words(rho)))
    head = ("level", "accuracy: rho", "error", "time: rho", "error", "accuracy ranking")
    return Table(rows, head)


def _rho_words(rho: float) -> str:
    scale = ((0.8, "very good"), (0.6, "good"), (0.4, "fair"), (0.2, "weak"))
    return next((word for limit, word in scale if rho >= limit), "no better than chance")


def _number(value: object) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
