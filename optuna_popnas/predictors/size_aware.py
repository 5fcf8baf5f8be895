"""Predictors that start from a cell's size, and so rank cells before any has been trained.

Accuracy is learnt as the logarithm of the errors' share, seconds as their logarithm, each by a
:class:`~optuna_popnas.predictors.regression.size_process.SizeProcess`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import encode
from optuna_popnas.predictors.base import fitted
from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.base import Prediction
from optuna_popnas.predictors.base import Predictor
from optuna_popnas.predictors.base import training_data
from optuna_popnas.predictors.features.frame import Inputs
from optuna_popnas.predictors.features.frame import inputs_of
from optuna_popnas.predictors.guide import Guide
from optuna_popnas.predictors.guide import KnownCells
from optuna_popnas.predictors.regression.size_process import Prior
from optuna_popnas.predictors.regression.size_process import SizeProcess
from optuna_popnas.predictors.regression.threads import one_blas_thread
from optuna_popnas.predictors.size_link import is_share
from optuna_popnas.predictors.size_link import link
from optuna_popnas.predictors.size_link import unlink
from optuna_popnas.predictors.size_priors import shipped
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


_Self = TypeVar("_Self", bound="SizeAwarePredictor")


class SizeAwarePredictor(Predictor):
    """What both have in common.

    Args:
        space: The search space.
        seed: Seed of the choice of cells, where there are thousands.
        prior: What is known before the first training; that of the library if left out.
        guide_prior: The same for other searches, see :meth:`learn_from`.
    """

    _kind: str
    _name: str
    _lowest: float | None = None
    _most_kept = 1500  # trained cells that predictions are made from

    def __init__(
        self,
        space: SearchSpace,
        *,
        seed: int | None = None,
        prior: Prior | None = None,
        guide_prior: Prior | None = None,
    ) -> None:
        super().__init__(space, seed=seed)
        self.prior = shipped(self._kind) if prior is None else prior
        self._guide_prior = shipped("accuracy") if guide_prior is None else guide_prior
        self.process: SizeProcess | None = None
        self.guide: Guide | None = None

    def learn_from(self, known: Sequence[KnownCells]) -> None:
        """Start from what cells of other searches say, as far as own cells agree with it."""
        if known:
            with one_blas_thread():
                self.guide = (
                    _shipped_guide(self.space, tuple(known))
                    if self._guide_prior is shipped("accuracy")
                    else Guide(self.space, known, self._guide_prior)
                )

    def _set_unit(self, values: FloatArray) -> None:
        """Note what kind of values these are."""

    @abstractmethod
    def _link(self, values: FloatArray) -> FloatArray:
        """Return what is learnt in place of the values."""

    @abstractmethod
    def _unlink(self, targets: FloatArray) -> FloatArray:
        """Return the values that these targets stand for."""

    def fit(
        self: _Self,
        cells: Sequence[Cell],
        values: npt.ArrayLike,
        relative_noise: FloatArray | None = None,
    ) -> _Self:
        """Learn from scratch.

        Args:
            cells: Trained cells; none are an ordinary case.
            values: ``(n,)`` what was measured of them.
            relative_noise: ``(n,)`` variances of their noise, relative to an ordinary training.

        Raises:
            ValueError: See :func:`~optuna_popnas.predictors.base.training_data`.
        """
        if len(cells) or np.size(values):
            batch, array = training_data(
                self.space, cells, values, name=self._name, lowest=self._lowest
            )
        else:
            batch, array = CellBatch(self.space, np.zeros((0, 1, 4), dtype=np.int8)), np.zeros(0)
        self._set_unit(array)
        with one_blas_thread():
            inputs, targets = self._inputs(batch), self._link(array)
            process = SizeProcess(
                self.prior,
                most_kept=self._most_kept,
                rng=np.random.default_rng(self.seed),
                weight=0.0 if self.guide is None else self.guide.weight,
            ).fit(inputs, targets, relative_noise)
        self.process = process
        return self

    def _inputs(self, cells: CellBatch) -> Inputs:
        inputs = inputs_of(self.space, cells.canonical())
        if self.guide is None:
            return inputs
        beyond = self.guide(cells, inputs) - (inputs.sizes @ self.prior.slopes)[:, None]
        return inputs._replace(beyond=beyond)

    def estimate(self, cells: Sequence[Cell]) -> Prediction:
        process: SizeProcess = fitted(self.process, self)
        with one_blas_thread():
            mean, variance = process.predict(self._inputs(encode(self.space, cells)))
        deviation = np.sqrt(variance)
        spread = (self._unlink(mean + deviation) - self._unlink(mean - deviation)) / 2
        return Prediction(self._unlink(mean), spread)

    def predict(self, cells: Sequence[Cell]) -> FloatArray:
        process: SizeProcess = fitted(self.process, self)
        with one_blas_thread():
            mean = process.mean(self._inputs(encode(self.space, cells)))
        return self._unlink(mean)

    def joint(self, cells: Sequence[Cell]) -> tuple[FloatArray, float]:
        """Return the ``(n, n)`` covariance of cells and the variance of a training's noise.

        Both are those of what is learnt in place of the values.
        """
        process: SizeProcess = fitted(self.process, self)
        with one_blas_thread():
            covariance = process.joint(self._inputs(encode(self.space, cells)))
        return covariance, process.noise


@lru_cache(maxsize=8)
def _shipped_guide(space: SearchSpace, known: tuple[KnownCells, ...]) -> Guide:
    return Guide(space, known, shipped("accuracy"))  # the same for every wave of a search


class SizeAwareAccuracyPredictor(SizeAwarePredictor):
    """Accuracy from size, and from what cells are made of as far as trained cells tell.

    Accuracies are shares, or in any other unit in which more is better.
    """

    _kind = "accuracy"
    _name = "accuracies"

    def _set_unit(self, values: FloatArray) -> None:
        self._is_share = is_share(values)

    def _link(self, values: FloatArray) -> FloatArray:
        return link(values)

    def _unlink(self, targets: FloatArray) -> FloatArray:
        return unlink(targets) if self._is_share else targets


class ExploringAccuracyPredictor(SizeAwareAccuracyPredictor):
    """The same with wider deviations, for searches: what it doubts is looked at."""

    _kind = "exploring"


class SizeAwareTimePredictor(SizeAwarePredictor):
    """Seconds of training from FLOPs, and from what cells are made of."""

    _kind = "seconds"
    _name = "seconds"
    _lowest = 0.0
    _most_kept = 400  # enough for what hardly has noise

    def _link(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.log(np.maximum(values, 1e-9)))

    def _unlink(self, targets: FloatArray) -> FloatArray:
        return np.exp(np.clip(targets, -30.0, 60.0))


#: The default, by what it predicts.
AccuracyPredictor = SizeAwareAccuracyPredictor
