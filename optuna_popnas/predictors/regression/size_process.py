"""A Gaussian process that knows what size does before any cell has been trained.

| symbol | shape | meaning |
|---|---|---|
| ``z`` | ``(n, p)`` | descriptors of cells, in standard deviations of the space's cells |
| ``x_g`` | ``(n, d_g)`` | group ``g`` of features: descriptors, what cells are made of, pairs |
| ``s = z @ slopes`` | ``(n,)`` | what size lets expect, in deviations of targets |
| ``d`` | ``(n, t)`` | what ``t`` other searches let expect beyond that |
| ``m = s + w mean_t d_t`` | ``(n,)`` | mean before any training; ``w`` is their weight |
| ``k = c + u d d'^T + v_0 (z * scale) (z' * scale)^T`` | ``(n, n)`` | covariance, where |
| ``  + sum_g v_g exp(-w_g |x_g - x_g'|^2 / 2)`` | | ``u`` is the variance of a weight |
| ``r`` | ``(n,)`` | noise of each target, in units of ``noise`` |
| ``logs`` | ``(8,)`` | logarithms of ``v_0, v_1, w_1, v_2, w_2, v_3, w_3, noise`` |

The hyperparameters are the likeliest ones under a prior that comes from cells of other data sets;
with few cells they are that prior. They are rounded, see
:mod:`~optuna_popnas.predictors.regression.gaussian_process`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from optuna_popnas.predictors.base import FloatArray
from optuna_popnas.predictors.features.frame import Inputs


#: What ``logs`` are the logarithms of.
HYPERPARAMETERS = ("v_0", "v_1", "w_1", "v_2", "w_2", "v_3", "w_3", "noise")

_GROUPS = 3
_MOST_TUNED = 250  # rows that hyperparameters are tuned on: the cost grows with the cube
_ITERATIONS = 30
_JITTER = 1e-6
_LOG_DIGITS = 3
_WEIGHT_DOUBT = 0.3  # standard deviation of the weight of each other search
_SPREAD_DOUBT = 1.0  # standard deviation of the logarithm of the targets' standard deviation
LEVEL = 4.0  # prior variance of the mean of all targets, in their variances


class Prior(NamedTuple):
    """What is known before any cell has been trained.

    Attributes:
        slopes: ``(p,)`` the mean's weights of the descriptors.
        scale: ``(p,)`` standard deviations of what the weights turn out to be beside that,
            relative to each other.
        logs: ``(8,)`` means of the hyperparameters' logarithms.
        doubts: ``(8,)`` their standard deviations.
        center: Mean of targets.
        spread: Standard deviation of targets.
    """

    slopes: FloatArray
    scale: FloatArray
    logs: FloatArray
    doubts: FloatArray
    center: float
    spread: float


class SizeProcess:
    """See above. Targets may be in any unit.

    Args:
        prior: What is known before.
        most_kept: Rows that predictions are made from.
        rng: Chooses rows where there are too many.
        weight: Weight of what other searches let expect, before anything was trained.

    Attributes:
        weight: The same, given the trained cells.
    """

    def __init__(
        self,
        prior: Prior,
        *,
        most_kept: int = 1500,
        rng: np.random.Generator,
        weight: float = 0.0,
    ) -> None:
        self.prior = prior
        self._most_kept = most_kept
        self._rng = rng
        self._start = self.weight = weight

    def fit(
        self, inputs: Inputs, targets: FloatArray, relative_noise: FloatArray | None = None
    ) -> SizeProcess:
        """Learn from ``n`` cells, none being an ordinary case.

        Args:
            inputs: The cells; several rows may be the same cell.
            targets: ``(n,)``.
            relative_noise: ``(n,)`` variances of the targets' noise relative to an ordinary one.
        """
        noise = np.ones(len(targets)) if relative_noise is None else relative_noise
        if len(targets) > self._most_kept:
            rows = np.sort(self._rng.choice(len(targets), self._most_kept, replace=False))
            inputs, targets, noise = inputs.take(rows), targets[rows], noise[rows]
        prior = self.prior
        tuned = np.arange(len(targets))
        if len(tuned) > _MOST_TUNED:
            tuned = np.sort(self._rng.choice(len(targets), _MOST_TUNED, replace=False))
        self._inputs = inputs
        self.logs, self.scale = prior.logs.copy(), prior.spread
        if len(targets) > 1:
            some = inputs.take(tuned)
            likelihood = _Likelihood(prior, some, targets[tuned], noise[tuned])
            self.logs, self.scale = likelihood.tune(self._expected(some))
        rest = targets - self.scale * self._expected(inputs)
        self.center = float(rest.mean()) if len(targets) else prior.center
        values = (rest - self.center) / self.scale
        self.noise = float(self.scale**2 * np.exp(self.logs[-1]))  #: its variance
        self._relative_noise = noise
        self._factor, self._solved = None, np.zeros(0)
        if len(values):
            from scipy.linalg import cho_solve
            from scipy.linalg import cholesky

            covariance = self._covariance(inputs, inputs)
            covariance[np.diag_indices(len(values))] += np.exp(self.logs[-1]) * noise + _JITTER
            self._factor = cholesky(covariance, lower=True)
            self._solved = cho_solve((self._factor, True), values)
            if inputs.beyond is not None:
                moved = _WEIGHT_DOUBT**2 * (inputs.beyond.T @ self._solved)
                self.weight = float(np.round(self.weight + moved.sum(), 3))
        return self

    def _expected(self, inputs: Inputs) -> FloatArray:
        expected = np.asarray(inputs.sizes @ self.prior.slopes)
        if inputs.beyond is None:
            return expected
        return np.asarray(expected + self._start * inputs.beyond.mean(axis=1))

    def _covariance(self, a: Inputs, b: Inputs) -> FloatArray:
        first, *others = _parts(self.prior, self.logs, _linear(self.prior, a, b), _pairs(a, b))
        first += _level(a, b)
        for part in others:
            first += part
        return first

    def mean(self, inputs: Inputs) -> FloatArray:
        """Return ``(m,)`` means."""
        mean = self._expected(inputs)
        if self._factor is not None:
            mean = mean + self._covariance(inputs, self._inputs) @ self._solved
        return np.asarray(self.center + self.scale * mean)

    def predict(self, inputs: Inputs) -> tuple[FloatArray, FloatArray]:
        """Return ``(m,)`` means and ``(m,)`` variances, without noise."""
        mean = self._expected(inputs)
        strength = np.exp(self.logs)
        variance = strength[0] * np.square(inputs.sizes * self.prior.scale).sum(axis=1)
        variance += strength[1] + strength[3] + strength[5] + LEVEL
        if inputs.beyond is not None:
            variance += _WEIGHT_DOUBT**2 * np.square(inputs.beyond).sum(axis=1)
        if self._factor is not None:
            near = self._covariance(inputs, self._inputs)
            mean = mean + near @ self._solved
            known = self._solve(near)
            variance -= np.einsum("ij,ij->j", known, known)
        least = 1e-6 * self.scale**2
        return self.center + self.scale * mean, np.maximum(self.scale**2 * variance, least)

    def joint(self, inputs: Inputs) -> FloatArray:
        """Return the ``(m, m)`` covariance of cells, given what was learnt, without noise."""
        covariance = self._covariance(inputs, inputs)
        if self._factor is not None:
            known = self._solve(self._covariance(inputs, self._inputs))
            covariance -= known.T @ known
        covariance[np.diag_indices(len(covariance))] += 1e-6
        return np.asarray(self.scale**2 * covariance)

    def _solve(self, near: FloatArray) -> FloatArray:
        from scipy.linalg import solve_triangular

        return np.asarray(solve_triangular(self._factor, near.T, lower=True, check_finite=False))


def _level(a: Inputs, b: Inputs) -> FloatArray | float:
    """Return what does not depend on the hyperparameters."""
    if a.beyond is None or b.beyond is None:
        return LEVEL
    return np.asarray(LEVEL + _WEIGHT_DOUBT**2 * (a.beyond @ b.beyond.T))


def _linear(prior: Prior, a: Inputs, b: Inputs) -> FloatArray:
    return np.asarray((a.sizes * np.square(prior.scale)) @ b.sizes.T)


def _pairs(a: Inputs, b: Inputs) -> list[FloatArray]:
    """Return ``(n, m)`` squared distances, group by group."""
    found = []
    for left, right in zip(a.groups, b.groups):
        squares = np.square(left).sum(axis=1)[:, None] + np.square(right).sum(axis=1)
        squares -= 2 * (left @ right.T)
        found.append(np.maximum(squares, 0.0, out=squares))
    return found


def _parts(
    prior: Prior, logs: FloatArray, linear: FloatArray, distances: list[FloatArray]
) -> list[FloatArray]:
    strength = np.exp(logs)
    parts = [strength[0] * linear]
    for group, distance in enumerate(distances):
        part = np.exp((-0.5 * strength[2 + 2 * group]) * distance)
        part *= strength[1 + 2 * group]
        parts.append(part)
    return parts


class _Likelihood:
    """How likely targets are, as a function of the hyperparameters."""

    def __init__(
        self, prior: Prior, inputs: Inputs, targets: FloatArray, noise: FloatArray
    ) -> None:
        self._prior, self._noise = prior, noise
        self._targets = targets - targets.mean()
        self._level = _level(inputs, inputs)
        self._linear = _linear(prior, inputs, inputs)
        self._distances = _pairs(inputs, inputs)
        self._start = np.append(prior.logs, np.log(prior.spread))
        self._doubts = np.append(prior.doubts, _SPREAD_DOUBT)

    def tune(self, expected: FloatArray) -> tuple[FloatArray, float]:
        """Return the likeliest ``logs`` and deviation of targets, by gradient ascent."""
        from scipy.optimize import minimize

        found = minimize(
            self.loss(expected),
            self._start,
            jac=True,
            method="L-BFGS-B",
            bounds=[(-9.0, 4.0)] * (len(self._start) - 1)
            + [(self._start[-1] - 12, self._start[-1] + 12)],
            options={"maxiter": _ITERATIONS},
        )
        *logs, log_scale = np.round(found.x, _LOG_DIGITS)
        return np.array(logs), float(np.exp(log_scale))

    def loss(self, expected: FloatArray) -> Callable[[FloatArray], tuple[float, FloatArray]]:
        """Return what gives minus the logarithm of the posterior density, and its gradient."""
        from scipy.linalg import cho_solve
        from scipy.linalg import cholesky
        from scipy.linalg import LinAlgError

        count, targets, noise = len(self._targets), self._targets, self._noise
        expected = expected - expected.mean()
        identity, diagonal = np.eye(count), np.diag_indices(count)

        def of(logs: FloatArray) -> tuple[float, FloatArray]:
            *_, scale = strength = np.exp(logs)
            strength, scaled = strength[:-1], targets / scale
            values = scaled - expected
            parts = _parts(self._prior, logs[:-1], self._linear, self._distances)
            covariance = np.sum(parts, axis=0) + self._level
            covariance[diagonal] += strength[-1] * noise + _JITTER
            try:
                factor = cholesky(covariance, lower=True, check_finite=False)
            except LinAlgError:
                return 1e10, np.zeros_like(logs)
            solved = cho_solve((factor, True), values)
            slope = 0.5 * (cho_solve((factor, True), identity) - np.outer(solved, solved))
            gradient = [np.vdot(slope, parts[0])]
            for group in range(_GROUPS):
                weighed = slope * parts[1 + group]
                reach = -0.5 * strength[2 + 2 * group] * np.vdot(weighed, self._distances[group])
                gradient += [weighed.sum(), reach]
            gradient += [strength[-1] * (np.diag(slope) @ noise), count - scaled @ solved]
            value = 0.5 * values @ solved + np.log(np.diag(factor)).sum() + count * logs[-1]
            away = (logs - self._start) / self._doubts
            return float(value + 0.5 * away @ away), np.array(gradient) + away / self._doubts

        return of
