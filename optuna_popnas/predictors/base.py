"""What a predictor is, and the checks that all of them share (Sec. 4.4)."""

from __future__ import annotations

from abc import ABC
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


FloatArray = npt.NDArray[np.float64]

Self = TypeVar("Self", bound="Predictor")


class Prediction(NamedTuple):
    """What a predictor says of ``n`` cells.

    Attributes:
        mean: ``(n,)`` predictions.
        std: ``(n,)`` standard deviations, or None where the predictor has none.
    """

    mean: FloatArray
    std: FloatArray | None = None


class Predictor(ABC):
    """Learns one number of a cell, its accuracy or its seconds, from cells that were trained.

    ``cells`` is a :class:`~optuna_popnas.space.CellBatch` or any sequence of cells.

    Args:
        space: The search space.
        seed: Seed of all randomness; None for another one each time.
    """

    def __init__(self, space: SearchSpace, *, seed: int | None = None) -> None:
        self.space = space
        self.seed = seed

    @abstractmethod
    def fit(self: Self, cells: Sequence[Cell], values: npt.ArrayLike) -> Self:
        """Learn from scratch; returns itself.

        Args:
            cells: Trained cells.
            values: ``(n,)`` their measured values: accuracies, in any unit in which more is
                better, or seconds.

        Raises:
            ValueError: See :func:`training_data`.
        """

    @abstractmethod
    def estimate(self, cells: Sequence[Cell]) -> Prediction:
        """Return predictions and, where there are any, standard deviations.

        Raises:
            RuntimeError: The predictor was not fitted.
        """

    def predict(self, cells: Sequence[Cell]) -> FloatArray:
        """Return ``(n,)`` predictions.

        Raises:
            RuntimeError: The predictor was not fitted.
        """
        return self.estimate(cells).mean


class PredictorLike(Protocol):
    """All that a predictor of a user's own needs; see :class:`Predictor`."""

    def fit(self, cells: Sequence[Cell], values: npt.ArrayLike, /) -> Any: ...

    def predict(self, cells: Sequence[Cell], /) -> npt.ArrayLike: ...


def estimate(predictor: PredictorLike, cells: Sequence[Cell]) -> Prediction:
    """Ask any predictor: its ``estimate`` if it has one, ``predict`` if not."""
    if hasattr(predictor, "estimate"):
        return Prediction(*predictor.estimate(cells))
    return Prediction(np.asarray(predictor.predict(cells), dtype=np.float64))


class CheckedPredictor:
    """A predictor of a user's own, whose predictions are looked at before they are used.

    Args:
        predictor: The predictor.
        name: What it is called in errors.
    """

    def __init__(self, predictor: PredictorLike, name: str) -> None:
        self._predictor = predictor
        self._name = name

    def fit(self, cells: Sequence[Cell], values: npt.ArrayLike) -> CheckedPredictor:
        """Let it learn."""
        self._predictor.fit(cells, values)
        return self

    def predict(self, cells: Sequence[Cell]) -> FloatArray:
        """Return ``(n,)`` predictions."""
        return self.estimate(cells).mean

    def estimate(self, cells: Sequence[Cell]) -> Prediction:
        """Return its predictions.

        Raises:
            ValueError: They are not one finite number per cell.
        """
        try:
            mean, std = estimate(self._predictor, cells)
            columns = [np.asarray(x, dtype=np.float64) for x in (mean, std) if x is not None]
        except (TypeError, ValueError) as error:
            raise self._error(cells, str(error)) from error
        for column in columns:
            if column.shape != (len(cells),):
                raise self._error(cells, f"an array of shape {column.shape}")
            if not np.isfinite(column).all():
                some = column[~np.isfinite(column)]
                raise self._error(cells, f"{some[0]} for {len(some)} of them")
        return Prediction(*columns)

    def _error(self, cells: Sequence[Cell], got: str) -> ValueError:
        kind = type(self._predictor).__name__
        return ValueError(
            f"`{self._name}` must return one finite number for each of the {len(cells)} cells, "
            f"but got {got} from {kind}. Mend its `predict`."
        )


def encode(space: SearchSpace, cells: Sequence[Cell]) -> CellBatch:
    """Return the cells as a batch in canonical form, in the same order.

    Raises:
        ValueError: A cell is not in the space.
    """
    return CellBatch.from_cells(space, cells).canonical()


def training_data(
    space: SearchSpace,
    cells: Sequence[Cell],
    values: npt.ArrayLike,
    *,
    name: str,
    lowest: float | None = None,
) -> tuple[CellBatch, FloatArray]:
    """Check and encode what a predictor is fitted to.

    Args:
        space: The search space.
        cells: Trained cells.
        values: ``(n,)`` measured values.
        name: What the values are, for messages: "accuracies" or "seconds".
        lowest: The smallest value allowed, if there is one.

    Returns:
        The canonical cells, and the values as ``(n,)`` float64.

    Raises:
        ValueError: No cells, another number of values than of cells, a value that is not a
            finite number or too small, or a cell that is not in the space.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"`{name}` must be numbers, but got {str(values)[:80]!r}.") from None
    if array.shape != (len(cells),):
        raise ValueError(
            f"`{name}` must hold one number per cell, but got an array of shape {array.shape} "
            f"for {len(cells)} cells."
        )
    if not len(array):
        raise ValueError(
            f"`{name}` must hold at least one value, but got none. Train a cell first."
        )
    wrong = ~np.isfinite(array) if lowest is None else ~(np.isfinite(array) & (array >= lowest))
    if wrong.any():
        at = int(wrong.argmax())
        rule = "finite" if lowest is None else f"finite and at least {lowest:g}"
        raise ValueError(
            f"`{name}` must be {rule}, but got {array[at]} for {cells[at]}. "
            "Leave failed trainings out."
        )
    return encode(space, cells), array


def fitted(value: Any, predictor: object) -> Any:
    """Return the value, or raise RuntimeError if it is None because nothing was fitted yet."""
    if value is None:
        raise RuntimeError(f"`{type(predictor).__name__}` must be fitted before it predicts.")
    return value


def rows_of(matrix: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each row, to find equal rows quickly.

    Args:
        matrix: ``(n, d)`` float64.
    """
    words = np.ascontiguousarray(matrix, dtype=np.float64).view(np.uint64)
    key = np.zeros(len(matrix), dtype=np.uint64)
    for column in words.T:
        key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
        key ^= key >> np.uint64(29)
    return key


def unique_rows(matrix: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Return the distinct rows of ``(n, d)``, and ``(n,)`` the row of that list each one is."""
    _, first, inverse = np.unique(rows_of(matrix), return_index=True, return_inverse=True)
    return matrix[first], inverse
