from __future__ import annotations

import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_popnas.networks import build_network
from optuna_popnas.networks import NetworkConfig
from optuna_popnas.networks.cell import BlockModule
from optuna_popnas.networks.operations import drop_paths
from optuna_popnas.space import Cell
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.space import parse_operator
from optuna_popnas.space import register_operator
from optuna_popnas.space import unregister_operator
from optuna_popnas.space.operators import _FAMILIES


SMALL = NetworkConfig(motifs=2, normal_cells=1, filters=4)
OPERATORS = (
    *PAPER_OPERATORS,
    *(family.example for family in _FAMILIES if family.example not in PAPER_OPERATORS),
    "2x2 dconv",
    "4x4 conv",
    "1x2-2x1 conv",
    "3x2 maxpool",
    "1x1 maxpool",
    "2x3 avgpool",
    "5x4 avgpool",
    "1x1 tconv",
    "2x2 tconv",
    "3x4 tconv",
    "1x1 dilated conv",
    "2x4 dilated conv",
    "2x3-4x5 conv",
)
DEEP = Cell(
    [
        (-2, "3x3 conv", -1, "2x2 maxpool"),
        (-1, "3x3 dconv", 0, "1x3-3x1 conv"),
        (-2, "identity", 0, "2x2 avgpool"),
        (2, "identity", -1, "1x1 conv"),
    ]
)


def check_training_step(module: nn.Module, images: Tensor) -> Tensor:
    """Run forward and backward; every parameter must get a finite gradient."""
    module.train()
    logits = module(images)
    outputs = logits if isinstance(logits, list) else [logits]
    loss = torch.stack([output.square().sum() for output in outputs]).sum()
    loss.backward()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
    assert all(torch.isfinite(output).all() for output in outputs)
    result: Tensor = outputs[-1]
    return result


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (7, 7), (1, 2), (5, 6)])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_operator_shapes(operator: str, stride: int, size: tuple[int, int], channels: int) -> None:
    module = parse_operator(operator).build(channels, 4, stride)
    images = torch.rand(3, channels, *size, requires_grad=True)
    made = check_training_step(module, images)
    assert made.shape == (3, 4, -(-size[0] // stride), -(-size[1] // stride))
    assert images.grad is not None


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("size", [6, 7])
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_of_every_operator(operator: str, size: int, channels: int) -> None:
    # Both lookbacks and a block are read, in normal and in reduction cells.
    cell = Cell([(-2, operator, -1, operator), (0, operator, -1, operator)])
    network = build_network(cell, SMALL, in_channels=channels, classes=5)
    logits = check_training_step(network, torch.rand(2, channels, size, size))
    assert logits.shape == (2, 5)


@pytest.mark.parametrize("text", ["2x2 maxpool", "4x4 maxpool", "3x3 maxpool"])
@pytest.mark.parametrize("size", [5, 6])
def test_pooling_of_constant_images_changes_nothing(text: str, size: int) -> None:
    # Padding that counted as zero would show in the average (and in a maximum below zero).
    images = torch.full((1, 2, size, size), -3.0)
    for name in (text, text.replace("max", "avg")):
        for stride in (1, 2):
            made = parse_operator(name).build(2, 2, stride)(images)
            assert torch.equal(made, torch.full_like(made, -3.0))


def test_even_pooling_reads_the_pixel_and_the_next_as_tensorflow_does() -> None:
    images = torch.arange(5.0).reshape(1, 1, 1, 5).expand(1, 1, 5, 5)
    pool = parse_operator("2x2 maxpool")
    assert pool.build(1, 1, 1)(images)[0, 0, 0].tolist() == [1, 2, 3, 4, 4]
    assert pool.build(1, 1, 2)(images)[0, 0, 0].tolist() == [1, 3, 4]
    average = parse_operator("2x2 avgpool")
    assert average.build(1, 1, 1)(images)[0, 0, 0].tolist() == [0.5, 1.5, 2.5, 3.5, 4]
    assert average.build(1, 1, 2)(images)[0, 0, 0].tolist() == [0.5, 2.5, 4]


@pytest.mark.parametrize("lookbacks", [(-1,), (-2,), (-3,), (-3, -1), (-3, -2), (-4, -2)])
@pytest.mark.parametrize("normal_cells", [1, 2])
def test_lookbacks(lookbacks: tuple[int, ...], normal_cells: int) -> None:
    first, last = lookbacks[0], lookbacks[-1]
    cell = Cell([(first, "1x1 conv", last, "2x2 maxpool"), (first, "identity", 0, "identity")])
    config = NetworkConfig(motifs=3, normal_cells=normal_cells, filters=2)
    network = build_network(cell, config, in_channels=3, classes=4)
    logits = check_training_step(network, torch.rand(2, 3, 9, 10))
    assert logits.shape == (2, 4)


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
def test_skip_only_cells_are_built_less_often(depth: int) -> None:
    cell = Cell([(-depth, "1x1 conv", -depth, "identity")])
    network = build_network(cell, in_channels=3, classes=10)
    assert len(network.cells) == -(-8 // depth)
    check_training_step(network, torch.rand(2, 3, 8, 8))


def test_lookback_2_is_reshaped_once_per_cell_after_a_reduction() -> None:
    cell = Cell([(-2, "1x1 conv", -1, "identity"), (-2, "1x1 conv", -2, "1x1 conv")])
    network = build_network(cell, in_channels=3, classes=10)
    assert [len(module.reshapes) for module in network.cells] == [0, 0, 0, 1, 0, 0, 1, 0]


def test_output_is_that_of_the_unused_blocks() -> None:
    network = build_network(DEEP, SMALL, in_channels=3, classes=10)
    assert network.cells[0].outputs == (1, 3)
    assert network.cells[0].project[0].in_channels == 8
    chain = Cell([(-1, "1x1 conv", -1, "identity"), (0, "identity", 0, "identity")])
    network = build_network(chain, SMALL, in_channels=3, classes=10)
    assert isinstance(network.cells[0].project, nn.Identity)


def test_appendix_b_concat_of_all_blocks() -> None:
    config = NetworkConfig(motifs=2, normal_cells=1, filters=4, concat_all=True)
    network = build_network(DEEP, config, in_channels=3, classes=10)
    assert network.cells[0].outputs == (0, 1, 2, 3)
    assert network.cells[0].project[0].in_channels == 16
    check_training_step(network, torch.rand(2, 3, 8, 8))


def test_section_3_4_1_concatenation_join() -> None:
    config = NetworkConfig(motifs=2, normal_cells=1, filters=4, join="concat")
    cell = Cell([(-1, "3x3 conv", -1, "identity")])
    network = build_network(cell, config, in_channels=3, classes=10)
    assert [module.project[0].in_channels for module in network.cells] == [8, 16, 16]
    check_training_step(network, torch.rand(2, 3, 8, 8))
    check_training_step(
        build_network(DEEP, config, in_channels=3, classes=10), torch.rand(2, 3, 8, 8)
    )


def test_appendix_b_multi_output() -> None:
    config = NetworkConfig(motifs=2, normal_cells=1, filters=4, multi_output=True)
    network = build_network(DEEP, config, in_channels=3, classes=5)
    assert network.output_weights == (0.25, 0.5, 1.0)
    images = torch.rand(2, 3, 8, 8)
    outputs = network(images)
    assert isinstance(outputs, list)
    assert [tuple(output.shape) for output in outputs] == [(2, 5)] * 3
    check_training_step(network, images)
    with torch.no_grad():
        assert network.eval()(images).shape == (2, 5)


def test_appendix_b_multi_output_of_skip_only_and_empty_cells() -> None:
    config = NetworkConfig(motifs=3, normal_cells=2, filters=2, multi_output=True)
    skip = Cell([(-2, "identity", -2, "1x1 conv")])
    network = build_network(skip, config, in_channels=1, classes=3)
    assert network.output_weights == (0.125, 0.25, 0.5, 1.0)
    assert len(network(torch.rand(2, 1, 8, 8))) == 4
    network = build_network(Cell(), config, in_channels=1, classes=3)
    assert network.output_weights == (1.0,)
    assert network(torch.rand(2, 1, 8, 8)).shape == (2, 3)


def test_appendix_b_softmax_dropout() -> None:
    config = NetworkConfig(motifs=2, normal_cells=1, filters=4, dropout=0.5)
    network = build_network(DEEP, config, in_channels=3, classes=5)
    features = torch.ones(400, 8, 1, 1)
    head = network.heads[-1]
    kept = head.train().dropout(features)
    assert 0.4 < (kept > 0).float().mean() < 0.6
    assert torch.equal(head.eval()(features), head.linear(features[:, :, 0, 0]))


def test_scheduled_drop_path_drops_at_most_one_of_two() -> None:
    torch.manual_seed(0)
    ones = torch.ones(20_000, 1, 1, 1)
    first, second = drop_paths(ones, ones, torch.tensor(0.3))
    kept = torch.cat([first, second], dim=1)[:, :, 0, 0]
    assert (kept.sum(1) > 0).all()
    assert kept.unique().tolist() == pytest.approx([0.0, 1 / 0.7])
    assert torch.allclose(kept.mean(0), torch.ones(2), atol=0.02)
    assert torch.allclose((kept == 0).float().mean(0), torch.full((2,), 0.3), atol=0.02)


def test_scheduled_drop_path_grows_with_depth_and_progress() -> None:
    config = NetworkConfig(motifs=2, normal_cells=1, filters=4, drop_path=0.3)
    network = build_network(DEEP, config, in_channels=3, classes=5)

    def probabilities() -> list[float]:
        blocks = [m for m in network.modules() if isinstance(m, BlockModule)]
        return [float(block.drop_probability) for block in blocks[:: len(DEEP)]]

    assert probabilities() == pytest.approx([0.1, 0.2, 0.3])
    network.set_progress(0.5)
    assert probabilities() == pytest.approx([0.05, 0.1, 0.15])
    network.set_progress(0.0)
    images = torch.rand(4, 3, 8, 8)
    with torch.no_grad():
        torch.testing.assert_close(network(images), network(images))
        network.set_progress(1.0)
        assert not torch.allclose(network(images), network(images))
        network.eval()
        assert torch.equal(network(images), network(images))
    check_training_step(network, images)
    assert not any("drop" in name for name in network.state_dict())


def test_empty_cell_is_pooling_and_a_linear_classifier() -> None:
    network = build_network(Cell(), in_channels=3, classes=10)
    images = torch.rand(2, 3, 5, 7)
    linear = network.heads[0].linear
    torch.testing.assert_close(network(images), linear(images.mean(dim=(2, 3))))


def test_batch_normalisation_is_that_of_keras() -> None:
    network = build_network(DEEP, SMALL, in_channels=3, classes=5)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert {(layer.eps, layer.momentum) for layer in layers} == {(1e-3, 0.01)}


def test_same_seed_same_weights() -> None:
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(build_network(DEEP, SMALL, in_channels=3, classes=5).state_dict())
    name = "cells.0.blocks.0.first.0.weight"
    assert torch.equal(states[0][name], states[1][name])
    assert not torch.equal(states[0][name], states[2][name])


def test_channels_last_stays_channels_last() -> None:
    network = build_network(DEEP, SMALL, in_channels=3, classes=5)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    layouts = []
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(
                lambda _, __, output: layouts.append(
                    output.is_contiguous(memory_format=torch.channels_last)
                )
            )
    network(torch.rand(2, 3, 8, 8).to(memory_format=torch.channels_last))
    assert layouts and all(layouts)


def test_no_strided_1x1_convolutions() -> None:
    # oneDNN's gradient of them writes out of bounds: crashes with two threads, odd batches.
    cell = Cell([(-2, "identity", -1, "1x1 conv"), (-3, "1x1 tconv", -1, "2x2 maxpool")])
    network = build_network(cell, in_channels=3, classes=5)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1):
            assert module.stride == (1, 1)
    images = torch.rand(1, 3, 7, 8)
    pick = parse_operator("identity").build(3, 4, 2)
    expected = pick[1](images[:, :, ::2, ::2])
    torch.testing.assert_close(pick[1](pick[0](images)), expected, rtol=0, atol=0)


def test_errors() -> None:
    with pytest.raises(ValueError, match="`in_channels` must be an integer of at least 1"):
        build_network(DEEP, in_channels=0, classes=10)
    with pytest.raises(
        ValueError, match="`classes` must be an integer of at least 1, but got 2.5"
    ):
        build_network(DEEP, in_channels=3, classes=2.5)  # type: ignore[arg-type]
    network = build_network(DEEP, in_channels=3, classes=10)
    with pytest.raises(ValueError, match="Images must have 3 channels.*but got 1"):
        network(torch.rand(2, 1, 8, 8))
    message = "Images must be at least 4x4 pixels for motifs=3.*but got 3x8. Use larger images"
    with pytest.raises(ValueError, match=message):
        network(torch.rand(2, 3, 3, 8))


class Shift(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(in_channels, out_channels, 1, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.mix(torch.roll(x, 1, dims=3))
        return made


def test_operators_of_the_user() -> None:
    register_operator(
        "shift", lambda kernel, cin, cout, stride: Shift(cin, cout, stride), name="shift"
    )
    try:
        cell = Cell([(-2, "shift", -1, "shift"), (0, "shift", -1, "3x3 conv")])
        network = build_network(cell, SMALL, in_channels=3, classes=5)
        assert check_training_step(network, torch.rand(2, 3, 7, 8)).shape == (2, 5)
    finally:
        unregister_operator("shift")
