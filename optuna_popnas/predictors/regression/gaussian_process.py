"""Gaussian process regression on groups of features.

The covariance of two cells is a sum of squared exponentials: one per group of features, so that
what is known of one group holds whatever the others are, and one of all groups together, plus
noise. Variances, reaches and noise are those that make the training data likeliest, under mild
priors.

The last bits of a matrix product depend on the processor, the number of threads and the place of
a row. So that predictions do not, products are taken in float64 and rounded to float32 before
anything is made of them, what decides is summed in one order, and hyperparameters are rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import FloatArray


_MOST_TUNED = 600  # rows that hyperparameters are tuned on: the cost grows with the cube
_MOST_KEPT = 2500  # rows that predictions are made from
_ITERATIONS = 60
_JITTER = 1e-6
_ROWS = 256  # candidates at a time: their covariances stay in the processor's cache
_LANDMARKS = 128  # rows that standard deviations are worked out from
_SPARSE = 0.1  # share of features that are not 0, below which a sparse product is faster
_LOG_DIGITS = 3  # of hyperparameters: more would be the rounding of the processor at hand


class Hyperparameters(NamedTuple):
    """Hyperparameters of ``g`` groups, in natural units.

    Attributes:
        variances: ``(g,)`` variance of each group's own covariance.
        weights: ``(g,)`` what its mean squared distance is multiplied with.
        joint_weights: ``(g,)`` the same in the covariance of all groups together.
        joint: Variance of that covariance.
        noise: Variance of the noise.
    """

    variances: FloatArray
    weights: FloatArray
    joint_weights: FloatArray
    joint: float
    noise: float


class GaussianProcess:
    """A Gaussian process on groups of features.

    Args:
        groups: The columns of each group.
        rng: Chooses rows where there are too many.
    """

    def __init__(self, groups: Sequence[slice], *, rng: np.random.Generator) -> None:
        self._groups = groups
        self._rng = rng

    def fit(self, features: npt.NDArray[np.floating], targets: FloatArray) -> GaussianProcess:
        """Learn from ``(n, d)`` features and ``(n,)`` targets."""
        if len(targets) > _MOST_KEPT:
            rows = np.sort(self._rng.choice(len(targets), _MOST_KEPT, replace=False))
            features, targets = features[rows], targets[rows]
        features = features.astype(np.float64)
        deviation = features.std(axis=0)
        varied = deviation > 1e-9
        groups = [group for group in self._groups if varied[group].any()]
        self._center = features.mean(axis=0)
        factor = np.where(varied, 1 / np.maximum(deviation, 1e-9), 0.0)
        for group in groups:
            factor[group] /= np.sqrt(varied[group].sum())
        points = [((features - self._center) * factor)[:, group] for group in groups]
        self._mean = float(targets.mean())
        self._scale = float(targets.std()) or 1.0
        values = (targets - self._mean) / self._scale

        tuned = np.arange(len(values))
        if len(tuned) > _MOST_TUNED:
            tuned = np.sort(self._rng.choice(len(values), _MOST_TUNED, replace=False))
        self.hyperparameters = _tune([_distances(part[tuned]) for part in points], values[tuned])

        from scipy.linalg import cho_factor
        from scipy.linalg import cho_solve

        parts = _covariances(self.hyperparameters, [_distances(part) for part in points])
        covariance = np.sum(parts, axis=0)
        covariance[np.diag_indices(len(values))] += self.hyperparameters.noise + _JITTER
        self._solved = cho_solve(cho_factor(covariance, lower=True), values)
        self._squares = np.zeros((features.shape[1], len(groups)))
        self._rows = []
        for index, (group, part) in enumerate(zip(groups, points)):
            self._squares[group, index] = factor[group] ** 2
            offsets = -part @ (factor * self._center)[group] - 0.5 * np.square(part).sum(axis=1)
            is_sparse = np.count_nonzero(features[:, group]) < _SPARSE * part.size
            self._rows.append((group, (part * factor[group]).T.copy(), offsets, is_sparse))
        self._prepare_deviations(covariance)
        return self

    def _prepare_deviations(self, covariance: FloatArray) -> None:
        # All rows at once would cost n^2 per prediction. Some of them say how far a candidate
        # is from what is known; a deviation is at most too large.
        from scipy.linalg import cholesky

        count = min(_LANDMARKS, len(covariance))
        chosen = np.sort(self._rng.choice(len(covariance), count, replace=False))
        self._landmarks = chosen
        factor = cholesky(covariance[np.ix_(chosen, chosen)], lower=True)
        self._inverse = np.linalg.inv(factor).T

    def predict(self, features: npt.NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
        """Return ``(m,)`` means and standard deviations without the noise."""
        mean, known = np.empty(len(features)), np.zeros(len(features))
        # Blocks are always full: the last bits of a product depend on its number of rows.
        block = np.zeros((_ROWS, features.shape[1]))
        covariance, together, group = np.empty((3, _ROWS, len(self._solved)), dtype=np.float32)
        for start in range(0, len(features), _ROWS):
            part = slice(start, min(start + _ROWS, len(features)))
            count = part.stop - start
            block[:count] = features[part]
            self._covariance(block, covariance, together, group)
            # Not a product of BLAS: its order of summation is another on each processor.
            mean[part] = np.einsum("ij,j->i", covariance[:count], self._solved)
            near = covariance[:, self._landmarks].astype(np.float64) @ self._inverse
            known[part] = np.einsum("ij,ij->i", near, near)[:count]
        mean = self._mean + self._scale * mean
        prior = self.hyperparameters.variances.sum() + self.hyperparameters.joint
        return mean, self._scale * np.sqrt(np.maximum(prior - known, 1e-9))

    def _covariance(
        self,
        features: FloatArray,
        covariance: npt.NDArray[np.float32],
        together: npt.NDArray[np.float32],
        group: npt.NDArray[np.float32],
    ) -> None:
        """Write ``(m, n)`` covariances with the training rows into the first array.

        ``-|x - z|^2 / 2 = x.z - |x|^2 / 2 - |z|^2 / 2`` for the scaled rows ``x`` of features
        and ``z`` of training.
        """
        from scipy.sparse import csr_matrix

        at = self.hyperparameters
        covariance.fill(0)
        together.fill(np.log(at.joint))
        own = -0.5 * (np.square(features - self._center) @ self._squares)
        for index, (columns, directions, offsets, is_sparse) in enumerate(self._rows):
            part = features[:, columns]
            half = (csr_matrix(part) if is_sparse else part) @ directions
            half += offsets
            np.add(half, own[:, index, None], out=group, casting="same_kind")
            group *= np.float32(at.joint_weights[index])
            together += group
            group *= np.float32(at.weights[index] / at.joint_weights[index])
            np.exp(group, out=group)
            group *= np.float32(at.variances[index])
            covariance += group
        np.exp(together, out=together)
        covariance += together


def _distances(points: FloatArray) -> FloatArray:
    squares = np.square(points).sum(axis=1)
    distances: FloatArray = squares[:, None] + squares - 2 * (points @ points.T)
    np.maximum(distances, 0, out=distances)
    np.fill_diagonal(distances, 0.0)
    return distances


def _covariances(at: Hyperparameters, distances: list[FloatArray]) -> list[FloatArray]:
    """Return ``(n, n)`` covariances: of each group, then of all together."""
    parts = [
        variance * np.exp(-0.5 * weight * distance)
        for variance, weight, distance in zip(at.variances, at.weights, distances)
    ]
    size = len(distances[0]) if distances else 1
    together = np.zeros((size, size))
    for weight, distance in zip(at.joint_weights, distances):
        together += weight * distance
    return [*parts, at.joint * np.exp(-0.5 * together)]


def _tune(distances: list[FloatArray], values: FloatArray) -> Hyperparameters:
    """Return the likeliest hyperparameters, by gradient ascent on their logarithms."""
    from scipy.linalg import cho_solve
    from scipy.linalg import cholesky
    from scipy.linalg import LinAlgError
    from scipy.optimize import minimize

    count, n = len(distances), len(values)
    each = max(count, 1)
    typical = np.log(
        [*np.full(count, 0.6 / each), *np.full(count, 0.5), *np.full(count, 0.5 / each), 0.5, 0.2]
    )
    # Deviations of the priors
    doubt = np.array([*np.full(count, 1.5), *np.full(count, 1.0), *np.full(count, 1.5), 1.0, 1.0])
    identity, diagonal = np.eye(n), np.diag_indices(n)

    def natural(logs: FloatArray) -> Hyperparameters:
        first, second, third, last = np.split(np.exp(logs), [count, 2 * count, 3 * count])
        return Hyperparameters(first, second, third, float(last[0]), float(last[1]))

    def loss(logs: FloatArray) -> tuple[float, FloatArray]:
        at = natural(logs)
        parts = _covariances(at, distances)
        covariance = np.sum(parts, axis=0).reshape(n, n)
        covariance[diagonal] += at.noise + _JITTER
        try:
            factor = cholesky(covariance, lower=True)
        except LinAlgError:
            return 1e10, np.zeros_like(logs)
        solved = cho_solve((factor, True), values)
        slope = 0.5 * (cho_solve((factor, True), identity) - np.outer(solved, solved))
        weighed = [slope * part for part in parts]
        joint = weighed[-1]
        gradient = [
            *(part.sum() for part in weighed[:-1]),
            *(-0.5 * w * np.vdot(p, d) for w, p, d in zip(at.weights, weighed, distances)),
            *(-0.5 * w * np.vdot(joint, d) for w, d in zip(at.joint_weights, distances)),
            joint.sum(),
            np.trace(slope) * at.noise,
        ]
        value = 0.5 * values @ solved + np.log(np.diag(factor)).sum()
        value += 0.5 * np.square((logs - typical) / doubt).sum()
        return float(value), np.array(gradient) + (logs - typical) / doubt**2

    found = minimize(
        loss,
        typical,
        jac=True,
        method="L-BFGS-B",
        bounds=[(-12.0, 4.0)] * len(typical),
        options={"maxiter": _ITERATIONS},
    )
    return natural(np.round(found.x, _LOG_DIGITS))
