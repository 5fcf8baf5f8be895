"""Several candidates briefly, the best to the end; epochs that a time allows."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from optuna_popnas import Cell
from optuna_popnas import load_dataset
from optuna_popnas import MachineConfig
from optuna_popnas import NetworkConfig
from optuna_popnas import TrainingConfig
from optuna_popnas.training import load_model
from optuna_popnas.training.candidates import affordable_epochs
from optuna_popnas.training.candidates import brief_epochs
from optuna_popnas.training.candidates import retrain_best
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.retraining import final_training
from optuna_popnas.training.retraining import retrain
from optuna_popnas.training.retraining import RetrainEpoch


CELLS = [Cell.parse(f"[(-1, '{name}', -1, 'identity')]") for name in ("identity", "3x3 conv")]
NETWORK = NetworkConfig(motifs=2, normal_cells=1, filters=4)
TRAINING = TrainingConfig(epochs=14, restart_epochs=2, flip=False)


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_dataset("digits", samples=300)


def test_the_best_candidate_is_finished_as_if_it_had_been_alone(
    data: ImageData, tmp_path: Path
) -> None:
    epochs: list[RetrainEpoch] = []
    options: dict[str, Any] = {
        "network": NETWORK,
        "training": TRAINING,
        "machine": MachineConfig(threads=1),
        "device": "cpu",
    }
    model = retrain_best(CELLS, data, folder=tmp_path, on_epoch=epochs.append, **options)
    assert len(epochs) == 6 + 14
    assert [row["cell"] for row in model.figures["candidates"]] == [str(cell) for cell in CELLS]
    alone = retrain(model.cell, data, **options)
    assert model.figures["learning_curve"] == alone.figures["learning_curve"]
    assert {path.name for path in tmp_path.iterdir()} - {"tensorboard"} == {
        "checkpoint.safetensors", "curves.csv", "model.json", "model.safetensors"
    }  # fmt: skip
    assert load_model(tmp_path).figures["candidates"] == model.figures["candidates"]
    again = retrain_best(CELLS, data, folder=tmp_path, on_epoch=epochs.append, **options)
    assert len(epochs) == 6 + 14  # all was done before
    assert again.figures["learning_curve"] == model.figures["learning_curve"]
    assert load_model(tmp_path).figures["candidates"] == model.figures["candidates"]
    with open(tmp_path / "curves.csv") as file:
        curve = [float(row["validation_accuracy"]) for row in csv.DictReader(file)]
    np.testing.assert_array_equal(curve, model.figures["learning_curve"])


def test_candidates_are_compared_at_the_end_of_a_period() -> None:
    assert brief_epochs(final_training()) == 30
    assert brief_epochs(TRAINING) == 6
    assert brief_epochs(TrainingConfig(epochs=1)) == 1
    assert brief_epochs(TrainingConfig(epochs=80, restart_epochs=None)) == 10
    # Three candidates had .34 to .48 after 2 of 14 epochs, and 1.00 at the end.
    assert brief_epochs(TrainingConfig(epochs=14, restart_epochs=2)) == 6


def test_candidates_need_validation_images(data: ImageData) -> None:
    with pytest.raises(ValueError, match="`all_images` must be False with several candidates"):
        retrain_best(CELLS, data, network=NETWORK, training=TRAINING, all_images=True)


def test_epochs_for_a_time(data: ImageData) -> None:
    def epochs(hours: float, candidates: int = 1) -> int:
        training = replace(final_training(), flip=False)
        return affordable_epochs(
            CELLS[0],
            data,
            hours,
            candidates=candidates,
            network=NETWORK,
            training=training,
            machine=MachineConfig(threads=1),
        )

    assert epochs(1e-9) == 2  # the least there is
    assert epochs(1e9) == 254
    assert epochs(1e9, candidates=5) == 254
    assert epochs(1e-3) in (2, 6, 14, 30, 62, 126, 254)
    with pytest.raises(ValueError, match="`hours` must be greater than 0, but got 0"):
        epochs(0.0)


def test_what_was_begun_keeps_its_epochs(data: ImageData, tmp_path: Path) -> None:
    options: dict[str, Any] = {"network": NETWORK, "machine": MachineConfig(threads=1)}
    retrain(CELLS[0], data, training=TRAINING, folder=tmp_path, until=1, **options)
    plan = {**options, "training": replace(final_training(), flip=False)}
    assert affordable_epochs(CELLS[0], data, 1e9, **plan) == 254
    assert affordable_epochs(CELLS[0], data, 1e9, folder=tmp_path, **plan) == 14
    own = tmp_path / "candidates" / "1"
    own.mkdir(parents=True)
    (tmp_path / "checkpoint.safetensors").rename(own / "checkpoint.safetensors")
    assert affordable_epochs(CELLS[0], data, 1e9, folder=tmp_path, **plan) == 14
