"""What the models of an adaptive search believe of cells, trained and untrained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.features.frame import Inputs
from optuna_popnas.predictors.features.frame import inputs_of
from optuna_popnas.predictors.size_aware import SizeAwarePredictor
from optuna_popnas.search.models import OtherCosts
from optuna_popnas.search.models import predict
from optuna_popnas.search.models import Predictors
from optuna_popnas.search.models import significant
from optuna_popnas.search.models import TrainingData
from optuna_popnas.search.observation import Observation
from optuna_popnas.search.observation import Probe
from optuna_popnas.search.settings import SearchConfig
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


Floats = npt.NDArray[np.float64]

_STOPPED = 4.0  # variance of what a training that was stopped early says, relative to a whole one


class Estimates(NamedTuple):
    """What is believed of ``n`` cells.

    Attributes:
        cells: The cells, canonical.
        accuracy: ``(n,)`` expected accuracies.
        deviation: ``(n,)`` their standard deviations, without the noise of a training.
        costs: ``(n, d)`` expected costs, seconds first; no column where time is not measured.
        inside: ``(n,)`` whether all limits are kept.
    """

    cells: CellBatch
    accuracy: Floats
    deviation: Floats
    costs: Floats
    inside: npt.NDArray[np.bool_]

    @property
    def seconds(self) -> Floats:
        """``(n,)`` expected seconds; 1 where time is not measured."""
        return self.costs[:, 0] if self.costs.shape[1] else np.ones(len(self.accuracy))

    def take(self, rows: npt.NDArray[np.generic]) -> Estimates:
        """Return some rows."""
        return Estimates(self.cells.take(rows), *(column[rows] for column in self[1:]))


class Trained(NamedTuple):
    """The distinct cells that were trained to the end.

    Attributes:
        estimates: What model and measurement say together of their accuracies; costs as measured.
        trainings: ``(n,)`` how often each was trained.
    """

    estimates: Estimates
    trainings: npt.NDArray[np.intp]


class Beliefs:
    """Models fitted to everything that is known.

    Args:
        space: The search space.
        observations: Finished trainings, in any order; none are an ordinary case.
        config: The settings.
        predictors: The models, not fitted yet.
        probes: Cheap estimates of training times.
    """

    def __init__(
        self,
        space: SearchSpace,
        observations: Sequence[Observation],
        config: SearchConfig,
        predictors: Predictors,
        probes: Sequence[Probe] = (),
    ) -> None:
        self.space, self._config, self._predictors = space, config, predictors
        observations = _ordered(space, observations)
        cells = _encoded(space, observations)
        accuracy = np.array([item.accuracy for item in observations])
        whole = np.array([not item.curve for item in observations], dtype=bool)
        self._timed = predictors.seconds is not None and all(
            item.seconds is not None for item in observations
        )
        seconds = np.array([item.seconds or 0.0 for item in observations])
        width = min((len(item.others) for item in observations), default=0)
        others = np.array([item.others[:width] for item in observations]).reshape(
            len(observations), width
        )
        self._data = TrainingData(
            cells.take(whole),
            accuracy[whole],
            seconds[whole] if self._timed else None,
            others[whole],
        )
        model = predictors.accuracy
        if isinstance(model, SizeAwarePredictor):
            model.fit(cells, accuracy, np.where(whole, 1.0, _STOPPED))
        elif len(cells):
            model.fit(cells, accuracy)
        # Of models that know nothing by themselves, nothing is asked before they are taught.
        self._learnt_accuracy = len(cells) > 0 or isinstance(model, SizeAwarePredictor)
        self._learnt_seconds = False
        if self._timed and predictors.seconds is not None:
            timed = CellBatch.from_cells(
                space, [*self._data.cells, *(probe.cell for probe in probes)]
            ).canonical()
            measured = [*seconds[whole], *(probe.seconds for probe in probes)]
            if len(timed) or isinstance(predictors.seconds, SizeAwarePredictor):
                predictors.seconds.fit(timed, measured)
                self._learnt_seconds = True
        self._others = OtherCosts(predictors, self._data, config)
        self.trained = self._trained()

    @property
    def warm_weight(self) -> float | None:
        """What cells of other searches count for, from 0 to 1; None where there are none."""
        model = self._predictors.accuracy
        if not isinstance(model, SizeAwarePredictor) or model.guide is None:
            return None
        return None if model.process is None else model.process.weight

    def _trained(self) -> Trained:
        keys, first, at = np.unique(self._data.cells.keys, return_index=True, return_inverse=True)
        trainings = np.bincount(at, minlength=len(keys)).astype(np.intp)
        estimates = self.estimate(self._data.cells.take(first))
        costs = estimates.costs
        if costs.shape[1] and self._data.seconds is not None:
            costs[:, 0] = np.bincount(at, self._data.seconds, minlength=len(keys)) / trainings
        return Trained(estimates._replace(costs=costs), trainings)

    def estimate(self, cells: CellBatch) -> Estimates:
        """Return what is believed of cells."""
        accuracy, deviation = np.zeros(len(cells)), None
        if self._learnt_accuracy:
            accuracy, deviation = predict(self._predictors.accuracy, cells)
        if deviation is None:
            measured = self._data.accuracy
            spread = float(np.std(measured)) if len(measured) else 1.0
            deviation = np.full(len(cells), 0.5 * spread + 1e-6)
        costs = self._costs(cells)
        named = self._others.of(cells)
        inside = np.isfinite(accuracy) & np.isfinite(costs).all(axis=1)
        config = self._config
        if self._timed and config.time_limit is not None:
            inside &= costs[:, 0] <= config.time_limit
        if self._timed and config.time_range is not None:
            inside &= costs[:, 0] <= config.time_range[1]
        for name, limit in config.limits.items():
            if name in named:
                inside &= named[name] <= limit
        others = [name for name in config.objectives if name in named]
        columns = [costs, *(np.asarray(named[name], dtype=float)[:, None] for name in others)]
        return Estimates(cells, accuracy, deviation, np.concatenate(columns, axis=1), inside)

    def _costs(self, cells: CellBatch) -> Floats:
        if not self._timed or self._predictors.seconds is None:
            return np.empty((len(cells), 0))
        if not self._learnt_seconds:
            return np.ones((len(cells), 1))
        seconds = significant(self._predictors.seconds.predict(cells))
        return np.maximum(seconds, 1e-9)[:, None]

    def joint(self, estimates: Estimates) -> tuple[Floats, float]:
        """Return the ``(n, n)`` covariance of expected accuracies, and the noise's variance.

        In a unit of its own: what counts is by how much a deviation shrinks.
        """
        model = self._predictors.accuracy
        if isinstance(model, SizeAwarePredictor):
            return model.joint(estimates.cells)
        likeness = _likeness(inputs_of(self.space, estimates.cells))
        return likeness * np.outer(estimates.deviation, estimates.deviation), float(
            np.square(estimates.deviation).mean() / 2
        )


def join(parts: list[Estimates]) -> Estimates:
    """Return the estimates of several batches as one."""
    cells = CellBatch.concatenate([part.cells for part in parts])
    return Estimates(cells, *(np.concatenate(columns) for columns in zip(*(p[1:] for p in parts))))


def _likeness(inputs: Inputs) -> Floats:
    total = np.zeros((len(inputs.sizes), len(inputs.sizes)))
    for group in inputs.groups:
        squares = np.square(group).sum(axis=1)
        total += squares[:, None] + squares - 2 * group @ group.T
    return np.asarray(np.exp(-0.5 * np.maximum(total, 0.0)))


def _encoded(space: SearchSpace, observations: Sequence[Observation]) -> CellBatch:
    return CellBatch.from_cells(space, [item.cell for item in observations]).canonical()


def _ordered(space: SearchSpace, observations: Sequence[Observation]) -> list[Observation]:
    """Return observations in an order that does not depend on when they were made."""
    keys = _encoded(space, observations).keys.tolist()
    order = sorted(
        range(len(keys)),
        key=lambda row: (keys[row], observations[row].accuracy, observations[row].seconds or 0.0),
    )
    return [observations[row] for row in order]


def rounded(values: npt.ArrayLike) -> Floats:
    """Return scores without the last digits, which differ between processors."""
    return significant(values, 8)
