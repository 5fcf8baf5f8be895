"""The kernels as functions that PyTorch can differentiate.

All tensors are float32, on the CPU and channels-last; those that are not are copied.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch import Tensor
from torch.autograd import Function

from optuna_popnas.training.kernels.library import Shape


@dataclass(frozen=True)
class Window:
    """How a convolution or pooling moves over an image.

    Attributes:
        kernel: Height and width.
        stride: Pixels between outputs, 1 or 2.
        top: Rows of padding above.
        left: Columns of padding on the left.
        bottom: Rows of padding below.
        right: Columns of padding on the right.
        ceil: Whether a last window may reach beyond the padding.
    """

    kernel: tuple[int, int]
    stride: int
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0
    ceil: bool = False

    def output_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of the output, as PyTorch does."""
        return (
            self._length(height, self.kernel[0], self.top, self.bottom),
            self._length(width, self.kernel[1], self.left, self.right),
        )

    def _length(self, size: int, kernel: int, before: int, after: int) -> int:
        room = size + before + after - kernel
        length = room // self.stride + 1
        if self.ceil and room % self.stride and length * self.stride < size + before:
            length += 1
        return length


def make_shape(x: Tensor, window: Window, out_channels: int, groups: int = 1) -> Shape:
    """Return the C structure for an input ``(N, C, H, W)``."""
    n, c, h, w = x.shape
    oh, ow = window.output_size(h, w)
    kh, kw = window.kernel
    return Shape(
        n, h, w, c, oh, ow, out_channels, kh, kw, window.stride, window.top, window.left, groups
    )


def channels_last(x: Tensor) -> Tensor:
    """Return a tensor with its numbers in the order (N, H, W, C)."""
    return x.contiguous(memory_format=torch.channels_last)


def new_image(n: int, c: int, h: int, w: int) -> Tensor:
    """Return an uninitialised ``(N, C, H, W)`` tensor, channels-last whatever its sizes."""
    return torch.empty((n, c, h, w), memory_format=torch.channels_last)


def _check(failed: int) -> None:
    if failed:
        raise MemoryError("can't allocate memory for a convolution")


class Convolution(Function):
    """``(library, x, weight, window, groups) -> z``; depthwise if each channel is a group."""

    @staticmethod
    def forward(
        ctx: Any, library: ctypes.CDLL, x: Tensor, weight: Tensor, window: Window, groups: int
    ) -> Tensor:
        x, weight = channels_last(x), channels_last(weight)
        shape = make_shape(x, window, len(weight), groups)
        depthwise = groups == x.shape[1] == len(weight)
        out = new_image(shape.n, shape.oc, shape.oh, shape.ow)
        run = library.depthwise_forward if depthwise else library.conv_forward
        _check(run(shape, x.data_ptr(), weight.data_ptr(), out.data_ptr()))
        ctx.save_for_backward(x, weight)
        ctx.facts = library, shape, depthwise
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        library, shape, depthwise = ctx.facts
        x, weight = ctx.saved_tensors
        gradient = channels_last(gradient)
        kind = "depthwise" if depthwise else "conv"
        grad_x = grad_weight = None
        if ctx.needs_input_grad[1]:
            grad_x = new_image(shape.n, shape.c, shape.h, shape.w)
            run = getattr(library, f"{kind}_backward_input")
            _check(run(shape, gradient.data_ptr(), weight.data_ptr(), grad_x.data_ptr()))
        if ctx.needs_input_grad[2]:
            grad_weight = torch.empty_like(weight)
            run = getattr(library, f"{kind}_backward_weights")
            _check(run(shape, x.data_ptr(), gradient.data_ptr(), grad_weight.data_ptr()))
        return None, grad_x, grad_weight, None, None


class NormSiLU(Function):
    """``(library, z, gamma, beta, norm, bias) -> SiLU(batch norm(z + bias))`` in training.

    The running averages of ``norm`` move. ``bias`` is that of the convolution before it, which
    only its running mean feels.
    """

    @staticmethod
    def forward(
        ctx: Any,
        library: ctypes.CDLL,
        z: Tensor,
        gamma: Tensor,
        beta: Tensor,
        norm: nn.BatchNorm2d,
        bias: Tensor | None,
    ) -> Tensor:
        z = channels_last(z)
        n, c, h, w = z.shape
        out = new_image(n, c, h, w)
        statistics = torch.empty((2, c))
        mean, scale = statistics.data_ptr(), statistics.data_ptr() + 4 * c
        running_mean, running_variance = norm.running_mean, norm.running_var
        library.norm_forward(
            z.data_ptr(),
            gamma.data_ptr(),
            beta.data_ptr(),
            None if bias is None else bias.data_ptr(),
            None if running_mean is None else running_mean.data_ptr(),
            None if running_variance is None else running_variance.data_ptr(),
            mean,
            scale,
            out.data_ptr(),
            n * h * w,
            c,
            norm.momentum,
            norm.eps,
        )
        ctx.save_for_backward(z, gamma, beta, statistics)
        ctx.library = library
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        z, gamma, beta, statistics = ctx.saved_tensors
        n, c, h, w = z.shape
        gradient = channels_last(gradient)
        grad_z = new_image(n, c, h, w)
        grad_gamma, grad_beta = torch.empty_like(gamma), torch.empty_like(beta)
        ctx.library.norm_backward(
            gradient.data_ptr(),
            z.data_ptr(),
            gamma.data_ptr(),
            beta.data_ptr(),
            statistics.data_ptr(),
            statistics.data_ptr() + 4 * c,
            grad_z.data_ptr(),
            grad_gamma.data_ptr(),
            grad_beta.data_ptr(),
            n * h * w,
            c,
        )
        return None, grad_z, grad_gamma, grad_beta, None, None


def evaluate_norm_silu(
    library: ctypes.CDLL, z: Tensor, norm: nn.BatchNorm2d, bias: Tensor | None
) -> Tensor:
    """Return ``SiLU(batch norm(z + bias))`` with the running averages; without a gradient."""
    z = channels_last(z)
    n, c, h, w = z.shape
    out = new_image(n, c, h, w)
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueError("Batch normalisation must keep running averages to be evaluated.")
    library.norm_evaluate(
        z.data_ptr(),
        norm.weight.data_ptr(),
        norm.bias.data_ptr(),
        None if bias is None else bias.data_ptr(),
        mean.data_ptr(),
        variance.data_ptr(),
        out.data_ptr(),
        n * h * w,
        c,
        norm.eps,
    )
    return out


class MaxPool(Function):
    """``(library, x, window) -> maxima``; padding does not count."""

    @staticmethod
    def forward(ctx: Any, library: ctypes.CDLL, x: Tensor, window: Window) -> Tensor:
        x = channels_last(x)
        shape = make_shape(x, window, x.shape[1])
        out = new_image(shape.n, shape.c, shape.oh, shape.ow)
        library.max_forward(shape, x.data_ptr(), out.data_ptr())
        ctx.save_for_backward(x, out)
        ctx.facts = library, shape
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        library, shape = ctx.facts
        x, out = ctx.saved_tensors
        gradient = channels_last(gradient)
        grad_x = new_image(shape.n, shape.c, shape.h, shape.w)
        library.max_backward(
            shape, x.data_ptr(), out.data_ptr(), gradient.data_ptr(), grad_x.data_ptr()
        )
        return None, grad_x, None


class AveragePool(Function):
    """``(library, x, window) -> averages``; padding does not count."""

    @staticmethod
    def forward(ctx: Any, library: ctypes.CDLL, x: Tensor, window: Window) -> Tensor:
        x = channels_last(x)
        shape = make_shape(x, window, x.shape[1])
        out = new_image(shape.n, shape.c, shape.oh, shape.ow)
        library.average_forward(shape, x.data_ptr(), out.data_ptr())
        ctx.facts = library, shape
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        library, shape = ctx.facts
        gradient = channels_last(gradient)
        grad_x = new_image(shape.n, shape.c, shape.h, shape.w)
        library.average_backward(shape, gradient.data_ptr(), grad_x.data_ptr())
        return None, grad_x, None
