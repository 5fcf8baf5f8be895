"""Evaluating a cell (Sec. 4.4): accuracy, seconds, reproducibility."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from optuna_popnas.networks import build_network
from optuna_popnas.networks import NetworkConfig
from optuna_popnas.space import Cell
from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.result import EpochReport
from optuna_popnas.training.result import TrainingDiverged
from optuna_popnas.training.result import TrainingResult
from optuna_popnas.training.trainer import probe_cell
from optuna_popnas.training.trainer import seeded_network
from optuna_popnas.training.trainer import train_cell
from tests.training.configs import configs


CELL = Cell([(-1, "3x3 conv", -1, "1x1 conv")])
NETWORK = NetworkConfig(motifs=2, normal_cells=1, filters=4)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_dataset("digits", samples=400)


def train(data: ImageData, *, cell: Cell = CELL, seed: int = 0, **settings: Any) -> TrainingResult:
    config, machine = configs(**{"epochs": 2, "batch_norm": "epoch", **settings})
    return train_cell(cell, data, NETWORK, config, machine=machine, seed=seed, device="cpu")


def test_learns_digits(digits: ImageData) -> None:
    whole = load_dataset("digits")
    config = TrainingConfig(epochs=6, flip=False, batch_norm="epoch")
    network = NetworkConfig(motifs=2, normal_cells=1, filters=8)
    result = train_cell(CELL, whole, network, config, device="cpu")
    assert result.accuracy > 0.85
    assert result.train_loss[-1] < 0.5 * result.train_loss[0]
    assert result.accuracy == max(result.learning_curve)


def test_result_holds_what_users_ask_for(digits: ImageData) -> None:
    result = train(digits, seed=7)
    network = build_network(CELL, NETWORK, in_channels=1, classes=10)
    assert result.parameters == sum(p.numel() for p in network.parameters())
    assert result.cells_built == 3
    assert result.flops > 2 * result.parameters
    assert result.device.startswith("cpu: ") and ", 1 thread" in result.device
    assert (result.seed, result.epochs, result.batch_size) == (7, 2, 120)
    assert len(result.learning_curve) == len(result.train_loss) == 2
    assert result.accuracy_std_error is None and result.diverged_epoch is None
    assert result.peak_memory_bytes >= 0
    parts = result.time_parts
    assert set(parts) == {"train_seconds", "validation_seconds", "setup_seconds", "clock"}
    assert parts["clock"] == "process CPU seconds"
    assert result.seconds == parts["train_seconds"] > 0


def test_reproducible_from_its_seed(digits: ImageData) -> None:
    """The same to the last bit on a CPU, whatever the global generators are at."""
    first = train(digits, seed=1)
    torch.manual_seed(99)
    np.random.seed(99)
    again, other = train(digits, seed=1), train(digits, seed=2)
    assert first.learning_curve == again.learning_curve
    assert first.train_loss == again.train_loss != other.train_loss
    assert first.network is not None and again.network is not None
    own, same = first.network.state_dict(), again.network.state_dict()
    assert all(torch.equal(own[name], same[name]) for name in own)


@pytest.mark.parametrize("settings", [{"drop_path": 0.3}, {"dropout": 0.3, "multi_output": True}])
def test_reproducible_with_dropped_paths_and_features(
    digits: ImageData, settings: dict[str, Any]
) -> None:
    network = NetworkConfig(motifs=2, normal_cells=1, filters=4, **settings)
    config = TrainingConfig(epochs=2)
    first, again = (
        train_cell(CELL, digits, network, config, seed=1, device="cpu") for _ in range(2)
    )
    assert first.train_loss == again.train_loss
    plain = train_cell(CELL, digits, NETWORK, config, seed=1, device="cpu")
    assert plain.train_loss != first.train_loss


def test_leaves_generators_and_threads_as_they_were(digits: ImageData) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    before = torch.get_num_threads()
    train(digits, threads=2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.get_num_threads() == before


def test_weights_depend_on_the_seed() -> None:
    first, again, other = (
        seeded_network(CELL, NETWORK, in_channels=1, classes=3, seed=seed) for seed in (0, 0, 1)
    )
    own = next(first.parameters())
    assert torch.equal(own, next(again.parameters()))
    assert not torch.equal(own, next(other.parameters()))


def test_trainings_in_threads_do_not_disturb_each_other(digits: ImageData) -> None:
    expected = [train(digits, seed=seed).train_loss for seed in range(4)]
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(lambda seed: train(digits, seed=seed), range(4)))
    assert [result.train_loss for result in results] == expected
    assert {result.time_parts["clock"] for result in results} == {"thread CPU seconds"}


def test_folds_are_averaged(digits: ImageData) -> None:
    result = train(digits, folds=3)
    assert result.accuracy_std_error is not None
    assert result.seconds == pytest.approx(float(result.time_parts["train_seconds"]) / 3)
    with pytest.raises(ValueError, match="Use fewer folds"):
        train(digits, folds=11)


def test_empty_cell(digits: ImageData) -> None:
    result = train(digits, cell=Cell())
    assert (result.parameters, result.cells_built) == (20, 0)


def test_macro_f1(digits: ImageData) -> None:
    accuracy, f1 = train(digits), train(digits, metric="macro_f1")
    assert accuracy.train_loss == f1.train_loss
    assert accuracy.accuracy != f1.accuracy


def test_colour_images_that_are_not_square() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 3
    images = rng.integers(0, 60, (120, 3, 9, 13), dtype=np.uint8)
    images[np.arange(120), labels] += 150
    data = load_dataset((images, labels))
    result = train(data, epochs=8, batch_size=32)
    assert result.accuracy > 0.9


@pytest.mark.parametrize("layout", ["channels_last", "contiguous"])
def test_memory_layouts_agree(digits: ImageData, layout: str) -> None:
    losses = train(digits, layout=layout).train_loss
    assert losses == pytest.approx(train(digits).train_loss, rel=0.02)


def test_larger_than_memory(digits: ImageData) -> None:
    class Lazy:
        shape = digits.images.shape

        def __len__(self) -> int:
            return len(digits.images)

        def __getitem__(self, index: int) -> Any:
            return digits.images[index]

    lazy = ImageData("lazy", Lazy(), digits.labels, digits.class_names)
    assert (
        train(replace(lazy, mirror=digits.mirror), readers=0).learning_curve
        == train(digits).learning_curve
    )


def test_divergence_in_the_first_epoch(digits: ImageData) -> None:
    with pytest.raises(TrainingDiverged, match="must stay finite, .* Lower `learning_rate`"):
        train(digits, learning_rate=1e30, optimizer="l2", weight_decay=1e30)


def test_divergence_later_keeps_what_was_measured(
    digits: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optuna_popnas.training.loop import Training

    original = Training.run_epoch

    def failing(self: Training) -> Any:
        if self.epoch == 2:
            with torch.no_grad():
                self._flat.flat.fill_(float("nan"))
        return original(self)

    monkeypatch.setattr(Training, "run_epoch", failing)
    result = train(digits, epochs=6)
    assert (result.diverged_epoch, result.epochs) == (3, 3)
    assert len(result.learning_curve) == 2
    assert result.accuracy == max(result.learning_curve)
    assert np.isnan(result.train_loss[2])
    # As long as six epochs would have taken.
    assert result.seconds == pytest.approx(2 * float(result.time_parts["train_seconds"]))


def test_too_small_images(digits: ImageData) -> None:
    with pytest.raises(ValueError, match="must be at least 16x16 pixels for motifs=5"):
        train_cell(CELL, digits, NetworkConfig(motifs=5), device="cpu")


def test_probe_is_close_to_a_training(digits: ImageData) -> None:
    whole = load_dataset("digits")
    config = TrainingConfig(epochs=4)
    measured = train_cell(CELL, whole, NETWORK, config, device="cpu").seconds
    probed = min(probe_cell(CELL, whole, NETWORK, config, device="cpu") for _ in range(3))
    assert probed == pytest.approx(measured, rel=0.5)
    stacked = TrainingConfig(epochs=4, seeds=2)
    assert probe_cell(CELL, whole, NETWORK, stacked, device="cpu") > 0


def test_calls_back_after_each_epoch(digits: ImageData) -> None:
    seen: list[EpochReport] = []
    config = TrainingConfig(epochs=3)
    result = train_cell(CELL, digits, NETWORK, config, device="cpu", on_epoch=seen.append)
    assert [(report.epoch, report.epochs) for report in seen] == [(1, 3), (2, 3), (3, 3)]
    assert [report.accuracy for report in seen] == list(result.learning_curve)
    assert seen[-1].seconds == result.seconds


def test_can_be_stopped_after_an_epoch(digits: ImageData) -> None:
    config = TrainingConfig(epochs=4)
    result = train_cell(
        CELL, digits, NETWORK, config, device="cpu", on_epoch=lambda report: report.epoch == 2
    )
    assert (result.stopped_epoch, len(result.learning_curve)) == (2, 2)
    # What four epochs would have taken.
    assert result.seconds == pytest.approx(2 * float(result.time_parts["train_seconds"]))


@pytest.mark.gpu
@pytest.mark.parametrize(
    "settings",
    [{}, {"cuda_graphs": True}, {"precision": "float32"}, {"precision": "float16"}, {"seeds": 3}],
)
def test_on_a_gpu(digits: ImageData, settings: dict[str, Any]) -> None:
    config, machine = configs(**{"epochs": 6, "batch_norm": "epoch", **settings})
    network = NetworkConfig(motifs=2, normal_cells=1, filters=8)
    whole = load_dataset("digits")
    result = train_cell(CELL, whole, network, config, machine=machine, device="cuda")
    assert result.accuracy > 0.8
    assert result.time_parts["clock"] == "synchronised wall seconds"
    assert result.peak_memory_bytes > 0


@pytest.mark.gpu
def test_graphs_compute_what_single_launches_do(digits: ImageData) -> None:
    losses = [
        train_cell(
            CELL,
            digits,
            NETWORK,
            TrainingConfig(epochs=2),
            machine=MachineConfig(precision="float32", cuda_graphs=graphs),
            device="cuda",
        ).train_loss
        for graphs in (False, True)
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


@pytest.mark.slow
def test_compiled_networks_learn_the_same(digits: ImageData) -> None:
    losses = [train(digits, compile=compiled).train_loss for compiled in (False, True)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
