"""PyTorch modules of the operators (Sec. 4.2.1), one function per family of the operator table.

Every function has the signature ``(kernel, in_channels, out_channels, stride) -> nn.Module``; the
module maps ``(N, in_channels, H, W)`` to ``(N, out_channels, ceil(H/stride), ceil(W/stride))``
for strides 1 and 2, whatever the parity of kernel and image ("same" padding).

Padding is left to the convolution and pooling kernels wherever they can do it, so that no padded
copy of a tensor is made.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch import Tensor


#: Keras' epsilon and momentum of batch normalisation (PyTorch counts momentum the other way).
BATCH_NORM_EPS = 1e-3
BATCH_NORM_MOMENTUM = 0.01


def identity(kernel: Sequence[int], in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return the tensor itself, or a strided 1x1 convolution if its shape must change."""
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    return conv_unit((1, 1), in_channels, out_channels, stride)


def convolution(
    kernel: Sequence[int], in_channels: int, out_channels: int, stride: int
) -> nn.Module:
    """Return a convolution unit."""
    return conv_unit(kernel, in_channels, out_channels, stride)


def spatially_separable(
    kernel: Sequence[int], in_channels: int, out_channels: int, stride: int
) -> nn.Module:
    """Return an ``AxB`` and a ``CxD`` convolution unit; the stride is in the first."""
    return nn.Sequential(
        conv_unit(kernel[:2], in_channels, out_channels, stride),
        conv_unit(kernel[2:], out_channels, out_channels, 1),
    )


def dilated(kernel: Sequence[int], in_channels: int, out_channels: int, stride: int) -> nn.Module:
    """Return a convolution unit that leaves out every other pixel (PNAS, POPNASv1)."""
    return conv_unit(kernel, in_channels, out_channels, stride, dilation=2)


def depthwise_separable(
    kernel: Sequence[int], in_channels: int, out_channels: int, stride: int
) -> nn.Module:
    """Return a depthwise convolution, a pointwise one, batch normalisation and SiLU."""
    return nn.Sequential(
        *_same_conv(kernel, in_channels, in_channels, stride, groups=in_channels, bias=False),
        *_same_conv((1, 1), in_channels, out_channels, 1),
        *_normalise(out_channels),
    )


def transposed(
    kernel: Sequence[int], in_channels: int, out_channels: int, stride: int
) -> nn.Module:
    """Return a transposed convolution to twice the resolution and a convolution back.

    A transposed convolution with stride 1 is an ordinary convolution with the kernel turned
    round; doubling the resolution is what makes it an operator of its own. The convolution
    after it has twice the stride of the operator.
    """
    height, width = kernel
    up = nn.ConvTranspose2d(
        in_channels,
        out_channels,
        (height, width),
        stride=2,
        padding=((height - 1) // 2, (width - 1) // 2),
        output_padding=(height % 2, width % 2),
    )
    return nn.Sequential(
        nn.Sequential(_initialise(up, fan_in=up.weight[:, 0].numel()), *_normalise(out_channels)),
        conv_unit(kernel, out_channels, out_channels, 2 * stride),
    )


def max_pooling(
    kernel: Sequence[int], in_channels: int, out_channels: int, stride: int
) -> nn.Module:
    """Return max pooling, then a 1x1 convolution unit if the channels change."""
    return _pooling(nn.MaxPool2d, kernel, in_channels, out_channels, stride)


def average_pooling(
    kernel: Sequence[int], in_channels: int, out_channels: int, stride: int
) -> nn.Module:
    """Return average pooling that ignores padding, then a 1x1 unit if the channels change."""
    return _pooling(_AveragePool, kernel, in_channels, out_channels, stride)


def conv_unit(
    kernel: Sequence[int], in_channels: int, out_channels: int, stride: int, *, dilation: int = 1
) -> nn.Sequential:
    """Return convolution (with bias, "same" padding), batch normalisation and SiLU."""
    conv = _same_conv(kernel, in_channels, out_channels, stride, dilation=dilation)
    return nn.Sequential(*conv, *_normalise(out_channels))


def _normalise(channels: int) -> tuple[nn.Module, nn.Module]:
    return (
        nn.BatchNorm2d(channels, eps=BATCH_NORM_EPS, momentum=BATCH_NORM_MOMENTUM),
        nn.SiLU(),
    )


def _same_conv(
    kernel: Sequence[int],
    in_channels: int,
    out_channels: int,
    stride: int,
    *,
    groups: int = 1,
    bias: bool = True,
    dilation: int = 1,
) -> list[nn.Module]:
    # The pixels that a dilated kernel reaches over.
    height, width = (dilation * (size - 1) + 1 for size in kernel)
    odd = height % 2 == 1 and width % 2 == 1
    layers: list[nn.Module] = []
    if stride > 1 and height == width == 1:
        # Pixels are picked before they are mixed: faster than a strided 1x1 convolution, whose
        # gradient in oneDNN also writes out of bounds (channels last, two threads, odd batches;
        # PyTorch 2.14).
        layers.append(nn.AvgPool2d(1, stride))
        stride = 1
    elif not odd:  # an even kernel needs one more pixel on one side, as TensorFlow pads
        layers.append(nn.ZeroPad2d(((width - 1) // 2, width // 2, (height - 1) // 2, height // 2)))
    conv = nn.Conv2d(
        in_channels,
        out_channels,
        (kernel[0], kernel[1]),
        stride=stride,
        padding=(height // 2, width // 2) if odd else 0,
        dilation=dilation,
        groups=groups,
        bias=bias,
    )
    layers.append(_initialise(conv, fan_in=conv.weight[0].numel()))
    return layers


def _initialise(
    conv: nn.Conv2d | nn.ConvTranspose2d, *, fan_in: int
) -> nn.Conv2d | nn.ConvTranspose2d:
    # He's uniform initialisation, as in the original program.
    bound = (6 / fan_in) ** 0.5
    nn.init.uniform_(conv.weight, -bound, bound)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return conv


class _AveragePool(nn.AvgPool2d):
    def __init__(
        self,
        kernel_size: tuple[int, int],
        stride: int,
        padding: tuple[int, int],
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, ceil_mode, count_include_pad=False)


def _pooling(
    pool: type[nn.MaxPool2d] | type[_AveragePool],
    kernel: Sequence[int],
    in_channels: int,
    out_channels: int,
    stride: int,
) -> nn.Module:
    height, width = kernel
    even = (height % 2 == 0, width % 2 == 0)
    layers: list[nn.Module] = []
    if stride == 2:
        layers.append(pool((height, width), 2, _halves(kernel), ceil_mode=any(even)))
        if even[0] != even[1]:
            layers.append(_Cropped(layers.pop(), 2, (0, 0)))
    elif not any(even):
        layers.append(pool((height, width), 1, _halves(kernel)))
    elif pool is nn.MaxPool2d or all(size in (1, 2) or size % 2 for size in kernel):
        # Padding first is 2 to 4 times as fast, gradient included, as padding on both sides and
        # cutting one row off. Repeated edges leave the average of 2 pixels what it is without.
        before, after = _halves(kernel), (height // 2, width // 2)
        sides = [(a, b) if e else (0, 0) for a, b, e in zip(before, after, even)]
        amounts = (*sides[1], *sides[0])
        layers.append(
            nn.ConstantPad2d(amounts, float("-inf"))
            if pool is nn.MaxPool2d
            else nn.ReplicationPad2d(amounts)
        )
        rest = (0 if even[0] else before[0], 0 if even[1] else before[1])
        layers.append(pool((height, width), 1, rest))
    else:  # one row too many: the one before the first
        padded = pool((height, width), 1, (height // 2, width // 2))
        layers.append(_Cropped(padded, 1, (int(even[0]), int(even[1]))))
    if in_channels != out_channels:
        layers.append(conv_unit((1, 1), in_channels, out_channels, 1))
    return layers[0] if len(layers) == 1 else nn.Sequential(*layers)


def _halves(kernel: Sequence[int]) -> tuple[int, int]:
    return (kernel[0] - 1) // 2, (kernel[1] - 1) // 2


class _Cropped(nn.Module):
    """Pooling whose result is cut to ``ceil(size / stride)``, starting at an offset (a view)."""

    def __init__(self, pool: nn.Module, stride: int, offset: tuple[int, int]) -> None:
        super().__init__()
        self.pool = pool
        self.stride = stride
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (-(-size // self.stride) for size in x.shape[2:])
        top, left = self.offset
        pooled: Tensor = self.pool(x)
        return pooled[:, :, top : top + rows, left : left + columns]

    def extra_repr(self) -> str:
        return f"stride={self.stride}, offset={self.offset}"


def drop_paths(first: Tensor, second: Tensor, probability: Tensor) -> tuple[Tensor, Tensor]:
    """Drop one of two paths for some images of a batch, never both (scheduled drop path).

    Each path is dropped with the given probability; what is kept is scaled up, so that the
    expectation stays the same.

    Args:
        first: ``(N, C, H, W)``.
        second: ``(N, C', H, W)``.
        probability: A scalar tensor, at most 0.5.
    """
    draw = torch.rand((len(first), 1, 1, 1), dtype=torch.float32, device=first.device)
    scale = 1 / (1 - probability)
    return (
        first * ((draw >= probability) * scale).to(first.dtype),
        second * ((draw < 1 - probability) * scale).to(second.dtype),
    )
