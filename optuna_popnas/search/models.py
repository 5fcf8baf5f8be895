"""The models of one planning step, and the probes that the time model learns from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import estimate
from optuna_popnas.predictors.base import PredictorLike
from optuna_popnas.predictors.spread import spread_cells
from optuna_popnas.search.observation import Probe
from optuna_popnas.search.settings import SearchConfig
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch


Floats = npt.NDArray[np.float64]
#: Costs that follow from the cells alone: name -> ``(n,)`` array.
CostFunction = Callable[[CellBatch], Mapping[str, npt.NDArray[Any]]]


@dataclass(frozen=True)
class Predictors:
    """The models of one planning step, not fitted yet.

    Args:
        accuracy: Predicts validation accuracy.
        seconds: Predicts training time; None in PNAS mode.
        probe: LevelEstimates one cell's training time by running it for a moment.
        cost: Computes parameters and the like.
        other: Makes the model of a further objective that is measured, by its number.
    """

    accuracy: PredictorLike
    seconds: PredictorLike | None = None
    probe: Callable[[Cell], float] | None = None
    cost: CostFunction | None = None
    other: Callable[[int], PredictorLike] | None = None


@dataclass(frozen=True)
class TrainingData:
    """Finished cells, encoded.

    Args:
        cells: ``n`` cells in canonical form and order.
        accuracy: ``(n,)`` measured accuracies.
        seconds: ``(n,)`` measured training times, or None.
        others: ``(n, d)`` values of all further objectives.
    """

    cells: CellBatch
    accuracy: Floats
    seconds: Floats | None
    others: Floats


@dataclass(frozen=True)
class LevelEstimates:
    """Predictions for candidates.

    Args:
        cells: ``n`` candidates.
        accuracy: ``(n,)`` predicted accuracy.
        seconds: ``(n,)`` predicted time, or None.
        accuracy_std: ``(n,)`` standard deviations, or None where the predictor has none.
        seconds_std: Likewise.
        costs: Computed costs and predictions of measured ones by name, ``(n,)`` each.
    """

    cells: CellBatch
    accuracy: Floats
    seconds: Floats | None = None
    accuracy_std: Floats | None = None
    seconds_std: Floats | None = None
    costs: Mapping[str, npt.NDArray[Any]] | None = None

    def take(self, rows: npt.NDArray[Any]) -> LevelEstimates:
        """Return the candidates at these rows (or where this mask is true)."""

        def some(values: Floats | None) -> Floats | None:
            return None if values is None else values[rows]

        return LevelEstimates(
            self.cells.take(rows),
            self.accuracy[rows],
            some(self.seconds),
            some(self.accuracy_std),
            some(self.seconds_std),
            {name: column[rows] for name, column in (self.costs or {}).items()},
        )


class TimeModel:
    """The time model of one planning step and the probes that it learns from."""

    def __init__(
        self,
        predictors: Predictors,
        data: TrainingData,
        probes: list[Probe],
        config: SearchConfig,
    ) -> None:
        self._model = None if config.mode == "pnas" else predictors.seconds
        if data.seconds is None:
            self._model = None
        self._probe = predictors.probe
        self._data = data
        self._config = config
        self._old = probes
        self._new: list[Probe] = []
        self._is_fitted = False

    @property
    def new_probes(self) -> tuple[Probe, ...]:
        """What the probe has been asked so far."""
        return tuple(self._new)

    @property
    def can_probe(self) -> bool:
        return self._model is not None and self._probe is not None and self._config.probes > 0

    def _fit(self, model: PredictorLike, seconds: Floats) -> None:
        """Fit to all that is known, unless that was done since the last probe."""
        if self._is_fitted:
            return
        space = self._data.cells.space
        probes = [*self._old, *self._new]
        cells: Sequence[Cell] = self._data.cells
        if probes:
            cells = CellBatch.from_cells(space, [*cells, *(probe.cell for probe in probes)])
            seconds = np.concatenate([seconds, [probe.seconds for probe in probes]])
        model.fit(cells, seconds)
        self._is_fitted = True

    def probe_spread(self, candidates: CellBatch, rng: np.random.Generator) -> None:
        if self.can_probe:
            count = min(self._config.probes, len(candidates))
            self.probe_all(candidates.take(spread_cells(candidates, count, rng=rng)))

    def probe_all(self, cells: CellBatch) -> None:
        if self._probe is None:
            return
        known = {probe.cell for probe in (*self._old, *self._new)}
        for cell in cells:
            if cell not in known:
                seconds = float(self._probe(cell))
                if np.isfinite(seconds) and seconds > 0:
                    self._new.append(Probe(cell, seconds))
                    self._is_fitted = False

    def predict(self, candidates: CellBatch) -> tuple[Floats | None, Floats | None]:
        if self._model is None or self._data.seconds is None:
            return None, None
        self._fit(self._model, self._data.seconds)
        seconds, std = predict(self._model, candidates)
        return np.maximum(seconds, 0.0), std


def predict(model: PredictorLike, cells: CellBatch) -> tuple[Floats, Floats | None]:
    """Predictions, and standard deviations where the model has them.

    Rounded, so that what is chosen does not hang on the last bits, which differ from one kind of
    processor to the next.
    """
    mean, std = estimate(model, cells)
    return significant(mean), None if std is None else significant(std)


def significant(values: npt.ArrayLike, digits: int = 9) -> Floats:
    """Return values rounded to so many significant digits; what is not finite stays."""
    array = np.array(values, dtype=np.float64)
    some = np.isfinite(array) & (array != 0)
    unit = 10.0 ** (digits - 1 - np.floor(np.log10(np.abs(array[some]))))
    array[some] = np.round(array[some] * unit) / unit
    return array


class OtherCosts:
    """Costs besides time: computed from the cells, or predicted where they are measured.

    Args:
        predictors: How to compute costs, and the models of measured objectives.
        data: Finished cells. While there are none, measured objectives are left out.
        config: Names the objectives and limits.
    """

    def __init__(self, predictors: Predictors, data: TrainingData, config: SearchConfig) -> None:
        self._compute = predictors.cost
        self._config = config
        self._is_known = len(data.cells) > 0
        self._models: dict[str, PredictorLike] = {}
        computed = self._computed(data.cells.take([]))
        for number, name in enumerate(config.objectives):
            if name not in computed and predictors.other and number < data.others.shape[1]:
                model = predictors.other(number)
                self._models[name] = model.fit(data.cells, data.others[:, number])

    def of(self, candidates: CellBatch) -> dict[str, npt.NDArray[Any]]:
        """Return ``(n,)`` costs by name.

        Raises:
            ValueError: A limit or an objective is neither computed nor measured.
        """
        costs = self._computed(candidates)
        for name, model in self._models.items():
            costs[name] = np.maximum(predict(model, candidates)[0], 0.0)
        for name in (*self._config.limits, *self._config.objectives):
            if name not in costs and self._is_known:
                raise ValueError(
                    f"A limit or an objective must be a cost that `cost` computes or an objective "
                    f"that trials report, but got {name!r}. "
                    f"Computed are {', '.join(costs) or 'none'}."
                )
        return costs

    def _computed(self, cells: CellBatch) -> dict[str, npt.NDArray[Any]]:
        return {} if self._compute is None else dict(self._compute(cells))
