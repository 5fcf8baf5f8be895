"""Studies with made-up metrics, through the real sampler, in a second."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna

import optuna_popnas as popnas
from optuna_popnas.predictors import Prediction
from optuna_popnas.predictors import Predictor
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


OPERATORS = ("identity", "3x3 dconv", "3x3 conv", "2x2 maxpool")
COSTS = {"identity": 0.1, "3x3 dconv": 0.6, "3x3 conv": 1.0, "2x2 maxpool": 0.2}


class CountingPredictor(Predictor):
    """Least squares on operator counts: quick, and right enough to make fronts."""

    def __init__(self, space: SearchSpace, *, seed: int | None = None) -> None:
        super().__init__(space, seed=seed)
        self._weights: npt.NDArray[np.float64] = np.zeros(0)

    def _design(self, cells: Sequence[Cell]) -> npt.NDArray[np.float64]:
        batch = CellBatch.from_cells(self.space, cells)
        names = range(len(self.space.operators))
        used = batch.present[:, :, None]
        counts = [((batch.operators == index) & used).sum((1, 2)) for index in names]
        return np.stack([np.ones(len(batch)), batch.lengths, *counts], axis=1).astype(float)

    def fit(self, cells: Sequence[Cell], values: npt.ArrayLike) -> CountingPredictor:
        self._weights = np.linalg.lstsq(self._design(cells), np.asarray(values), rcond=None)[0]
        return self

    def estimate(self, cells: Sequence[Cell]) -> Prediction:
        mean = np.clip(self._design(cells) @ self._weights, 1e-3, None)
        return Prediction(mean, np.full(len(mean), 0.01))


def measure(cell: Cell, seed: int = 0) -> tuple[float, float]:
    """Return made-up accuracy and seconds: more work is slower, with less and less gain."""
    rng = np.random.default_rng([seed, *map(ord, str(cell.canonical()))])
    work = sum(COSTS.get(name, 1.0) for name in cell.operators)
    accuracy = 0.95 - 0.85 * np.exp(-work / 1.5) + rng.normal(0, 0.01)
    seconds = (0.2 + work + 0.3 * (len(cell.outputs) > 1)) * np.exp(rng.normal(0, 0.05))
    return float(np.clip(accuracy, 0.01, 0.99)), float(seconds)


def objective_of(space: SearchSpace, *, values: int = 2, fail: Sequence[int] = ()) -> Any:
    def objective(trial: optuna.Trial) -> Any:
        cell = space.suggest(trial)
        if trial.number in fail:
            raise RuntimeError("made to fail")
        accuracy, seconds = measure(cell)
        curve = [accuracy * (1 - 0.5**epoch) for epoch in range(1, 6)]
        trial.set_user_attr("learning_curve", curve)
        trial.set_user_attr("parameters", int(1000 * seconds))
        full = (accuracy, seconds, float(trial.user_attrs["parameters"]))
        return full[:values] if values > 1 else accuracy

    return objective


def make_sampler(space: SearchSpace, **settings: Any) -> popnas.POPNASSampler:
    return popnas.POPNASSampler(
        space,
        **{
            "mode": "popnas",
            "max_children": 8,
            **({} if settings.get("mode") == "pnas" else {"max_exploration_children": 3}),
            "seed": 0,
            "accuracy_predictor": CountingPredictor,
            "time_predictor": CountingPredictor,
            **settings,
        },
    )


def run_study(
    *,
    max_blocks: int = 3,
    storage: Any = None,
    name: str = "made-up",
    values: int = 2,
    n_trials: int | None = None,
    fail: Sequence[int] = (),
    sampler: optuna.samplers.BaseSampler | None = None,
    **settings: Any,
) -> optuna.Study:
    """Search a small space with made-up metrics."""
    space = popnas.SearchSpace(OPERATORS, max_blocks=max_blocks)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        directions=["maximize", "minimize", "minimize"][:values],
        sampler=sampler or make_sampler(space, **settings),
        load_if_exists=True,
    )
    study.optimize(
        objective_of(space, values=values, fail=fail), n_trials=n_trials, catch=(RuntimeError,)
    )
    return study
