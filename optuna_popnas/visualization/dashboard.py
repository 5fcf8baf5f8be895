"""The search in optuna-dashboard: names, note, figures."""

from __future__ import annotations

import json
from typing import Any, TYPE_CHECKING
import warnings

import optuna

from optuna_popnas.study.levels import level_words
from optuna_popnas.study.summary import SearchSummary
from optuna_popnas.study.summary import summarize
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.view import view_study
from optuna_popnas.study.words import cell_words
from optuna_popnas.study.words import duration_words


if TYPE_CHECKING:
    import plotly.graph_objects as go


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

# The dashboard would lay them over the titles.
_BUTTONS = ["toimage", "zoom", "pan", "select", "lasso", "zoomin", "zoomout", "autoscale"]
_BUTTONS += ["resetscale"]
_PREFIX = "popnas-"
_NOTE_ROWS = 25
# What users write below this line stays.
_NOTE_END = "*Refreshed once a level; your own notes below this line are kept.*"


class DashboardCallback:
    """Keeps note and figures of optuna-dashboard up to date during ``study.optimize``.

    The worker that planned a level refreshes note and figures, so that it happens once a level
    however many workers there are, and once more when the search ends.

    Example::

        study.optimize(objective, callbacks=[DashboardCallback()])
    """

    def __init__(self) -> None:
        self._done = False

    def __call__(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """Refresh the dashboard if this trial planned a level or ended the search."""
        from optuna_popnas.sampler.plan_text import PLAN

        planned = any(key.startswith(PLAN) for key in trial.system_attrs)
        if not planned and (self._done or not self._ended(study, trial)):
            return
        try:
            update_dashboard(study)
        except Exception as error:  # a page to look at must never end a search
            _logger.warning(f"The dashboard could not be refreshed: {error}")

    def _ended(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """Whether this trial was the last one to finish, of a search that has ended."""
        if all(other.state.is_finished() for other in study.get_trials(deepcopy=False)):
            self._done = view_study(study).done
        return self._done


def update_dashboard(study: optuna.Study) -> None:
    """Write metric names, note and figures of a study for optuna-dashboard.

    Args:
        study: A study, finished or not.

    Raises:
        ImportError: optuna-dashboard is not installed.
    """
    try:
        from optuna_dashboard import get_note
        from optuna_dashboard import save_note
        from optuna_dashboard import save_plotly_graph_object
    except ImportError:
        raise ImportError(
            "optuna-dashboard must be installed to write for it. "
            "Run `pip install optuna-dashboard`."
        ) from None
    view = view_study(study)
    if study.metric_names is None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names(list(view.metric_names))
    summary = summarize(view)
    own = get_note(study).partition(_NOTE_END)
    kept = own[2] if own[1] else f"\n\n{own[0]}" if own[0] else ""
    save_note(study, note_text(view, summary) + f"\n\n{_NOTE_END}{kept}")
    for name, figure in dashboard_figures(view):
        save_plotly_graph_object(study, _slim(figure), graph_object_id=_PREFIX + name)


def dashboard_figures(view: StudyView) -> list[tuple[str, go.Figure]]:
    """Return the main figures with their names, in the order of the names."""
    from optuna_popnas import visualization as plots

    return [
        ("1-front", plots.plot_pareto_front(view)),
        ("2-levels", plots.plot_levels(view)),
        ("3-predicted-front", plots.plot_predicted_front(view)),
        ("4-predicted-accuracy", plots.plot_predictions(view, "accuracy")),
        ("5-predicted-time", plots.plot_predictions(view, "seconds")),
        ("6-usage", plots.plot_usage(view)),
        ("7-operators", plots.plot_operators(view)),
        ("8-workers", plots.plot_workers(view)),
    ]


def note_text(view: StudyView, summary: SearchSummary) -> str:
    """Return the study's note in Markdown."""
    lines = [f"**{summary.sentence}**", ""]
    if summary.best_accuracy is not None:
        lines += [
            f"Best accuracy {summary.best_accuracy:.4f}; {len(summary.front)} cells on the Pareto "
            f"front; {duration_words(summary.training_seconds)} of training.",
            "",
        ]
    if summary.levels:
        rows = [level_words(row) for row in summary.levels]
        columns = [name for name in rows[0] if name not in ("seconds", "")]
        lines += [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
        lines += [f"| {' | '.join(row[name] for name in columns)} |" for row in rows]
        lines.append("")
    if summary.front:
        lines += ["| trial | accuracy | seconds | cell |", "|---|---|---|---|"]
        for trial in summary.front[:_NOTE_ROWS]:
            seconds = "" if trial.seconds is None else f"{trial.seconds:.3g}"
            lines.append(
                f"| {trial.number} | {trial.accuracy:.4f} | {seconds} | {cell_words(trial.cell)} |"
            )
        if len(summary.front) > _NOTE_ROWS:
            lines.append(f"\n{len(summary.front) - _NOTE_ROWS} more cells are on the front.")
    return "\n".join(lines)


def _slim(figure: go.Figure) -> Any:
    """Shorten numbers: figures are stored in pieces of 2 kB, each a row of the study."""
    figure.update_layout(modebar_remove=_BUTTONS)
    data = json.loads(figure.to_json(), parse_float=lambda text: float(f"{float(text):.5g}"))
    return _Json(json.dumps(data, separators=(",", ":")))


class _Json:
    def __init__(self, text: str) -> None:
        self._text = text

    def to_json(self) -> str:
        return self._text
