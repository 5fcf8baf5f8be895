from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import optuna
import pytest

from optuna_popnas import Cell
from optuna_popnas import NetworkConfig
from optuna_popnas import SearchSpace
from optuna_popnas import TrainingConfig
from optuna_popnas import TrainingObjective
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.load import load_dataset


SPACE = SearchSpace(("identity", "3x3 conv", "2x2 maxpool"), max_blocks=2)
NETWORK = NetworkConfig(motifs=2, normal_cells=1, filters=4)
QUICK = TrainingConfig(epochs=2, batch_norm="epoch")
ONE = "[(-1, 'identity', -1, '3x3 conv')]"


@pytest.fixture(scope="session")
def digits() -> ImageData:
    return load_dataset("digits", samples=300)


@pytest.fixture
def quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(before)


def make(data: ImageData, space: SearchSpace = SPACE, **arguments: Any) -> TrainingObjective:
    return TrainingObjective(
        space, data, **{"network": NETWORK, "training": QUICK, "device": "cpu", **arguments}
    )


def params(cell: str) -> dict[str, Any]:
    return Cell.parse(cell).params()


def run(objective: TrainingObjective, *cells: str, directions: Any = None) -> optuna.Study:
    directions = directions or ["maximize", "minimize"]
    study = optuna.create_study(
        directions=directions, sampler=optuna.samplers.RandomSampler(seed=0)
    )
    for cell in cells:
        study.enqueue_trial(params(cell))
    study.optimize(objective, n_trials=len(cells))
    return study
