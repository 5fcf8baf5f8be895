"""How much of a front's accuracy is luck: the winner's curse."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors import SizeAwareAccuracyPredictor
from optuna_popnas.search import pareto_front
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.view import view_study


_ROUNDS = 200
_FEW_CELLS = 20


class Excess(NamedTuple):
    """By how much the accuracies of a front are expected to be too high, on average.

    Attributes:
        cells: Cells that were trained and compared.
        epochs: Best minus last epoch of the front's trainings; None without learning curves.
        noise: Standard deviation of one measured accuracy; None where it cannot be told.
        choice: What choosing the best of noisy accuracies adds; None without the noise.
        measured: Measured minus confirmed accuracy, of the trials that were trained again.
    """

    cells: int
    epochs: float | None
    noise: float | None
    choice: float | None
    measured: float | None

    @property
    def total(self) -> float | None:
        """The whole of it: as measured, or the sum of the two estimates."""
        if self.measured is not None:
            return self.measured
        known = [value for value in (self.epochs, self.choice) if value is not None]
        return sum(known) if known else None

    @property
    def sentence(self) -> str:
        """What a reader must know of a front's accuracies."""
        if self.measured is not None:
            return (
                "Trained again with fresh seeds, the cells of the front were "
                f"{abs(self.measured):.3f} {'less' if self.measured >= 0 else 'more'} accurate "
                "than in the search, on average."
            )
        start = (
            f"The accuracies of the front are the highest of {self.cells:,} single trainings, and "
            "of the epochs of each"
        )
        if self.total is None:
            return f"{start}: expect less of the same cells when they are trained again."
        parts = []
        if self.epochs is not None:
            parts.append(f"{self.epochs:.3f} for the best instead of the last epoch")
        if self.choice is not None:
            parts.append(
                f"{self.choice:.3f} for choosing among accuracies that scatter by {self.noise:.3f}"
            )
        return (
            f"{start}: expect them to be too high by about {self.total:.3f} "
            f"({', '.join(parts)}). The command confirm trains the front again with fresh seeds."
        )


def expected_excess(study: StudyLike) -> Excess:
    """Estimate by how much the accuracies of the front are too high.

    The front holds the cells whose only training turned out best, each at its best epoch. What
    the choice adds is found by making the choice again: noise is added to all accuracies, and the
    new front is compared with what its cells had before.
    """
    view = view_study(study)
    best = view.front
    epochs = [max(trial.curve) - trial.curve[-1] for trial in best if trial.curve]
    noise = accuracy_noise(view)
    again = [
        trial.accuracy - (view.expected(trial) or 0.0)
        for trial in view.complete
        if trial.number in view.confirmed and trial.accuracy is not None
    ]
    return Excess(
        len(view.complete),
        float(np.mean(epochs)) if epochs else None,
        noise,
        None if noise is None else _choice(view, noise),
        float(np.mean(again)) if again else None,
    )


def accuracy_noise(view: StudyView) -> float | None:
    """Return the standard deviation of one measured accuracy, None where it cannot be told.

    Known from cells that were trained several times; else what a smooth model of the accuracies
    does not explain; of few cells, how the accuracy scatters over the last third of the epochs,
    which leaves out what differs between seeds.
    """
    groups = [*view.measurements.values(), *view.confirmed.values()]
    several = [values for values in groups if len(values) > 1]
    if several:
        squares = sum(float(np.var(values)) * len(values) for values in several)
        return float(np.sqrt(squares / sum(len(values) - 1 for values in several)))
    model = _model(view)
    if model is not None:
        accuracy = np.array([trial.accuracy for trial in view.complete], dtype=np.float64)
        cells = [trial.cell or Cell() for trial in view.complete]
        return float(np.std(accuracy - model.predict(cells)))
    steps: list[float] = []
    for trial in view.complete:
        if len(trial.curve) >= 6:
            steps += np.diff(trial.curve[-(len(trial.curve) // 3) - 1 :]).tolist()
    if not steps:
        return None
    # The median, as a few trainings diverge; 0.6745: of a normal distribution's deviations.
    return float(np.median(np.abs(steps)) / 0.6745 / np.sqrt(2))


class Expected(NamedTuple):
    """The accuracy to expect of a cell, with the deviation of that expectation."""

    mean: float
    deviation: float


def expected_accuracies(
    view: StudyView, trials: Sequence[TrialRecord]
) -> tuple[Expected | None, ...]:
    """Return what model and measurements say together of trained cells, in this order.

    Where a cell was confirmed these are its fresh trainings; else what the accuracy model of the
    adaptive search, which shrinks single lucky trainings, says after learning from all cells.
    None where there are too few cells for a model.
    """
    found: list[Expected | None] = [None] * len(trials)
    model = _model(view)
    if model is not None and trials:
        guess = model.estimate([trial.cell or Cell() for trial in trials])
        spread = np.zeros(len(trials)) if guess.std is None else guess.std
        found = [Expected(float(m), float(s)) for m, s in zip(guess.mean, spread)]
    for row, trial in enumerate(trials):
        values = view.confirmed.get(trial.number, ())
        if len(values) > 1:
            error = float(np.std(values, ddof=1)) / len(values) ** 0.5
            found[row] = Expected(float(np.mean(values)), error)
    return tuple(found)


def _model(view: StudyView) -> SizeAwareAccuracyPredictor | None:
    """Return a model that has learnt from all trials; None where there are too few."""
    done = view.complete
    if len(done) < _FEW_CELLS:
        return None
    cells = tuple(trial.cell or Cell() for trial in done)
    return _fitted(view.space, cells, tuple(trial.accuracy or 0.0 for trial in done))


@lru_cache(maxsize=2)
def _fitted(
    space: SearchSpace, cells: tuple[Cell, ...], accuracies: tuple[float, ...]
) -> SizeAwareAccuracyPredictor:
    return SizeAwareAccuracyPredictor(space, seed=0).fit(cells, accuracies)


def believed_accuracies(view: StudyView, trials: Sequence[TrialRecord]) -> npt.NDArray[np.float64]:
    """Return by which accuracies trials are to be ranked, ``(n,)``.

    What is expected of them (:func:`expected_accuracies`); in the modes of the thesis, which takes
    the best measured cell (Sec. 6.3), and where there are too few cells, what was measured.
    """
    values = [view.expected(trial) or 0.0 for trial in trials]
    if view.settings.get("mode", "adaptive") == "adaptive":
        expected = expected_accuracies(view, trials)
        values = [v if e is None else e.mean for v, e in zip(values, expected)]
    return np.array(values, dtype=np.float64)


def _choice(view: StudyView, noise: float) -> float:
    values = np.array([trial.values for trial in view.complete], dtype=np.float64)
    signs = np.array([-1.0 if name == "maximize" else 1.0 for name in view.directions])
    accuracy, costs = values[:, 0], (values * signs)[:, 1:]
    rng = np.random.default_rng(0)
    lucky = []
    for _ in range(_ROUNDS):
        luck = rng.normal(0.0, noise, len(accuracy))
        lucky.append(luck[pareto_front(accuracy + luck, costs)].mean())
    return float(np.mean(lucky))
