"""Which cells of a pool make the next wave.

One after the other, each as if those before it, and those that are running, had turned out as
predicted. Some are chosen for the front, by the expected growth of its hypervolume per second,
with costs counted as they are and in logarithms; some for the most accurate end, by the expected
improvement of the best accuracy per square root of the seconds; now and then one for knowledge.
A cell that was trained already may be trained again for the most accurate end, where a second
look is worth more than a new cell (the knowledge gradient of its mean). Not so for the front:
there second looks cost more than they told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.search.beliefs import Beliefs
from optuna_popnas.search.beliefs import Estimates
from optuna_popnas.search.beliefs import join
from optuna_popnas.search.beliefs import rounded
from optuna_popnas.search.gain import expected_excess
from optuna_popnas.search.gain import expected_gain
from optuna_popnas.search.gain import Front
from optuna_popnas.search.gain import known_front
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch


Floats = npt.NDArray[np.float64]

_SHORTLIST = 64  # candidates per aim that are looked at together
_AGAIN = 12  # cells of the front that may be trained again
_MOST_TRAININGS = 5
_LOG_SHARE = 0.5  # of the front's worth that is counted in logarithms of costs
_ACCURATE_SHARE = 0.3  # of the cells, chosen for the most accurate end
_EXPLORE_EVERY = 32  # cells, of which one is chosen for knowledge
_TINY = 1e-6  # of the reference: smaller costs are taken as that


class Chosen(NamedTuple):
    """A cell of a wave.

    Attributes:
        cell: The cell.
        role: ``"front"``, ``"accurate"``, ``"exploration"`` or ``"repeat"``.
        accuracy: Expected accuracy.
        seconds: Expected seconds.
        deviation: Standard deviation of the expected accuracy.
        gain: Expected growth of the front's worth, a share of the whole.
        improvement: Expected improvement of the best accuracy.
    """

    cell: Cell
    role: str
    accuracy: float
    seconds: float
    deviation: float
    gain: float
    improvement: float


@dataclass(frozen=True)
class Worth:
    """What cells are worth against a known front.

    Args:
        reference: ``(d,)`` costs that bound the hypervolume.
        least: ``(d,)`` costs from which logarithms are counted.
        floor: Accuracy that is worth nothing.
    """

    reference: Floats
    least: Floats
    floor: float

    @classmethod
    def of(cls, beliefs: Beliefs, pool: Estimates, high: float | None) -> Worth:
        """Return the worth for what is known and what is promised.

        Args:
            beliefs: The models.
            pool: Candidates.
            high: The largest seconds of interest, if the user has said so.
        """
        known = beliefs.trained.estimates
        tops = [
            part.costs[int(np.argmax(part.accuracy))] for part in (known, pool) if len(part.cells)
        ]
        reference = 1.1 * np.max(tops, axis=0)
        if high is not None and len(reference):
            reference[0] = high
        reference = np.maximum(reference, 1e-12)
        costs = known.costs if len(known.cells) else pool.costs
        least = np.clip(costs.min(axis=0), _TINY * reference, 0.7 * reference)
        floor = float(known.accuracy.min() if len(known.cells) else 0.0) - 1e-9
        return cls(reference, least, floor)

    def fronts(self, accuracy: Floats, costs: Floats) -> tuple[Front, Front]:
        """Return the front with costs as they are, and with their logarithms."""
        return (
            known_front(accuracy, costs, reference=self.reference, least=self.floor),
            known_front(
                accuracy, self._log(costs), reference=np.log(self.reference), least=self.floor
            ),
        )

    def gain(
        self, mean: Floats, deviation: Floats, costs: Floats, fronts: tuple[Front, Front]
    ) -> Floats:
        """Return expected growths, shares of the whole volume, ``(n,)``."""
        if costs.shape[1] == 0:
            return np.zeros(len(mean))
        linear = expected_gain(mean, deviation, costs, fronts[0]) / self.reference.prod()
        span = np.log(self.reference / self.least).prod()
        log = expected_gain(mean, deviation, self._log(costs), fronts[1]) / span
        return (1 - _LOG_SHARE) * linear + _LOG_SHARE * log

    def share(self, known: Estimates) -> float:
        """Return the worth of all that is known, a share of the whole volume."""
        linear, log = self.fronts(known.accuracy, known.costs)
        span = np.log(self.reference / self.least).prod()
        volume = (1 - _LOG_SHARE) * linear.volume(self.floor) / self.reference.prod()
        return float(volume + _LOG_SHARE * log.volume(self.floor) / span)

    def _log(self, costs: Floats) -> Floats:
        return np.asarray(np.log(np.maximum(costs, _TINY * self.reference)))


def rates(
    mean: Floats, deviation: Floats, estimates: Estimates, worth: Worth, known: Estimates
) -> Floats:
    """Return how good candidates are for the front and for accuracy, ``(n, 2)``."""
    fronts = worth.fronts(known.accuracy, known.costs)
    gain = worth.gain(mean, deviation, estimates.costs, fronts)
    best = float(known.accuracy.max()) if len(known.cells) else worth.floor
    improvement = expected_excess(mean, deviation, best)
    seconds = estimates.seconds
    return np.column_stack([gain / seconds, improvement / np.sqrt(seconds)])


def choose_wave(
    beliefs: Beliefs,
    pool: Estimates,
    running: Estimates,
    worth: Worth,
    *,
    count: int,
    left: float,
    before: int,
) -> list[Chosen]:
    """Choose the cells of a wave.

    Args:
        beliefs: The models.
        pool: Candidates within the limits.
        running: Cells under way.
        worth: What is worth what.
        count: How many to choose.
        left: Seconds that they may take together.
        before: How many cells were chosen in earlier waves; shares are kept over all waves.
    """
    table = _Table.of(beliefs, pool, running, worth)
    chosen: list[Chosen] = []
    for number in range(before, before + count):
        fits = table.free & (table.rows.seconds <= left)
        if not fits.any():
            break
        gain, improvement, deviation = table.worths(worth)
        seconds = table.rows.seconds
        role, score = "front", gain / seconds
        if not beliefs.trained.estimates.costs.shape[1] or _is_turn(number, _ACCURATE_SHARE):
            role, score = "accurate", improvement / np.sqrt(seconds)
        elif (number + 1) % _EXPLORE_EVERY == 0 and (fits & table.neglected).any():
            role, score = "exploration", deviation / np.sqrt(seconds)
            fits = fits & table.neglected
        score = np.where(fits, rounded(score), -np.inf)
        row = int(np.lexsort([table.rows.cells.keys, -score])[0])
        if table.again[row] >= 0:
            role = "repeat"
        values = (table.rows.accuracy, seconds, deviation, gain, improvement)
        chosen.append(Chosen(table.rows.cells[row], role, *(float(v[row]) for v in values)))
        left -= float(seconds[row])
        table.assume(row)
    return chosen


def _is_turn(number: int, share: float) -> bool:
    return int((number + 1) * share) > int(number * share)


class _Table:
    """Candidates, cells to be trained again and running cells, with their joint distribution."""

    def __init__(
        self,
        rows: Estimates,
        again: npt.NDArray[np.intp],
        free: npt.NDArray[np.bool_],
        covariance: Floats,
        noise: float,
        known: Estimates,
        neglected: npt.NDArray[np.bool_],
    ) -> None:
        self.rows, self.again, self.free = rows, again, free
        self.neglected = neglected
        self._covariance, self._noise, self._known = covariance, noise, known
        self._start = np.maximum(np.diag(covariance), 1e-300)

    @classmethod
    def of(cls, beliefs: Beliefs, pool: Estimates, running: Estimates, worth: Worth) -> _Table:
        trained = beliefs.trained
        known = trained.estimates
        scores = rates(pool.accuracy, pool.deviation, pool, worth, known)
        unsure = pool.deviation / np.sqrt(pool.seconds)
        neglected = _neglected(known, pool.cells)
        columns = [*scores.T, np.where(neglected, unsure, 0.0)]
        short = np.unique(
            [np.lexsort([pool.cells.keys, -rounded(column)])[:_SHORTLIST] for column in columns]
        )
        again = _again(known, trained.trainings)
        parts = [running, pool.take(short), known.take(again)]
        rows = join(parts)
        counts = [len(part.cells) for part in parts]
        covariance, noise = beliefs.joint(rows)
        table = cls(
            rows,
            np.concatenate([np.full(counts[0] + counts[1], -1), again]).astype(np.intp),
            np.repeat([False, True, True], counts) & rows.inside,
            covariance,
            noise,
            known,
            np.concatenate(
                [np.zeros(counts[0], bool), neglected[short], np.zeros(counts[2], bool)]
            ),
        )
        for row in range(counts[0]):
            table.assume(row)
        return table

    def worths(self, worth: Worth) -> tuple[Floats, Floats, Floats]:
        """Return gains, improvements and deviations of all rows, given what was assumed."""
        rows, known = self.rows, self._known
        variance = np.maximum(np.diag(self._covariance), 0.0)
        deviation = rows.deviation * np.sqrt(variance / self._start)
        # How far one noisy training is expected to move what is believed.
        moved = deviation * np.sqrt(variance / (variance + self._noise))
        fronts = worth.fronts(known.accuracy, known.costs)
        gain = worth.gain(rows.accuracy, moved, rows.costs, fronts)
        best = float(known.accuracy.max()) if len(known.cells) else worth.floor
        improvement = expected_excess(rows.accuracy, moved, best)
        for row in np.flatnonzero(self.again >= 0):
            rest = np.delete(known.accuracy, self.again[row])
            best = float(rest.max()) if len(rest) else worth.floor
            mean = rows.accuracy[row : row + 1]
            improvement[row] = expected_excess(mean, moved[row : row + 1], best)[0]
            improvement[row] -= max(float(mean[0]) - best, 0.0)
            gain[row] = 0.0
        return gain, improvement, deviation

    def assume(self, row: int) -> None:
        """Go on as if this cell had been trained and turned out as expected."""
        column = self._covariance[:, row].copy()
        self._covariance -= np.outer(column, column) / (column[row] + self._noise)
        self.free[row] = False
        if self.again[row] < 0:
            self._known = join([self._known, self.rows.take(np.array([row]))])


def _again(known: Estimates, trainings: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return the rows of the front's most accurate cells, for which a second look may pay."""
    order = np.lexsort([known.cells.keys, -known.accuracy])
    order = order[known.inside[order] & (known.cells.lengths[order] > 0)]
    seconds = known.seconds[order]
    fastest = np.minimum.accumulate(np.concatenate([[np.inf], seconds[:-1]]))
    return order[(seconds < fastest) & (trainings[order] < _MOST_TRAININGS)][:_AGAIN]


def _neglected(known: Estimates, cells: CellBatch) -> npt.NDArray[np.bool_]:
    """Return which cells have operators that the better half of what is known neglects.

    As in Sec. 4.3.2: those whose share of the operator slots is below ``1 / (5 |O|)``.
    """
    count = len(cells.space.operators)
    good = known.cells.take(
        np.argsort(-known.accuracy, kind="stable")[: (len(known.cells) + 1) // 2]
    )
    used = np.bincount(good.operators[good.present].ravel().astype(np.intp), minlength=count)
    rare = used < max(1, used.sum()) / (5 * count)
    return np.asarray((rare[cells.operators] & cells.present[:, :, None]).any(axis=(1, 2)))
