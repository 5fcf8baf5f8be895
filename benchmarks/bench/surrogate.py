"""A surrogate of a whole space, fitted to cells that were trained (as NAS-Bench-301 was).

The mean accuracy is that of an ensemble: each member is a ridge regression of the logit of
accuracy on graph features and boosted trees on what it leaves, both fitted to a bootstrap of the
cells. Noise is what repeated trainings differ by, as a function of the accuracy; seconds are
fitted likewise in logarithms; learning curves are drawn given the accuracy they end with.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import catboost
import numpy as np

from bench.base import Bench
from bench.base import cell_rng
from bench.base import Evaluation
from bench.base import Floats
from bench.base import Front
from bench.features import graph_features
from bench.fronts import kept_front
from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import NetworkConfig
from optuna_popnas import SearchSpace
from optuna_popnas.networks import cell_costs


MEMBERS = 6
_ROUNDS = 300
_EDGE = 0.005


class Sample(NamedTuple):
    """Trainings that a surrogate is fitted to.

    Attributes:
        cells: ``n`` cells.
        accuracy: ``(n,)`` their mean accuracies over seeds.
        trainings: ``(n,)`` how many seeds each has.
        seconds: ``(n,)`` seconds relative to the reference cell's.
        curves: ``(n, e)`` learning curves of the first seeds; ``e`` may be 0.
        repeats: Accuracies of cells that were trained more than once.
    """

    cells: CellBatch
    accuracy: Floats
    trainings: Floats
    seconds: Floats
    curves: Floats
    repeats: tuple[tuple[float, ...], ...]

    @property
    def weights(self) -> Floats:
        """Weights of accuracies: several trainings count for more, not in proportion."""
        return np.asarray(1 / (0.3 + 1 / self.trainings))

    def take(self, rows: np.ndarray) -> Sample:
        """Return some of the cells."""
        return self._replace(
            cells=self.cells.take(rows),
            accuracy=self.accuracy[rows],
            trainings=self.trainings[rows],
            seconds=self.seconds[rows],
            curves=self.curves[rows],
        )


class Images(NamedTuple):
    """What networks are made for: ``network``, channels, classes and pixels of the images."""

    network: NetworkConfig
    in_channels: int
    classes: int
    image_size: int


def logit(accuracy: Floats) -> Floats:
    """Return log odds; accuracies are kept off 0 and 1."""
    inside = np.clip(accuracy, _EDGE, 1 - _EDGE)
    return np.asarray(np.log(inside / (1 - inside)))


def expit(value: Floats) -> Floats:
    """Return the inverse of :func:`logit`."""
    return np.asarray(1 / (1 + np.exp(-value)))


class Regression:
    """A ridge regression and boosted trees on what it leaves, several times over bootstraps."""

    def __init__(self, *, depth: int, ridge: float, members: int = MEMBERS) -> None:
        self._depth = depth
        self._ridge = ridge
        self._members = members

    def fit(self, features: Floats, values: Floats, weights: Floats) -> Regression:
        """Fit ``(n, d)`` features to ``(n,)`` values."""
        self._mean, self._scale = features.mean(axis=0), features.std(axis=0) + 1e-9
        design = self._design(features)
        rng = np.random.default_rng(0)
        linear_parts, trees_parts = [], []
        for member in range(self._members):
            # A Bayesian bootstrap leaves no cell out.
            weight = weights * rng.exponential(size=len(values))
            penalty = self._ridge * np.eye(design.shape[1])
            penalty[-1, -1] = 0
            gram = design.T @ (weight[:, None] * design) + penalty
            linear = np.linalg.solve(gram, design.T @ (weight * values))
            trees = catboost.CatBoostRegressor(
                iterations=_ROUNDS,
                depth=self._depth,
                learning_rate=0.05,
                l2_leaf_reg=5.0,
                rsm=0.5,
                random_seed=member,
                thread_count=1,
                verbose=False,
                allow_writing_files=False,
            )
            trees.fit(features, values - design @ linear, sample_weight=weight)
            linear_parts.append(linear)
            trees_parts.append(trees)
        self._linear = np.mean(linear_parts, axis=0)
        self._trees = catboost.sum_models(trees_parts, weights=[1 / self._members] * self._members)
        return self

    def predict(self, features: Floats) -> Floats:
        """Return ``(n,)`` means over the ensemble."""
        trees = self._trees.predict(features, thread_count=1)
        return np.asarray(self._design(features) @ self._linear + trees)

    def _design(self, features: Floats) -> Floats:
        return np.column_stack([(features - self._mean) / self._scale, np.ones(len(features))])


class SurrogateBench(Bench):
    """A bench of a whole space.

    Args:
        name: Its name.
        space: Its space.
        sample: Trainings of some of its cells.
        images: What the networks were made for.
        budget: Seconds of training that a comparison spends.
        unit: Seconds of training of the reference cell.
        curve_epochs: Epochs of ``sample.curves``.
        noise: Standard deviation of one accuracy where the sample has no repeats.
    """

    def __init__(
        self,
        name: str,
        space: SearchSpace,
        sample: Sample,
        images: Images,
        *,
        budget: float,
        unit: float = 1.0,
        curve_epochs: tuple[int, ...] = (),
        epochs: int = 9,
        noise: float = 0.01,
    ) -> None:
        self.name = name
        self.space = space
        self.budget = budget
        self.images = images
        self.chance = 1 / images.classes
        self.curve_epochs = curve_epochs
        self.epochs = epochs
        self.sample = sample
        self.unit = unit
        self._memory: dict[Cell, tuple[float, float, float]] = {}
        features = self.features(sample.cells)
        self._accuracy = Regression(depth=4, ridge=100.0).fit(
            features, logit(sample.accuracy), sample.weights
        )
        self._seconds = Regression(depth=4, ridge=1.0).fit(
            features, np.log(sample.seconds), np.ones(len(features))
        )
        self._time_noise = self._spread_of_seconds(features)
        self._noise = noise_model(sample.repeats, noise)
        self._curves = (
            CurveModel(sample.curves, sample.accuracy, features[:, -2])
            if sample.curves.shape[1]
            else None
        )

    def features(self, batch: CellBatch) -> Floats:
        """Return what the models see of cells."""
        batch = batch.canonical()
        parameters, flops = self.costs(batch)
        return graph_features(batch, parameters, flops)

    def _spread_of_seconds(self, features: Floats) -> float:
        left = np.log(self.sample.seconds) - self._seconds.predict(features)
        return float(np.clip(np.median(np.abs(left)) * 1.5, 0.01, 0.05))

    def noise_at(self, accuracy: Floats) -> float:
        """Return the standard deviation of one training's accuracy, over cells of these means."""
        return float(np.sqrt(np.mean(np.square(self._noise(accuracy)))))

    def costs(self, cells: Sequence[Cell]) -> tuple[Floats, Floats]:
        images = self.images
        costs = cell_costs(
            cells,
            images.network,
            in_channels=images.in_channels,
            classes=images.classes,
            image_size=images.image_size,
            space=self.space,
        )
        return costs.parameters.astype(float), costs.flops.astype(float)

    def expected(self, cells: Sequence[Cell]) -> tuple[Floats, Floats]:
        if not len(cells):
            return np.empty(0), np.empty(0)
        features = self.features(CellBatch.from_cells(self.space, cells))
        accuracy = expit(self._accuracy.predict(features))
        return accuracy, self.unit * np.exp(self._seconds.predict(features))

    def evaluate(self, cell: Cell, seed: int) -> Evaluation:
        if cell not in self._memory:
            batch = CellBatch.from_cells(self.space, [cell])
            accuracy, seconds = self.expected(batch)
            self._memory[cell] = (
                float(accuracy[0]),
                float(seconds[0]),
                float(self.costs(batch)[1][0]),
            )
        mean, seconds, flops = self._memory[cell]
        rng = cell_rng(cell, self.space, seed)
        accuracy = float(np.clip(mean + self._noise(mean) * rng.normal(), 0.0, 1.0))
        seconds *= float(np.exp(self._time_noise * rng.normal()))
        curve: tuple[float, ...] = ()
        if self._curves is not None:
            curve = self._curves.draw(accuracy, float(np.log1p(flops)), rng)
        return Evaluation(accuracy, seconds, curve)

    @cached_property
    def front(self) -> Front:
        return kept_front(self)


def noise_model(
    repeats: Sequence[tuple[float, ...]], otherwise: float
) -> np.polynomial.Polynomial:
    """Return the standard deviation of an accuracy as a function of its mean.

    The deviation is modelled as c * sqrt(m (1 - m)), the form of counting errors, which vanishes
    where all or none are right.
    """
    groups = [np.array(values) for values in repeats if len(values) > 1]
    if len(groups) < 5:
        return np.polynomial.Polynomial([otherwise])
    variance = np.array([values.var(ddof=1) for values in groups])
    mean = np.array([values.mean() for values in groups])
    scale = float(np.sqrt(np.average(variance / (mean * (1 - mean)))))
    grid = np.linspace(0.02, 0.98, 25)
    return np.polynomial.Polynomial.fit(grid, scale * np.sqrt(grid * (1 - grid)), 6)


class CurveModel:
    """Learning curves given the accuracy after the last epoch.

    Logits at each epoch are linear in the logit at the end, its square and log FLOPs; what is
    left is normal, correlated between epochs.
    """

    def __init__(self, curves: Floats, accuracy: Floats, size: Floats) -> None:
        design = self._design(accuracy, size)
        values = logit(curves)
        self._weights = np.linalg.lstsq(design, values, rcond=None)[0]
        left = values - design @ self._weights
        self._root = np.linalg.cholesky(np.cov(left.T) + 1e-6 * np.eye(curves.shape[1]))

    @staticmethod
    def _design(accuracy: Floats, size: Floats) -> Floats:
        end = logit(accuracy)
        return np.column_stack([np.ones(len(end)), end, end**2, size])

    def draw(self, accuracy: float, size: float, rng: np.random.Generator) -> tuple[float, ...]:
        """Return one curve; its last value is the accuracy itself."""
        mean = self._design(np.array([accuracy]), np.array([size])) @ self._weights
        values = mean[0] + self._root @ rng.normal(size=len(self._root))
        curve = expit(values)
        curve[-1] = accuracy
        return tuple(curve.tolist())
