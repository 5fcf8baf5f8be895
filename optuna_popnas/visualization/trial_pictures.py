"""Pictures on every trial of optuna-dashboard: the cell and its learning curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
import tempfile
from typing import Any, TYPE_CHECKING, TypeVar

import optuna

from optuna_popnas.space import Cell
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.drawing import svg
from optuna_popnas.visualization.drawing.cell_drawing import draw_cell


if TYPE_CHECKING:
    from optuna_popnas.sampler.optuna_internals import ArtifactStore

Values = TypeVar("Values")

_logger = optuna.logging.get_logger(f"optuna.{__name__}")


def with_pictures(
    objective: Callable[[optuna.Trial], Values], artifact_store: ArtifactStore
) -> Callable[[optuna.Trial], Values]:
    """Return an objective that also draws the cell and the learning curve of each trial.

    They are written as artifacts of the trial while it runs, as finished trials take none.

    Args:
        objective: It uses ``space.suggest``; its ``learning_curve`` is drawn if it writes one on
            the trial, as :class:`~optuna_popnas.TrainingObjective` does.
        artifact_store: Such as ``optuna.artifacts.FileSystemArtifactStore("artifacts")``. Start
            ``optuna-dashboard`` with ``--artifact-dir artifacts`` to see its pictures.

    Example::

        study.optimize(with_pictures(objective, store), callbacks=[DashboardCallback()])
    """

    def with_them(trial: optuna.Trial) -> Values:
        values = objective(trial)
        try:
            _draw(trial, artifact_store)
        except Exception as error:  # a picture must never cost a training
            _logger.warning(f"The pictures of trial {trial.number} could not be written: {error}")
        return values

    return with_them


def _draw(trial: optuna.Trial, artifact_store: ArtifactStore) -> None:
    attrs: dict[str, Any] = trial.user_attrs
    text = attrs.get("cell") or attrs.get("popnas", {}).get("cell")
    pictures = {}
    if text is not None:
        pictures["cell"] = draw_cell(Cell.parse(text))
    curve = attrs.get("learning_curve")
    if isinstance(curve, list) and len(curve) > 1:
        pictures["learning-curve"] = draw_curve(curve)
    with tempfile.TemporaryDirectory() as folder:
        for name, picture in pictures.items():
            file = Path(folder) / f"{name}-{trial.number}.svg"
            file.write_text(_on_white(picture), encoding="utf-8")
            optuna.artifacts.upload_artifact(
                artifact_store=artifact_store, file_path=str(file), study_or_trial=trial
            )


def draw_curve(curve: Sequence[float]) -> svg.Drawing:
    """Draw a learning curve: accuracies after each epoch."""
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
        f'<polyline points="{points}" fill="none" stroke="{palette.BLUE}" stroke-width="2"/>',
        svg.text(left - 6, top, f"{high:g}", size=11, fill=svg.LINE, anchor="end"),
        svg.text(left - 6, bottom, f"{low:g}", size=11, fill=svg.LINE, anchor="end"),
        svg.text(left, bottom + 14, "1", size=11, fill=svg.LINE),
        svg.text(width - 14, bottom + 14, str(len(curve)), size=11, fill=svg.LINE, anchor="end"),
        svg.text(width / 2, bottom + 28, f"best {max(curve):.4f}", size=12, fill=svg.LINE),
    ]
    return svg.drawing(width, height, parts, label="Learning curve")


def _on_white(drawing: str) -> str:
    # The dashboard shows images on grey; white lets the drawing's colours speak.
    start = drawing.index(">") + 1
    return f'{drawing[:start]}<rect width="100%" height="100%" fill="#ffffff"/>{drawing[start:]}'
