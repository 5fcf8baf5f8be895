"""Ranks of measured values, and the way back."""

from __future__ import annotations

import numpy as np

from optuna_popnas.predictors.base import FloatArray


class Quantiles:
    """An increasing map between the values that were measured and their ranks in (0, 1).

    Between measured values it is linear. Beyond them it goes on with the mean slope; where all
    values are in [0, 1], so are those it returns.

    Args:
        values: ``(n,)`` measured values.
    """

    def __init__(self, values: FloatArray) -> None:
        self._values, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
        # Equal values share the mean of their ranks.
        places = (np.cumsum(counts) - counts / 2) / len(values)
        self._ranks: FloatArray = places
        self.ranks: FloatArray = places[inverse]
        rise = self._values[-1] - self._values[0]
        run = self._ranks[-1] - self._ranks[0]
        self._slope = float(rise / run) if run > 0 else 1e-6
        self._bounded = bool(self._values[0] >= 0 and self._values[-1] <= 1)

    def values(self, ranks: FloatArray) -> FloatArray:
        """Return the values of ``(m,)`` ranks; larger ranks have larger values."""
        first, last = self._ranks[0], self._ranks[-1]
        inside: FloatArray = np.interp(ranks, self._ranks, self._values)
        over = self._slope * np.maximum(ranks - last, 0.0)
        under = self._slope * np.maximum(first - ranks, 0.0)
        if self._bounded:
            # A value at the bound leaves no room: a little more keeps the order.
            room = max(1.0 - float(self._values[-1]), 1e-6)
            over = room * over / (room + over)
            room = max(float(self._values[0]), 1e-6)
            under = room * under / (room + under)
        return inside + over - under
