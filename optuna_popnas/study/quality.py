"""How well a study was predicted before it was trained (Sec. 6.2)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from optuna_popnas.search import prediction_quality
from optuna_popnas.search import PredictionQuality
from optuna_popnas.study.excess import accuracy_noise
from optuna_popnas.study.view import StudyView


class LevelQuality(NamedTuple):
    """How well a level was predicted before it was trained (Sec. 6.2).

    Attributes:
        level: Blocks per cell.
        accuracy: Of the accuracy predictor.
        seconds: Of the time predictor; None where time was not predicted.
    """

    level: int
    accuracy: PredictionQuality
    seconds: PredictionQuality | None


def level_quality(view: StudyView) -> tuple[LevelQuality, ...]:
    """Compare predictions and measurements, level by level, as far as they go."""
    qualities = []
    for level in view.levels:
        rows = [
            trial
            for trial in view.trials
            if trial.is_valid and trial.level == level and trial.predicted_accuracy is not None
        ]
        if not rows:
            continue
        accuracy = _quality([(row.predicted_accuracy, row.accuracy) for row in rows])
        timed = [(row.predicted_seconds, row.seconds) for row in rows]
        timed = [pair for pair in timed if None not in pair]
        qualities.append(LevelQuality(level, accuracy, _quality(timed) if timed else None))
    return tuple(qualities)


class Calibration(NamedTuple):
    """Whether the accuracy model knew how sure it was.

    Attributes:
        cells: Cells that were predicted with a deviation and trained.
        within: Share of them that came out within one deviation of the prediction, to which a
            single training's noise adds; .68 of normal errors.
    """

    cells: int
    within: float


def calibration(view: StudyView) -> Calibration | None:
    """Compare errors with predicted deviations; None where none were predicted."""
    planned = {
        item.cell.canonical(): item
        for plan in view.plans
        for item in plan.cells
        if item.accuracy is not None and item.accuracy_std and item.role != "repeat"
    }
    noise = accuracy_noise(view) or 0.0 if planned else 0.0
    hits = [
        abs(trial.accuracy - item.accuracy) <= np.hypot(item.accuracy_std, noise)
        for trial in view.complete
        if trial.cell is not None
        and trial.accuracy is not None
        and (item := planned.get(trial.cell.canonical())) is not None
        and item.accuracy is not None
        and item.accuracy_std is not None
    ]
    return Calibration(len(hits), float(np.mean(hits))) if hits else None


def _quality(pairs: list[tuple[float | None, float | None]]) -> PredictionQuality:
    """Compare ``(predicted, measured)`` pairs."""
    columns = np.array(pairs, dtype=np.float64).T
    return prediction_quality(columns[0], columns[1])
