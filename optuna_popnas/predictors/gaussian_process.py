"""Gaussian process regression on groups of features.

The covariance of two cells is a sum of squared exponentials: one per group of features, so that
what is known of one group holds whatever the others are, and one of all groups together, plus
noise. Variances, reaches and noise are those that make the training data likeliest, under mild
priors.
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
_NEGLIGIBLE = 1e-3  # directions in which rows differ less, relative to the first, are left out


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
        kept = [
            np.arange(group.start, group.stop)[deviation[group] > 1e-9] for group in self._groups
        ]
        kept = [part for part in kept if len(part)]
        self._kept = [part.astype(np.intp) for part in kept]
        self._center = [features[:, part].mean(axis=0) for part in kept]
        self._factor = [1 / (deviation[part] * np.sqrt(len(part))) for part in kept]
        points = [
            (features[:, part] - center) * factor
            for part, center, factor in zip(kept, self._center, self._factor)
        ]
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
        self._solved = cho_solve(cho_factor(covariance, lower=True), values).astype(np.float32)
        self._rows = [_Rows(part) for part in points]
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
        self._inverse = np.linalg.inv(factor).T.astype(np.float32)

    def predict(
        self, features: npt.NDArray[np.float32], *, deviations: bool = False
    ) -> tuple[FloatArray, FloatArray | None]:
        """Return ``(m,)`` means and, if asked for, standard deviations without the noise."""
        mean, known = np.empty(len(features)), np.zeros(len(features))
        # Blocks are always full: the last digits of a product depend on its number of rows.
        block = np.zeros((_ROWS, features.shape[1]), dtype=np.float32)
        covariance, together, group = np.empty((3, _ROWS, len(self._solved)), dtype=np.float32)
        for start in range(0, len(features), _ROWS):
            part = slice(start, min(start + _ROWS, len(features)))
            count = part.stop - start
            block[:count] = features[part]
            self._covariance(block, covariance, together, group)
            mean[part] = (covariance @ self._solved)[:count]
            if deviations:
                near = covariance[:, self._landmarks] @ self._inverse
                known[part] = np.square(near, out=near).sum(axis=1)[:count]
        mean = self._mean + self._scale * mean
        if not deviations:
            return mean, None
        prior = self.hyperparameters.variances.sum() + self.hyperparameters.joint
        return mean, self._scale * np.sqrt(np.maximum(prior - known, 1e-9))

    def _covariance(
        self,
        features: npt.NDArray[np.float32],
        covariance: npt.NDArray[np.float32],
        together: npt.NDArray[np.float32],
        group: npt.NDArray[np.float32],
    ) -> None:
        """Write ``(m, n)`` covariances with the training rows into the first array."""
        at = self.hyperparameters
        covariance.fill(0)
        together.fill(np.log(at.joint))
        for index, rows in enumerate(self._rows):
            points = features[:, self._kept[index]]
            points -= self._center[index].astype(np.float32)
            points *= self._factor[index].astype(np.float32)
            rows.negative_half_distances(points, out=group)
            group *= np.float32(at.joint_weights[index])
            together += group
            group *= np.float32(at.weights[index] / at.joint_weights[index])
            np.exp(group, out=group)
            group *= np.float32(at.variances[index])
            covariance += group
        np.exp(together, out=together)
        covariance += together


class _Rows:
    """Training rows of one group, arranged so that one product gives all distances.

    ``-|x - z|^2 / 2 = x.z - |x|^2 / 2 - |z|^2 / 2``, where ``x.z`` needs only the directions in
    which the training rows differ.

    Args:
        points: ``(n, d)`` training rows.
    """

    def __init__(self, points: FloatArray) -> None:
        _, sizes, directions = np.linalg.svd(points, full_matrices=False)
        directions = directions[sizes > _NEGLIGIBLE * sizes[0]]
        own = -0.5 * np.square(points).sum(axis=1)
        right = [points @ directions.T, np.ones((len(points), 1)), own[:, None]]
        self._directions = directions.T.astype(np.float32)
        self._right = np.concatenate(right, axis=1).T.astype(np.float32)

    def negative_half_distances(
        self, points: npt.NDArray[np.float32], *, out: npt.NDArray[np.float32]
    ) -> None:
        """Write ``(m, n)`` negative halves of squared distances to ``(m, d)`` points."""
        left = np.empty((len(points), self._directions.shape[1] + 2), dtype=np.float32)
        np.matmul(points, self._directions, out=left[:, :-2])
        np.einsum("ij,ij->i", points, points, out=left[:, -2])
        left[:, -2] *= np.float32(-0.5)
        left[:, -1] = 1
        np.matmul(left, self._right, out=out)


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
    return natural(found.x)
