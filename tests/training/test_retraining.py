from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import resource
from typing import Any

import numpy as np
import pytest
import torch

from optuna_popnas import Cell
from optuna_popnas import load_dataset
from optuna_popnas import MachineConfig
from optuna_popnas import NetworkConfig
from optuna_popnas import TrainingConfig
from optuna_popnas.training import ImageData
from optuna_popnas.training import load_model
from optuna_popnas.training import TrainedModel
from optuna_popnas.training.checkpoint import read_tensors
from optuna_popnas.training.checkpoint import write_tensors
from optuna_popnas.training.retraining import final_training
from optuna_popnas.training.retraining import retrain
from optuna_popnas.training.retraining import RetrainEpoch


CELL = Cell([(-1, "3x3 conv", -1, "identity")])
NETWORK = NetworkConfig(motifs=2, normal_cells=1, filters=4)
TRAINING = TrainingConfig(
    epochs=4, restart_epochs=4, flip=False, batch_norm="epoch", ema_decay=0.5
)
ONE_THREAD = MachineConfig(threads=1)


@pytest.fixture(scope="module")
def data() -> ImageData:
    return load_dataset("digits", samples=400, test_fraction=0.25)


def run(data: ImageData, **changes: Any) -> TrainedModel:
    arguments: dict[str, Any] = {
        "network": NETWORK,
        "training": TRAINING,
        "machine": ONE_THREAD,
        "device": "cpu",
    }
    cell = changes.pop("cell", CELL)
    return retrain(cell, data, **{**arguments, **changes})


def same_weights(first: TrainedModel, second: TrainedModel) -> bool:
    states = first.network.state_dict(), second.network.state_dict()
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_section_6_3_settings() -> None:
    search = TrainingConfig(flip=False, learning_rate=0.02, metric="macro_f1", seeds=3)
    final = final_training(search)
    assert (final.epochs, final.restart_epochs, final.seeds) == (254, 2, 1)
    assert replace(final, epochs=21, restart_epochs=3, seeds=3) == search


def test_figures_are_those_of_the_returned_network(data: ImageData) -> None:
    model = run(data)
    figures = model.figures
    assert len(figures["learning_curve"]) == len(figures["train_loss"]) == 4
    assert figures["validation_accuracy"] == max(figures["learning_curve"])
    assert figures["learning_curve"][figures["best_epoch"] - 1] == figures["validation_accuracy"]
    assert data.test_images is not None and data.test_labels is not None
    predicted = model.predict(np.asarray(data.test_images)).argmax(axis=1)
    assert figures["test_accuracy"] == np.mean(predicted == data.test_labels) > 0.15
    expected = np.zeros((10, 10), dtype=int)
    for true, guess in zip(data.test_labels, predicted):
        expected[true, guess] += 1
    np.testing.assert_array_equal(model.confusion, expected)
    assert figures["confusion_of"] == "test images"
    assert figures["train_seconds"] > 0


def test_progress_is_reported(data: ImageData) -> None:
    reports: list[RetrainEpoch] = []
    model = run(data, on_epoch=reports.append)
    assert [report.epoch for report in reports] == [1, 2, 3, 4]
    assert [report.accuracy for report in reports] == model.figures["learning_curve"]
    assert [report.loss for report in reports] == model.figures["train_loss"]
    assert reports[-1].best == model.figures["validation_accuracy"]


def test_interrupted_anywhere_it_gives_the_same_network(data: ImageData, tmp_path: Path) -> None:
    whole = run(data)

    def stop(report: RetrainEpoch) -> None:
        raise KeyboardInterrupt

    for _ in range(4):  # one epoch each time, the last time the end
        with pytest.raises(KeyboardInterrupt):
            run(data, folder=tmp_path, checkpoint_seconds=0, on_epoch=stop)
    resumed = run(data, folder=tmp_path)
    assert same_weights(whole, resumed)
    for key in ("learning_curve", "train_loss", "confusion", "test_accuracy", "best_epoch"):
        assert whole.figures[key] == resumed.figures[key]
    assert same_weights(whole, load_model(tmp_path))
    again = run(data, folder=tmp_path, on_epoch=stop)  # done: no epoch is run
    assert same_weights(whole, again)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint.safetensors",
        "curves.csv",
        "model.json",
        "model.safetensors",
    ]


def test_a_checkpoint_of_something_else_is_left_alone(data: ImageData, tmp_path: Path) -> None:
    run(data, folder=tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    before = path.read_bytes()
    other = load_dataset("digits", samples=400, test_fraction=0.25, seed=1)
    cell = Cell([(-1, "1x1 conv", -1, "identity")])
    changes: list[tuple[dict[str, Any], str]] = [
        ({"cell": cell}, r"same cell, but it is of .*3x3 conv.* instead of .*1x1 conv"),
        ({"network": replace(NETWORK, filters=8)}, "same network.*'filters': 4.* instead of.*8"),
        ({"training": replace(TRAINING, epochs=9)}, "same training.*'epochs': 4.* instead of.*9"),
        ({"seed": 3}, "same seed, but it is of 0 instead of 3"),
        ({"all_images": True}, "same all_images"),
    ]
    for arguments, message in changes:
        with pytest.raises(ValueError, match=message):
            run(data, folder=tmp_path, **arguments)
    with pytest.raises(ValueError, match="same images.*Choose another folder, or pass resume=Fal"):
        run(other, folder=tmp_path)
    assert path.read_bytes() == before
    run(data, folder=tmp_path, machine=MachineConfig(threads=None, readers=3))
    run(other, folder=tmp_path, resume=False, cell=cell)
    assert path.read_bytes() != before


def test_a_damaged_checkpoint(data: ImageData, tmp_path: Path) -> None:
    run(data, folder=tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="Checkpoint .*must be a whole safetensors file"):
        run(data, folder=tmp_path)
    path.write_bytes((tmp_path / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match="must be one of a training, but it is 'optuna-popnas mo"):
        run(data, folder=tmp_path)


def test_disk_full_while_checkpointing(data: ImageData, tmp_path: Path) -> None:
    # A limit on the size of files stands for a full disk: writing fails half way.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(report: RetrainEpoch) -> None:
        if report.epoch == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))

    try:
        with pytest.raises(OSError, match="cannot be written.*the file that was there is kept"):
            run(data, folder=tmp_path, checkpoint_seconds=0, on_epoch=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    path = tmp_path / "checkpoint.safetensors"
    assert path.stat().st_size > 20_000
    assert list(tmp_path.iterdir()) == [path]  # nothing half written is left
    epochs: list[int] = []
    resumed = run(data, folder=tmp_path, on_epoch=lambda report: epochs.append(report.epoch))
    assert epochs == [3, 4]
    assert same_weights(resumed, run(data))


def test_all_images(data: ImageData) -> None:
    model = run(data, all_images=True)
    assert model.figures["learning_curve"] == []
    assert "validation_accuracy" not in model.figures
    assert model.figures["confusion_of"] == "test images"


def test_data_without_a_test_set() -> None:
    model = run(load_dataset("digits", samples=300))
    assert "test_accuracy" not in model.figures
    assert model.figures["confusion_of"] == "validation images"
    assert model.confusion.sum() == 30


def test_every_option_at_once(data: ImageData) -> None:
    network = replace(NETWORK, drop_path=0.2, dropout=0.1, multi_output=True, concat_all=True)
    training = replace(
        TRAINING, label_smoothing=0.1, cutout=2, flip=True, metric="macro_f1", optimizer="l2"
    )
    model = run(data, network=network, training=training)
    assert model.figures["validation_macro_f1"] == max(model.figures["learning_curve"])
    assert model.predict(np.zeros((2, 1, 8, 8), dtype=np.uint8)).shape == (2, 10)


def test_size_by_parameters(data: ImageData) -> None:
    model = run(data, parameters=(9_000, 12_000), training=replace(TRAINING, epochs=1))
    assert 9_000 <= model.card()["parameters"] <= 12_000
    assert model.network.config.filters != NETWORK.filters


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"training": replace(TRAINING, seeds=2)}, "`seeds` must be 1 to train a final network"),
        ({"training": replace(TRAINING, folds=2)}, "`folds` must be 1 to train a final network"),
        ({"network": NetworkConfig(motifs=5)}, "at least 16x16 pixels for motifs=5.*got 8x8"),
        ({"parameters": (1, 2)}, "`parameters` must be a range that a network of this cell"),
        ({"device": "cuda:99"}, "`device` must be"),
    ],
)
def test_errors(data: ImageData, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(data, **changes)


@pytest.mark.parametrize("change", [{"state": {}}, {"progress": {"curve": 3, "more": 1}}])
def test_a_tampered_checkpoint_is_one_error(
    change: dict[str, Any], data: ImageData, tmp_path: Path
) -> None:
    run(data, folder=tmp_path)
    path = tmp_path / "checkpoint.safetensors"
    tensors, facts = read_tensors(path, what="Checkpoint")
    write_tensors(path, tensors, {**facts, **change}, what="Checkpoint")
    with pytest.raises(ValueError, match="A checkpoint must be as it was written.*resume=False"):
        run(data, folder=tmp_path)
