"""What the report says, as plain data for its template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import shlex
from typing import Any, NamedTuple

from optuna_popnas.networks import NetworkConfig
from optuna_popnas.study.findings import confirmed_words
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.summary import SearchSummary
from optuna_popnas.study.view import level_of
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.words import digits
from optuna_popnas.study.words import level_name
from optuna_popnas.visualization.drawing.cell_drawing import draw_cell
from optuna_popnas.visualization.drawing.network_drawing import draw_network
from optuna_popnas.visualization.page.figures import FigureSheet
from optuna_popnas.visualization.page.figures import PageFigure
from optuna_popnas.visualization.page.tables import section


_MOST_CARDS = 12


class Card(NamedTuple):
    """A cell of the front: what it is, its figures with their units, its curve and drawing."""

    caption: str
    facts: Sequence[tuple[str, str]]
    curve: str
    drawing: str


def cards(view: StudyView, summary: SearchSummary) -> dict[str, Any]:
    """Return the drawings of the front's cells, evenly along it."""
    return {"cards": [_card(view, trial) for trial in pick_along(summary.front, _MOST_CARDS)]}


def _card(view: StudyView, trial: TrialRecord) -> Card:
    facts = [(digits(trial.accuracy, ".3f"), "accuracy")]
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
    values = section(view, "network")
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
    from optuna_popnas import visualization as plots
    from optuna_popnas.visualization.time_model import time_model_figures

    # The figures of the model that planned.
    catboost = str(view.settings.get("time_predictor")).startswith("CatBoost")
    deep = [level for level in view.levels if level >= 2][-2:]
    found = {
        "how": [
            plots.plot_pareto_front(view, references=references),
            plots.plot_levels(view),
            plots.plot_hypervolume(view),
            plots.plot_workers(view),
        ],
        "front": [plots.plot_learning_curves(view)] if view.front else [],
        "trust": [
            plots.plot_predictions(view, "accuracy"),
            plots.plot_predictions(view, "seconds"),
            plots.plot_predicted_front(view),
            plots.plot_estimates(view),
        ],
        "made": [
            plots.plot_operators(view),
            *(plots.plot_usage(view, level) for level in deep),
            plots.plot_operator_effects(view),
            *(time_model_figures(view) if catboost else ()),
        ],
    }
    return {name: [sheet.add(figure) for figure in group] for name, group in found.items()}


def steps(summary: SearchSummary, storage: str | None) -> list[tuple[str, str]]:
    """Return what can be done next: words and a command each."""
    url = "STORAGE" if storage is None else shlex.quote(storage)
    where = f"--storage {url} --study {shlex.quote(summary.study_name)}"
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
    found.append(("Look at single trials in the browser.", f"optuna-dashboard {url}"))
    return found
