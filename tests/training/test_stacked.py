"""Each network of a stack is the network it would be alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_popnas.networks import build_network
from optuna_popnas.networks import NetworkConfig
from optuna_popnas.networks.network import Network
from optuna_popnas.space import Cell
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.space import register_operator
from optuna_popnas.space import unregister_operator
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.stacked import can_stack
from optuna_popnas.training.stacked import StackedNetwork
from optuna_popnas.training.trainer import start_training
from optuna_popnas.training.trainer import train_cell


SMALL = NetworkConfig(motifs=2, normal_cells=1, filters=4)
DEEP = Cell(
    [
        (-2, "3x3 conv", -1, "2x2 avgpool"),
        (-1, "identity", 0, "1x1 conv"),
        (-2, "3x3 dconv", -2, "identity"),
    ]
)


def make_networks(cell: Cell, config: NetworkConfig, count: int = 3) -> list[Network]:
    torch.manual_seed(0)
    return [build_network(cell, config, in_channels=2, classes=5) for _ in range(count)]


@pytest.mark.parametrize("name", [*PAPER_OPERATORS, "3x3 tconv", "3x2 maxpool", "2x4 avgpool"])
@pytest.mark.parametrize("size", [7, 8])
def test_every_operator(name: str, size: int) -> None:
    cell = Cell([(-2, name, -1, "1x1 conv")])
    assert can_stack(cell, SMALL)
    check_same_outputs(make_networks(cell, SMALL), size)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        NetworkConfig(motifs=2, normal_cells=1, filters=4, concat_all=True),
        NetworkConfig(motifs=2, normal_cells=1, filters=4, join="concat"),
        NetworkConfig(motifs=2, normal_cells=1, filters=4, multi_output=True),
    ],
)
@pytest.mark.parametrize("cell", [DEEP, Cell([(-1, "3x3 conv", -1, "identity")]), Cell()])
def test_every_way_to_build_a_network(cell: Cell, config: NetworkConfig) -> None:
    check_same_outputs(make_networks(cell, config), 8)


def check_same_outputs(networks: list[Network], size: int) -> None:
    """Compare outputs and gradients in training, outputs in evaluation."""
    count = len(networks)
    stack = StackedNetwork(networks)
    images = torch.randn((6, 2 * count, size, size), generator=torch.Generator().manual_seed(1))
    for training in (True, False):
        stack.train(training)
        outputs = as_list(stack(images))
        for index, network in enumerate(networks):
            network.train(training)
            expected = as_list(network(images[:, 2 * index : 2 * index + 2]))
            assert len(expected) == len(outputs)
            for own, other in zip(outputs, expected):
                torch.testing.assert_close(own[:, index], other, rtol=1e-3, atol=1e-4)
            if training:
                sum(other.square().sum() for other in expected).backward()  # type: ignore[union-attr]
        if training:
            sum(own.square().sum() for own in outputs).backward()  # type: ignore[union-attr]
    gradients = {id(p): [g.grad for g in parts] for p, parts in stack._pairs if p.requires_grad}
    assert len(gradients) == len(list(stack.parameters()))
    for parameter in stack.parameters():
        assert parameter.grad is not None
        joined = torch.cat([part for part in gradients[id(parameter)] if part is not None])
        error = (parameter.grad - joined.view(parameter.shape)).abs().max()
        assert error <= 2e-3 * joined.abs().max() + 1e-4


def as_list(outputs: Tensor | list[Tensor]) -> list[Tensor]:
    return outputs if isinstance(outputs, list) else [outputs]


def test_unstack_gives_the_trained_weights_back() -> None:
    networks = make_networks(DEEP, SMALL)
    stack = StackedNetwork(networks)
    with torch.no_grad():
        for tensor in (*stack.parameters(), *stack.buffers()):
            if tensor.is_floating_point():
                tensor.add_(torch.rand(tensor.shape))
    stack.eval()
    images = torch.randn(4, 6, 8, 8)
    outputs = stack(images)
    apart = stack.unstack()
    assert apart == tuple(networks)
    for index, network in enumerate(apart):
        assert not network.training
        own = network(images[:, 2 * index : 2 * index + 2])
        torch.testing.assert_close(own, outputs[:, index], rtol=1e-3, atol=1e-4)


def test_networks_must_be_alike() -> None:
    one = make_networks(DEEP, SMALL, 1) + make_networks(Cell(), SMALL, 1)
    with pytest.raises(ValueError, match="must be of one cell and configuration"):
        StackedNetwork(one)


def test_paths_are_dropped_for_each_network_alone() -> None:
    config = NetworkConfig(motifs=1, normal_cells=1, filters=4, drop_path=0.4)
    cell = Cell([(-1, "1x1 conv", -1, "identity")])
    stack = StackedNetwork(make_networks(cell, config, 2)).train()
    stack.set_progress(1.0)
    block = next(m for m in stack.modules() if type(m).__name__ == "_StackedBlock")
    drops: Any = block
    rate = float(drops.block.drop_probability)
    assert rate == pytest.approx(0.4)
    ones = torch.ones(4000, 8, 1, 1)
    first, second = drops._dropped(ones, ones, drops.block.drop_probability)
    kept, other = (t[:, :, 0, 0] > 0 for t in (first, second))
    assert torch.equal(kept[:, :4], kept[:, :1].expand(-1, 4))
    assert (kept[:, 0] != kept[:, 4]).float().mean() == pytest.approx(2 * 0.4 * 0.6, abs=0.05)
    assert not (~kept & ~other).any()
    assert first.mean() == pytest.approx(1, abs=0.05)
    assert second.mean() == pytest.approx(1, abs=0.05)


@pytest.fixture(scope="module")
def digits() -> ImageData:
    return load_dataset("digits", samples=300)


def test_training_a_stack_trains_each_network(digits: ImageData) -> None:
    """With the batches of its own seed each network learns what it learns alone."""
    config = TrainingConfig(epochs=2, batch_size=64, batch_norm="epoch")
    cell = Cell([(-2, "3x3 conv", -1, "2x2 maxpool"), (-1, "identity", -1, "1x1 conv")])
    together = start_training(cell, digits, SMALL, config, seeds=(5, 6, 7), device="cpu")
    losses = together.run_epoch().losses
    for index, seed in enumerate((5, 6, 7)):
        alone = start_training(cell, digits, SMALL, config, seeds=(seed,), device="cpu")
        assert alone.run_epoch().losses[0] == pytest.approx(losses[index], rel=1e-3)
        assert alone.validate()[0].accuracy == pytest.approx(
            together.validate()[index].accuracy, abs=0.1
        )


def test_accuracy_is_a_mean_with_its_standard_error(digits: ImageData) -> None:
    config = TrainingConfig(epochs=3, batch_size=64, batch_norm="epoch", seeds=4)
    cell = Cell([(-1, "3x3 conv", -1, "3x3 conv")])
    result = train_cell(cell, digits, SMALL, config, seed=2, device="cpu")
    assert result.accuracy_std_error is not None and 0 < result.accuracy_std_error < 0.2
    assert len(result.learning_curve) == 3
    assert result.seconds == pytest.approx(float(result.time_parts["train_seconds"]) / 4)
    assert isinstance(result.network, Network)
    assert result.accuracy >= max(result.learning_curve) - 1e-9


class Mixing(nn.Module):
    """An operator that mixes channels in a way no stack can follow."""

    def forward(self, x: Tensor) -> Tensor:
        return x + x.mean(dim=1, keepdim=True)


@pytest.fixture()
def operators() -> Iterator[None]:
    register_operator(
        "mixing", lambda kernel, cin, cout, stride: build(Mixing(), cin, cout, stride)
    )
    register_operator(
        "plain", lambda kernel, cin, cout, stride: build(nn.ReLU(), cin, cout, stride)
    )
    yield
    unregister_operator("mixing")
    unregister_operator("plain")


def build(layer: nn.Module, cin: int, cout: int, stride: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(cin, cout, 1, stride=stride), layer)


def test_operators_of_users(operators: None, digits: ImageData) -> None:
    mixing, plain = (Cell([(-1, name, -1, "identity")]) for name in ("mixing", "plain"))
    assert can_stack(plain, SMALL)
    assert not can_stack(mixing, SMALL)
    check_same_outputs(make_networks(plain, SMALL), 8)
    with pytest.raises(ValueError, match="must work channel by channel, .* seeds=1"):
        StackedNetwork(make_networks(mixing, SMALL))
    # Seeds of such cells are trained one after the other.
    config = TrainingConfig(epochs=1, seeds=2)
    result = train_cell(mixing, digits, SMALL, config, device="cpu")
    assert result.accuracy_std_error is not None
