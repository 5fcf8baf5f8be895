"""Making a network train with the compiled kernels, and undoing it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
import ctypes
from typing import Any

import torch
from torch import nn
from torch import Tensor
from torch.nn.functional import conv2d

from optuna_popnas.training.kernels.functions import AveragePool
from optuna_popnas.training.kernels.functions import Convolution
from optuna_popnas.training.kernels.functions import evaluate_norm_silu
from optuna_popnas.training.kernels.functions import MaxPool
from optuna_popnas.training.kernels.functions import NormSiLU
from optuna_popnas.training.kernels.functions import Window


Step = Callable[[Tensor], Tensor]

_LANES = 8
_MOST_TAPS = 121
# Weights of one group up to which the compiled convolution is at least as fast as PyTorch's, by
# stride.
_MOST_WEIGHTS = {1: 3000, 2: 12000}
# Depthwise convolutions with fewer taps are left to PyTorch on images of more numbers.
_LARGE_KERNEL = 25
_LARGE_IMAGE = 8192


class Fusion:
    """Replaces what parts of a network do; their parameters and names stay.

    Convolution (with the padding before it), batch normalisation with SiLU, and pooling are
    replaced where kernels can do them and are faster: in training, and in evaluation without
    gradients. Everything else stays.

    Args:
        network: The network, on the CPU, in float32.
        library: The kernels.

    Attributes:
        kernels: How many places of the network use a kernel.
    """

    def __init__(self, network: nn.Module, library: ctypes.CDLL) -> None:
        self._library = library
        self._changed: list[nn.Module] = []
        self.kernels = 0
        for module in network.modules():
            if type(module) is nn.Sequential:
                self._replace(module, list(module))
            elif isinstance(module, (nn.MaxPool2d, nn.AvgPool2d)):
                self._replace(module, [module])

    def undo(self) -> None:
        """Let all parts do again what they did."""
        for module in self._changed:
            del module.forward

    def _replace(self, module: nn.Module, parts: Sequence[nn.Module]) -> None:
        steps, kernels = self._steps(parts)
        if not kernels:
            return
        self.kernels += kernels
        original = module.forward

        def forward(x: Tensor) -> Tensor:
            if not module.training and torch.is_grad_enabled():
                result: Tensor = original(x)
                return result
            for step in steps:
                x = step(x)
            return x

        module.forward = forward
        self._changed.append(module)

    def _steps(self, parts: Sequence[nn.Module]) -> tuple[list[Step], int]:
        """Return what to call one after the other, and how many of these are kernels."""
        steps: list[Step] = []
        kernels = 0
        place = 0
        while place < len(parts):
            step, used = self._match(parts[place:])
            if step is None:
                steps.append(parts[place])
                place += 1
            else:
                steps.append(step)
                place += used
                kernels += 1
        return steps, kernels

    def _match(self, parts: Sequence[nn.Module]) -> tuple[Step | None, int]:
        """Return a kernel for the first few parts and how many they are, or None."""
        if len(parts) > 1:
            padding = _padding(parts[0], parts[1])
            if padding is not None:
                step, used = self._match_window(parts[1:], padding)
                if step is not None:
                    return step, used + 1
        return self._match_window(parts, (0, 0, 0, 0))

    def _match_window(
        self, parts: Sequence[nn.Module], padding: tuple[int, int, int, int]
    ) -> tuple[Step | None, int]:
        first, library = parts[0], self._library
        if isinstance(first, (nn.MaxPool2d, nn.AvgPool2d)):
            window = _pool_window(first, padding)
            if window is None:
                return None, 0
            function: Any = MaxPool if isinstance(first, nn.MaxPool2d) else AveragePool
            return lambda x: function.apply(library, x, window), 1
        if isinstance(first, nn.BatchNorm2d):
            norm = self._match_norm(parts, None)
            return (norm, 2) if norm is not None else (None, 0)
        if type(first) is not nn.Conv2d:
            return None, 0
        # The bias is left to the normalisation after it, or there must be none.
        norm = self._match_norm(parts[1:], first.bias)
        if first.bias is not None and norm is None:
            return None, 0
        window = _conv_window(first, padding)
        conv: Step | None = None
        if window is not None:
            conv = self._convolution(first, window, padding)
        elif padding == (0, 0, 0, 0) and norm is not None:
            conv = first
            norm = self._match_norm(parts[1:], None)
        if conv is None:
            return None, 0
        if norm is None:
            return conv, 1
        inner, outer = conv, norm
        return lambda x: outer(inner(x)), 3

    def _convolution(
        self, conv: nn.Conv2d, window: Window, padding: tuple[int, int, int, int]
    ) -> Step:
        library, weight, groups = self._library, conv.weight, conv.groups
        depthwise = conv.groups == conv.in_channels
        small = window.kernel[0] * window.kernel[1] < _LARGE_KERNEL and not any(padding)

        def run(x: Tensor) -> Tensor:
            if depthwise and small and x.shape[1:].numel() > _LARGE_IMAGE:
                return conv2d(x, weight, None, conv.stride, conv.padding, 1, groups)
            return Convolution.apply(library, x, weight, window, groups)

        return run

    def _match_norm(self, parts: Sequence[nn.Module], bias: Tensor | None) -> Step | None:
        """Return a kernel if batch normalisation and SiLU come next."""
        if len(parts) < 2:
            return None
        norm, activation, library = parts[0], parts[1], self._library
        if (
            type(norm) is not nn.BatchNorm2d
            or type(activation) is not nn.SiLU
            or norm.num_features % _LANES
            or not norm.affine
            or norm.momentum is None
            or not norm.track_running_stats
            or (bias is not None and bias.requires_grad)
        ):
            return None
        layer: nn.BatchNorm2d = norm

        def run(x: Tensor) -> Tensor:
            if layer.training:
                return NormSiLU.apply(library, x, layer.weight, layer.bias, layer, bias)
            return evaluate_norm_silu(library, x, layer, bias)

        return run


def _padding(pad: nn.Module, after: nn.Module) -> tuple[int, int, int, int] | None:
    """Return (left, right, top, bottom) if a kernel can do this padding, else None."""
    if not isinstance(pad, (nn.ZeroPad2d, nn.ConstantPad2d, nn.ReplicationPad2d)):
        return None
    left, right, top, bottom = (int(side) for side in pad.padding)
    sides = (left, right, top, bottom)
    if isinstance(after, nn.Conv2d) and isinstance(pad, nn.ZeroPad2d):
        return sides
    if isinstance(after, nn.MaxPool2d) and isinstance(pad, nn.ConstantPad2d):
        return sides if pad.value == float("-inf") else None
    if isinstance(after, nn.AvgPool2d) and isinstance(pad, nn.ReplicationPad2d):
        # The average of a pixel and its copy is that of the pixel alone.
        height, width = _pair(after.kernel_size)
        across, down = (left or right, width), (top or bottom, height)
        fits = all(not side or (side == 1 and size == 2) for side, size in (across, down))
        return sides if fits else None
    return None


def _pool_window(
    pool: nn.MaxPool2d | nn.AvgPool2d, padding: tuple[int, int, int, int]
) -> Window | None:
    stride = _pair(pool.stride)
    kernel, own = _pair(pool.kernel_size), _pair(pool.padding)
    if stride[0] != stride[1]:
        return None
    if isinstance(pool, nn.AvgPool2d):
        if pool.divisor_override is not None or (pool.count_include_pad and any(own)):
            return None
    elif _pair(pool.dilation) != (1, 1) or pool.return_indices:
        return None
    left, right, top, bottom = padding
    return Window(
        kernel,
        stride[0],
        top + own[0],
        left + own[1],
        bottom + own[0],
        right + own[1],
        bool(pool.ceil_mode),
    )


def _conv_window(conv: nn.Conv2d, padding: tuple[int, int, int, int]) -> Window | None:
    """Return the window if a kernel can do this convolution, and is not slower; else None."""
    kernel, stride = _pair(conv.kernel_size), _pair(conv.stride)
    inside, outside = conv.in_channels // conv.groups, conv.out_channels // conv.groups
    if (
        isinstance(conv.padding, str)
        or conv.padding_mode != "zeros"
        or _pair(conv.dilation) != (1, 1)
        or stride[0] != stride[1]
        or stride[0] > 2
        or kernel[0] * kernel[1] > _MOST_TAPS
    ):
        return None
    depthwise = inside == outside == 1
    if depthwise:
        if conv.in_channels % _LANES:
            return None
    elif outside % _LANES or kernel[0] * kernel[1] * inside * outside > _MOST_WEIGHTS[stride[0]]:
        return None
    own = _pair(conv.padding)
    left, right, top, bottom = padding
    # The kernels' borders are as wide as the kernel at most.
    if max(top + own[0], bottom + own[0]) >= kernel[0]:
        return None
    if max(left + own[1], right + own[1]) >= kernel[1]:
        return None
    return Window(kernel, stride[0], top + own[0], left + own[1], bottom + own[0], right + own[1])


def _pair(value: Any) -> tuple[int, int]:
    return (int(value[0]), int(value[1])) if isinstance(value, tuple) else (int(value),) * 2
