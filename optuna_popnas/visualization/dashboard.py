"""The search in optuna-dashboard: names, note, figures, drawings of front cells."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
import json
from typing import Any, BinaryIO, Protocol, TYPE_CHECKING
import uuid
import warnings

import optuna

from optuna_popnas.study.summary import SearchSummary
from optuna_popnas.study.summary import summarize
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.view import view_study
from optuna_popnas.study.words import cell_words
from optuna_popnas.study.words import duration_words
from optuna_popnas.study.words import level_name
from optuna_popnas.visualization.drawing.cell_drawing import draw_cell


if TYPE_CHECKING:
    import plotly.graph_objects as go

    from optuna_popnas.study.records import TrialRecord

_logger = optuna.logging.get_logger(f"optuna.{__name__}")

_PREFIX = "popnas-"
_PATIENCE = 10.0  # seconds that other workers may take to store their last trials
# Front trials with artifacts: each costs two rows of the study, which every reader of it loads.
_MOST_ARTIFACTS = 24
_NOTE_ROWS = 25
# What users write below this line stays.
_NOTE_END = "*Refreshed once a level; your own notes below this line are kept.*"


class ArtifactStore(Protocol):
    """What is needed of a store; those of ``optuna.artifacts`` have it."""

    def write(self, artifact_id: str, content_body: BinaryIO) -> None: ...

    def remove(self, artifact_id: str) -> None: ...


class DashboardCallback:
    """Keeps optuna-dashboard up to date during ``study.optimize``.

    The worker that planned a level refreshes note and figures, so that it happens once a level
    however many workers there are, and once more when the search ends.

    Args:
        artifact_store: Where drawings and learning curves of front cells go, such as
            ``optuna.artifacts.FileSystemArtifactStore("artifacts")``; none if left out.

    Example::

        study.optimize(objective, callbacks=[DashboardCallback()])
    """

    def __init__(self, artifact_store: ArtifactStore | None = None) -> None:
        self._artifact_store = artifact_store
        self._done = False

    def __call__(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        """Refresh the dashboard if this trial planned a level or ended the search."""
        from optuna_popnas.sampler.stored_plans import PLAN

        planned = any(key.startswith(PLAN) for key in trial.system_attrs)
        if not planned and (self._done or not self._ended(study, trial)):
            return
        try:
            update_dashboard(study, self._artifact_store)
        except Exception as error:  # a page to look at must never end a search
            _logger.warning(f"The dashboard could not be refreshed: {error}")

    def _ended(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """Whether this trial was the last one to finish, of a search that has ended."""
        if all(other.state.is_finished() for other in study.get_trials(deepcopy=False)):
            self._done = view_study(study).done
        return self._done


def update_dashboard(study: optuna.Study, artifact_store: ArtifactStore | None = None) -> None:
    """Write metric names, note, figures and artifacts of a study for optuna-dashboard.

    Args:
        study: A study, finished or not.
        artifact_store: Where drawings and learning curves of front cells go; none if left out.
            Start ``optuna-dashboard`` with ``--artifact-dir`` to see those of a folder.

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
            "Run `pip install optuna-popnas[dashboard]`."
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
    if artifact_store is not None:
        save_artifacts(study, view.front, artifact_store)


def dashboard_figures(view: StudyView) -> list[tuple[str, go.Figure]]:
    """Return the main figures with their names, in the order of the names."""
    from optuna_popnas.visualization.levels import plot_levels
    from optuna_popnas.visualization.operators import plot_operators
    from optuna_popnas.visualization.pareto_front import plot_pareto_front
    from optuna_popnas.visualization.planned import plot_predicted_front
    from optuna_popnas.visualization.predictions import plot_predictions
    from optuna_popnas.visualization.usage import plot_usage
    from optuna_popnas.visualization.workers import plot_workers

    return [
        ("1-front", plot_pareto_front(view)),
        ("2-levels", plot_levels(view)),
        ("3-predicted-front", plot_predicted_front(view)),
        ("4-predicted-accuracy", plot_predictions(view, "accuracy")),
        ("5-predicted-time", plot_predictions(view, "seconds")),
        ("6-usage", plot_usage(view)),
        ("7-operators", plot_operators(view)),
        ("8-workers", plot_workers(view)),
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
        lines += [
            "| level | candidates | trained | best accuracy | accuracy rho | time rho |",
            "|---|---|---|---|---|---|",
        ]
        for row in summary.levels:
            rhos = [
                "" if quality is None or quality.rho is None else f"{quality.rho:.2f}"
                for quality in (row.accuracy_quality, row.seconds_quality)
            ]
            best = "" if row.best_accuracy is None else f"{row.best_accuracy:.4f}"
            count = "" if row.candidates is None else f"{row.candidates:,}"
            lines.append(
                f"| {level_name(row.level)} | {count} | {row.trained} of {row.planned} | {best} "
                f"| {rhos[0]} | {rhos[1]} |"
            )
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


def save_artifacts(
    study: optuna.Study, front: Sequence[TrialRecord], artifact_store: ArtifactStore
) -> None:
    """Give front trials a drawing and their learning curve; take them from those that left.

    Finished trials refuse attributes, so the entries are the study's, in the form in which
    optuna-dashboard keeps the files that are uploaded on its pages.
    """
    storage, study_id = study._storage, study._study_id
    keys = {trial.number: trial._trial_id for trial in study.get_trials(deepcopy=False)}
    attributes = storage.get_study_system_attrs(study_id)
    wanted: dict[str, tuple[str, str]] = {}
    for trial in front[:_MOST_ARTIFACTS]:
        prefix = f"dashboard:artifacts:{keys[trial.number]}:"
        if trial.cell is not None:
            text = _on_white(draw_cell(trial.cell))
            wanted[prefix + _artifact_id(study_id, trial, "cell")] = (f"cell-{trial.number}", text)
        curve = trial.user_attrs.get("learning_curve")
        if isinstance(curve, list) and len(curve) > 1:
            text = learning_curve_svg(curve)
            name = f"learning-curve-{trial.number}"
            wanted[prefix + _artifact_id(study_id, trial, "curve")] = (name, text)
    for key, (name, text) in wanted.items():
        meta = {
            "artifact_id": key.rsplit(":", 1)[1],
            "filename": f"{name}.svg",
            "mimetype": "image/svg+xml",
            "encoding": None,
        }
        if attributes.get(key) == json.dumps(meta):
            continue
        artifact_store.write(meta["artifact_id"] or "", BytesIO(text.encode()))
        storage.set_study_system_attr(study_id, key, json.dumps(meta))
    ours = {
        _artifact_id(study_id, trial, kind)
        for trial in view_study(study).complete
        for kind in ("cell", "curve")
    }
    for key, value in attributes.items():
        if key.startswith("dashboard:artifacts:") and key not in wanted and value != "null":
            identity = key.rsplit(":", 1)[1]
            if identity in ours:
                storage.set_study_system_attr(study_id, key, "null")
                artifact_store.remove(identity)


def learning_curve_svg(curve: Sequence[float]) -> str:
    """Return a learning curve as a drawing of its own."""
    from optuna_popnas.visualization.drawing import svg
    from optuna_popnas.visualization.palette import BLUE

    width, height, left, top = 360.0, 220.0, 44.0, 26.0
    low, high = min(0.0, *curve), max(1.0, *curve)

    def place(index: int, value: float) -> str:
        x = left + (width - left - 14) * index / (len(curve) - 1)
        y = top + (height - top - 40) * (1 - (value - low) / (high - low))
        return f"{x:.1f},{y:.1f}"

    points = " ".join(place(i, float(value)) for i, value in enumerate(curve))
    bottom = height - 40
    parts = [
        svg.text(width / 2, 12, "validation accuracy by epoch", fill=svg.LINE, bold=True),
        f'<path d="M{left},{top}V{bottom}H{width - 14}" fill="none" stroke="{svg.LINE}"/>',
        f'<polyline points="{points}" fill="none" stroke="{BLUE}" stroke-width="2"/>',
        svg.text(left - 6, top, f"{high:g}", size=11, fill=svg.LINE, anchor="end"),
        svg.text(left - 6, bottom, f"{low:g}", size=11, fill=svg.LINE, anchor="end"),
        svg.text(left, bottom + 14, "1", size=11, fill=svg.LINE),
        svg.text(width - 14, bottom + 14, str(len(curve)), size=11, fill=svg.LINE, anchor="end"),
        svg.text(width / 2, bottom + 28, f"best {max(curve):.4f}", size=12, fill=svg.LINE),
    ]
    return _on_white(svg.drawing(width, height, parts, label="Learning curve"))


def _artifact_id(study_id: int, trial: TrialRecord, kind: str) -> str:
    """The same for every refresh; of hexadecimal digits and dashes, as its address must be."""
    name = f"{study_id}/{trial.number}/{kind}/{trial.cell}"
    return str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def _on_white(drawing: str) -> str:
    # The dashboard shows images on grey; white lets the drawing's colours speak.
    start = drawing.index(">") + 1
    return f'{drawing[:start]}<rect width="100%" height="100%" fill="#ffffff"/>{drawing[start:]}'


def _slim(figure: go.Figure) -> Any:
    """Shorten numbers: figures are stored in pieces of 2 kB, each a row of the study."""
    data = json.loads(figure.to_json(), parse_float=lambda text: float(f"{float(text):.5g}"))
    return _Json(json.dumps(data, separators=(",", ":")))


class _Json:
    def __init__(self, text: str) -> None:
        self._text = text

    def to_json(self) -> str:
        return self._text
