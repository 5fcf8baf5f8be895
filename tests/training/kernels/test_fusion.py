"""Networks with kernels learn what they learn without, and are whole again afterwards."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from optuna_popnas.networks import build_network
from optuna_popnas.networks import NetworkConfig
from optuna_popnas.space import Cell
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.kernels import find_library
from optuna_popnas.training.kernels import Fusion
from optuna_popnas.training.stacked import StackedNetwork
from optuna_popnas.training.trainer import train_cell


pytestmark = pytest.mark.skipif(find_library() is None, reason="needs a C compiler")

OPERATORS = [
    *PAPER_OPERATORS, "3x3 tconv", "3x3 maxpool", "3x3 avgpool", "2x3 maxpool", "4x4 avgpool",
    "4x4 conv", "2x3 dconv",
]  # fmt: skip


def freeze(network: nn.Module) -> None:
    """Freeze the convolutions' biases, as a training does, at values other than zero."""
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)) and module.bias is not None:
            module.bias.requires_grad_(False)
            nn.init.normal_(module.bias)


def fuse(network: nn.Module) -> Fusion:
    library = find_library()
    assert library is not None
    return Fusion(network, library)


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("size, channels, filters", [(8, 1, 8), (7, 3, 24)])
def test_every_operator(name: str, size: int, channels: int, filters: int) -> None:
    torch.manual_seed(0)
    cell = Cell([(-2, name, -1, name), (0, name, -1, "identity")])
    config = NetworkConfig(motifs=2, normal_cells=1, filters=filters)
    plain = build_network(cell, config, in_channels=channels, classes=5)
    plain.to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    freeze(plain)
    compare(plain, torch.rand(6, channels, size, size))


def compare(plain: nn.Module, images: torch.Tensor) -> None:
    network = copy.deepcopy(plain)
    names = list(network.state_dict())
    fusion = fuse(network)
    assert fusion.kernels > 0
    assert list(network.state_dict()) == names
    labels = torch.arange(len(images)) % 5
    outputs = []
    for model in (network, plain):
        out = model(images)
        logits = out.reshape(len(out), -1)
        F.cross_entropy(logits, labels).backward()
        outputs.append(out.detach())
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-3, atol=1e-4)
    for own, other in zip(network.parameters(), plain.parameters()):
        if other.grad is None:
            assert own.grad is None
            continue
        assert own.grad is not None
        assert (own.grad - other.grad).abs().max() <= 1e-3 * other.grad.abs().max() + 1e-5
    for (name, own), other in zip(network.named_buffers(), plain.buffers()):
        if other.is_floating_point():
            torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-5, msg=name)
    network.eval()
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.add_(0.3)
    with torch.inference_mode():
        fused = network(images)
    before = network(images)  # with gradients evaluation is PyTorch's
    fusion.undo()
    assert torch.equal(network(images), before)
    torch.testing.assert_close(fused, before, rtol=1e-3, atol=1e-4)
    assert not any("forward" in vars(module) for module in network.modules())


def test_stacked_networks() -> None:
    torch.manual_seed(0)
    cell = Cell([(-2, "3x3 conv", -1, "5x5 dconv"), (-1, "2x2 maxpool", 0, "1x1 conv")])
    config = NetworkConfig(motifs=2, normal_cells=1, filters=8)
    networks = [build_network(cell, config, in_channels=1, classes=5) for _ in range(3)]
    stack = StackedNetwork(networks).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    freeze(stack)
    compare(stack, torch.rand(6, 3, 8, 8))


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(8, 8, 3, padding=1), nn.ReLU()],
        [nn.Conv2d(8, 8, 3, dilation=2)],
        [nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect", bias=False)],
        [nn.Conv2d(8, 8, 3, padding="same", bias=False)],
        [nn.Conv2d(8, 8, 3, padding=4, bias=False)],
        [nn.Conv2d(8, 8, 3, stride=3, bias=False)],
        [nn.Conv2d(8, 6, 3, bias=False)],
        [nn.BatchNorm2d(8), nn.ReLU()],
        [nn.BatchNorm2d(8, affine=False), nn.SiLU()],
        [nn.BatchNorm2d(8, momentum=None), nn.SiLU()],
        [nn.BatchNorm2d(8, track_running_stats=False), nn.SiLU()],
        [nn.AvgPool2d(3, 1, 1)],
        [nn.MaxPool2d(2, dilation=2)],
        [nn.MaxPool2d((2, 2), (1, 2))],
    ],
)
def test_what_kernels_cannot_do_is_left_alone(layers: list[nn.Module]) -> None:
    network = nn.Sequential(*layers)
    assert fuse(network).kernels == 0
    assert not any("forward" in vars(module) for module in network.modules())


def test_a_bias_that_is_trained_is_left_alone() -> None:
    network = nn.Sequential(nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8), nn.SiLU())
    x = torch.randn(4, 8, 3, 3)
    expected = copy.deepcopy(network)(x)
    fuse(network)
    out = network(x)
    torch.testing.assert_close(out, expected)
    out.square().sum().backward()
    conv: Any = network[0]
    assert conv.bias.grad is not None


def test_trainings_agree() -> None:
    data = load_dataset("digits", samples=400)
    cell = Cell([(-2, "3x3 conv", -1, "2x2 avgpool"), (-1, "3x3 dconv", 0, "identity")])
    network = NetworkConfig(motifs=2, normal_cells=1, filters=8)
    results = [
        train_cell(
            cell, data, network, TrainingConfig(epochs=2, kernels=kernels), seed=1, device="cpu"
        )
        for kernels in ("pytorch", "compiled")
    ]
    assert results[0].train_loss == pytest.approx(results[1].train_loss, rel=1e-2)
    assert [result.device.endswith("compiled kernels") for result in results] == [False, True]
    trained = results[1].network
    assert trained is not None
    assert not any("forward" in vars(module) for module in trained.modules())


def test_kernels_need_one_thread() -> None:
    with pytest.raises(ValueError, match="`kernels` must not be 'compiled' .* threads=2"):
        TrainingConfig(kernels="compiled", threads=2)
