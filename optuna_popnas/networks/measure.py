"""Costs of modules measured on PyTorch's meta device: no memory, no arithmetic."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from optuna_popnas.space.operators import Operator
from optuna_popnas.space.operators import parse_operator


def measure_operator(
    name: str, in_channels: int, out_channels: int, stride: int, height: int, width: int
) -> tuple[int, int]:
    """Return (parameters, MACs) of an operator's module.

    Args:
        name: The operator.
        in_channels: Channels of its input.
        out_channels: Channels of its output.
        stride: 1 or 2.
        height: Height of its input in pixels.
        width: Width of its input in pixels.

    Raises:
        ValueError: The module's output has another shape than the operator table asks for.
    """
    # By operator, not by name: a name can be registered anew with another module.
    return _measure(parse_operator(name), in_channels, out_channels, stride, height, width)


@cache
def _measure(
    operator: Operator, in_channels: int, out_channels: int, stride: int, height: int, width: int
) -> tuple[int, int]:
    with torch.device("meta"):
        module: nn.Module = operator.build(in_channels, out_channels, stride)
        images = torch.empty((1, in_channels, height, width))
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        made = module.eval()(images)
    expected = (1, out_channels, -(-height // stride), -(-width // stride))
    if tuple(made.shape) != expected:
        raise ValueError(
            f"Operator {operator.name!r} must map {tuple(images.shape)} to {expected} at stride "
            f"{stride}, but got {tuple(made.shape)}. Correct its `build` function."
        )
    parameters = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return parameters, counter.get_total_flops() // 2
