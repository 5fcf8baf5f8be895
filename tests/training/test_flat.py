"""The flat optimiser does what PyTorch's does to each parameter."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.flat import FlatParameters
from optuna_popnas.training.flat import make_optimizer


def make_network(memory_format: torch.memory_format) -> nn.Sequential:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1),
        nn.SiLU(),
        nn.Flatten(),
        nn.Linear(5 * 16, 3),
    )
    return network.to(memory_format=memory_format)  # type: ignore[call-overload,no-any-return]


@pytest.mark.parametrize("memory_format", [torch.channels_last, torch.contiguous_format])
@pytest.mark.parametrize("optimizer", ["adamw", "l2"])
def test_steps_equal_those_of_pytorch(memory_format: torch.memory_format, optimizer: str) -> None:
    ours = make_network(memory_format)
    plain = copy.deepcopy(ours)
    config = TrainingConfig(optimizer=optimizer, weight_decay=0.1)
    flat = FlatParameters(ours)
    step = make_optimizer(flat.flat, config, 0.01)
    kind = torch.optim.AdamW if optimizer == "adamw" else torch.optim.Adam
    biases = [p for p in plain.parameters() if p.dim() == 1]
    kernels = {"params": [p for p in plain.parameters() if p.dim() > 1]}
    # L2 is of kernels alone, and its gradient not the optimiser's affair.
    penalty = flat.kernels() * (0.1 if optimizer == "l2" else 0.0)
    decay = 0.0 if optimizer == "l2" else 0.1
    groups = [kernels, {"params": biases, "weight_decay": decay}]
    reference = kind(groups, lr=0.01, weight_decay=0.1)
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        images = torch.randn((7, 2, 4, 4), generator=generator)
        for network in (ours, plain):
            network(images).square().sum().backward()
        flat.gather_gradients()
        assert flat.flat.grad is not None
        flat.flat.grad.addcmul_(flat.flat.detach(), penalty)
        step.step()
        reference.step()
        reference.zero_grad()
        assert all(parameter.grad is None for parameter in ours.parameters())
    for own, other in zip(ours.parameters(), plain.parameters()):
        torch.testing.assert_close(own, other, rtol=1e-4, atol=1e-6)
        assert own.stride() == other.stride()


def test_parameters_are_views_until_released() -> None:
    network = make_network(torch.channels_last)
    values = [parameter.detach().clone() for parameter in network.parameters()]
    flat = FlatParameters(network)
    assert flat.flat.numel() == sum(value.numel() for value in values)
    with torch.no_grad():
        flat.flat.mul_(2)
    for parameter, value in zip(network.parameters(), values):
        torch.testing.assert_close(parameter.detach(), 2 * value)
    flat.release()
    with torch.no_grad():
        flat.flat.zero_()
    for parameter, value in zip(network.parameters(), values):
        torch.testing.assert_close(parameter.detach(), 2 * value)


def test_frozen_and_unused_parameters() -> None:
    network = make_network(torch.contiguous_format)
    network[0].bias.requires_grad_(False)  # type: ignore[union-attr]
    flat = FlatParameters(network)
    assert len(flat.parameters) == 3
    network[3](torch.ones(1, 80)).sum().backward()
    flat.gather_gradients()
    gradient = flat.flat.grad
    assert gradient is not None
    used = 80 * 3 + 3
    assert torch.equal(gradient[-used:], torch.ones(used))
    assert not gradient[:-used].any()
