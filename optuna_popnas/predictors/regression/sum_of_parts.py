"""Linear regression in which each group of features has its own prior."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.base import FloatArray


_ITERATIONS = 60
_JITTER = 1e-8
_LOG_DIGITS = 3  # of variances: more would be the rounding of the processor at hand


class SumOfParts:
    """Positive values as a sum of groups of features times weights.

    The weights of a group are normal with mean 0 and a variance of the group's own; the noise
    grows with the value. Variances and noise are those that make the data likeliest.
    """

    def fit(self, groups: Sequence[FloatArray], values: FloatArray) -> SumOfParts:
        """Learn from groups of ``(n, d)`` features and ``(n,)`` values, none negative."""
        typical = float(np.median(values)) or 1.0
        # Relative errors count, but not those of a value that is next to nothing.
        unit = np.maximum(values, 0.5 * typical)
        scales = [float(np.sqrt(np.square(group).sum(axis=1).mean())) or 1.0 for group in groups]
        rows = np.concatenate(
            [group * (typical / scale) for group, scale in zip(groups, scales)], axis=1
        )
        rows /= unit[:, None]
        targets = values / unit
        ends = np.cumsum([group.shape[1] for group in groups])[:-1]

        variances, noise = _tune(rows, targets, ends)
        wide = np.repeat(variances, [group.shape[1] for group in groups])
        precision = rows.T @ rows / noise + np.diag(1 / wide)
        weights = np.linalg.solve(precision, rows.T @ targets / noise)
        self._weights = [
            typical / scale * part for scale, part in zip(scales, np.split(weights, ends))
        ]
        left_out = targets - rows @ weights
        leverage = np.einsum("ij,ji->i", rows, np.linalg.solve(precision, rows.T)) / noise
        #: Root mean square of the relative errors, each of a value left out of the data.
        self.relative_error = float(np.sqrt(np.mean((left_out / (1 - leverage)) ** 2)))
        return self

    def predict(self, groups: Sequence[FloatArray]) -> FloatArray:
        """Return ``(n,)`` sums; they can be negative."""
        total = np.zeros(len(groups[0]))
        for group, weights in zip(groups, self._weights):
            # Not a product of BLAS: its last bits depend on the processor and the row's place.
            total += np.einsum("ij,j->i", group, weights)
        return total


def _tune(
    rows: FloatArray, targets: FloatArray, ends: npt.NDArray[np.intp]
) -> tuple[FloatArray, float]:
    """Return the likeliest variances of the groups, ``rows`` split at ``ends``, and of the noise.

    A rotation of the data that leaves ``d`` of the ``n`` rows, and of the others only the sum of
    squares, has the same likelihood.
    """
    from scipy.linalg import cho_solve
    from scipy.linalg import cholesky
    from scipy.optimize import minimize

    rotation, rotated = np.linalg.qr(rows)
    inside = rotation.T @ targets
    outside = max(float(targets @ targets - inside @ inside), 0.0)
    others = len(targets) - len(inside)
    products = [part @ part.T for part in np.split(rotated, ends, axis=1)]
    start = np.log([*np.ones(len(products)), 0.005])
    doubt = 2.0
    identity, diagonal = np.eye(len(inside)), np.diag_indices(len(inside))

    def loss(logs: FloatArray) -> tuple[float, FloatArray]:
        variances = np.exp(logs)
        noise = variances[-1] + _JITTER
        covariance = np.zeros_like(identity)
        for variance, product in zip(variances, products):
            covariance += variance * product
        covariance[diagonal] += noise
        factor = cholesky(covariance, lower=True)
        solved = cho_solve((factor, True), inside)
        slope = 0.5 * (cho_solve((factor, True), identity) - np.outer(solved, solved))
        gradient = [v * np.vdot(slope, product) for v, product in zip(variances, products)]
        beyond = 0.5 * (others - outside / noise) / noise
        gradient.append(variances[-1] * (np.trace(slope) + beyond))
        value = 0.5 * inside @ solved + np.log(np.diag(factor)).sum()
        value += 0.5 * (others * np.log(noise) + outside / noise)
        value += 0.5 * np.square((logs - start) / doubt).sum()
        return float(value), np.array(gradient) + (logs - start) / doubt**2

    bounds = [(-14.0, 6.0)] * len(products) + [(-12.0, 0.0)]
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": _ITERATIONS}
    )
    variances = np.exp(np.round(found.x, _LOG_DIGITS))
    return variances[:-1], float(variances[-1]) + _JITTER
