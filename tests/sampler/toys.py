"""Made-up metrics and cheap predictors, to drive whole searches without training anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any
import zlib

import numpy as np
import numpy.typing as npt
import optuna
from optuna.exceptions import StorageInternalError

from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace
from optuna_popnas.study import view_study


class CountPredictor:
    """Least squares on operator counts: deterministic, and milliseconds to fit."""

    def __init__(self, space: SearchSpace, *, seed: int | None = None) -> None:
        self.space = space
        self._weights = np.zeros(len(space.operators) + 2)

    def fit(self, cells: Sequence[Cell], values: npt.ArrayLike) -> CountPredictor:
        rows = self._features(cells)
        gram = rows.T @ rows + 1e-3 * np.eye(rows.shape[1])
        self._weights = np.linalg.solve(gram, rows.T @ np.asarray(values))
        return self

    def predict(self, cells: Sequence[Cell]) -> npt.NDArray[np.float64]:
        return self._features(cells) @ self._weights

    def _features(self, cells: Sequence[Cell]) -> npt.NDArray[np.float64]:
        batch = CellBatch.from_cells(self.space, cells)
        used = batch.operators[:, :, :, None] == np.arange(len(self.space.operators))
        counts = (used & batch.present[:, :, None, None]).sum((1, 2))
        inner = (batch.inputs >= 0) & batch.present[:, :, None]
        ones = np.ones(len(batch))
        return np.column_stack([counts, inner.sum((1, 2)), ones]).astype(np.float64)


class Unsound:
    """A predictor of a user's own that returns what it is given."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def fit(self, cells: Sequence[Cell], values: Any) -> None:
        pass

    def predict(self, cells: Sequence[Cell]) -> Any:
        return self.answer(len(cells))


def noise(cell: Cell, salt: str = "") -> float:
    """Return a number in [0, 1) that equivalent cells share."""
    return zlib.crc32(f"{salt}{cell.canonical()}".encode()) / 2**32


def made_up(space: SearchSpace, cell: Cell) -> tuple[float, float]:
    """Return an accuracy and a time that follow from the cell."""
    rng = np.random.default_rng(5)
    gain = rng.uniform(0.02, 0.2, len(space.operators))
    cost = rng.uniform(0.5, 5.0, len(space.operators))
    rows = [space.operator_index[name] for name in cell.operators]
    accuracy = 0.9 * (1 - np.exp(-gain[rows].sum() / 2)) + 0.05 * noise(cell)
    seconds = 1.0 + cost[rows].sum() + 0.3 * len(cell) + 0.5 * noise(cell, "seconds")
    return float(accuracy), float(seconds)


def objective_of(space: SearchSpace) -> Callable[[optuna.Trial], tuple[float, float]]:
    """Return what gives trials made-up values."""
    return lambda trial: made_up(space, space.suggest(trial))


def trained(study: optuna.Study) -> Counter[Cell]:
    """Count the valid trials of each cell, up to isomorphism."""
    return Counter(
        trial.cell.canonical()
        for trial in view_study(study).trials
        if trial.is_valid and trial.cell is not None
    )


def planned(study: optuna.Study) -> set[Cell]:
    """Return the cells of all plans, up to isomorphism."""
    plans = view_study(study).plans
    return {item.cell.canonical() for plan in plans for item in plan.cells}


def sampler_options(**changes: Any) -> dict[str, Any]:
    """Return arguments of a sampler that plans in milliseconds."""
    options: dict[str, Any] = {
        "mode": "popnas",
        "accuracy_predictor": CountPredictor,
        "time_predictor": CountPredictor,
        "seed": 0,
    }
    return {**options, **changes}


class Flaky:
    """Makes a method of a storage fail a few times."""

    def __init__(self, storage: object, method: str, failures: int) -> None:
        self.left = failures
        storage = getattr(storage, "patient_with", storage)
        original = getattr(storage, method)

        def call(*args: object, **kwargs: object) -> object:
            if self.left:
                self.left -= 1
                raise StorageInternalError("away")
            return original(*args, **kwargs)

        setattr(storage, method, call)
