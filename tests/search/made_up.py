"""Made-up metrics, predictors that know them, and searches by levels: no network is trained."""

import json

import numpy as np
import numpy.typing as npt

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import SearchSpace
from optuna_popnas.search import next_wave
from optuna_popnas.search import Observation
from optuna_popnas.search import Plan
from optuna_popnas.search import plan_level
from optuna_popnas.search import Predictors
from optuna_popnas.search import SearchConfig


WEIGHTS = np.random.default_rng(5).uniform(0.1, 1.0, size=12)


def made_up(batch: CellBatch) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Accuracy and seconds of cells: heavier operators are better and slower, plus noise."""
    heavy = (WEIGHTS[batch.operators] * batch.present[:, :, None]).sum(axis=(1, 2))
    noise = (batch.keys % np.uint64(101)).astype(np.float64) / 101
    deep = ((batch.inputs >= 0) & batch.present[:, :, None]).sum(axis=(1, 2))
    return 1 - 1 / (1.5 + heavy + 0.3 * deep + 0.5 * noise), 1.0 + heavy + 0.5 * noise


class Oracle:
    """A predictor that knows the made-up metrics."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.fitted_cells: list[Cell] = []

    def fit(self, cells, values):
        assert len(cells) == len(values)
        self.fitted_cells = list(cells)
        return self

    def predict(self, cells):
        return made_up(cells)[self.index]


def search(
    space: SearchSpace,
    config: SearchConfig,
    seed: int = 0,
    shuffle: bool = False,
    probe=None,
) -> tuple[list[Plan], list[Observation]]:
    plans: list[Plan] = []
    observations: list[Observation] = []
    while (step := next_wave(plans, space)) is not None:
        level, wave = step
        known = list(observations)
        if shuffle:
            np.random.default_rng(level).shuffle(known)  # type: ignore[arg-type]
        plan = plan_level(
            space,
            level,
            known,
            config,
            Predictors(Oracle(0), Oracle(1), probe),
            wave=wave,
            rng=np.random.default_rng([seed, level, wave]),
        )
        plans.append(Plan.from_json(json.loads(json.dumps(plan.to_json(space))), space))
        cells = [planned.cell for planned in plan.cells if planned.role != "reserve"]
        if cells:
            accuracy, seconds = made_up(CellBatch.from_cells(space, cells))
            observations += map(Observation, cells, accuracy.tolist(), seconds.tolist())
    return plans, observations
