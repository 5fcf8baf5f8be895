"""Every kernel against PyTorch's, outputs and gradients, over many shapes."""

from __future__ import annotations

import ctypes
from typing import Any

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import pytest
import torch
from torch import nn
from torch import Tensor
from torch.nn import functional as F

from optuna_popnas.training.kernels import find_library
from optuna_popnas.training.kernels.functions import AveragePool
from optuna_popnas.training.kernels.functions import Convolution
from optuna_popnas.training.kernels.functions import MaxPool
from optuna_popnas.training.kernels.functions import NormSiLU
from optuna_popnas.training.kernels.functions import Window


pytestmark = pytest.mark.skipif(find_library() is None, reason="needs a C compiler")

MANY = settings(max_examples=60, deadline=None, derandomize=True)


def library() -> ctypes.CDLL:
    found = find_library()
    assert found is not None
    return found


def random_tensor(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def assert_same(own: Tensor, other: Tensor) -> None:
    """Compare up to rounding, relative to the largest number."""
    assert own.shape == other.shape
    assert torch.isfinite(own).all()
    assert (own - other).abs().max() <= 1e-5 * (other.abs().max() + 1e-3)


def compare(run: Any, reference: Any, *inputs: Tensor) -> None:
    """Compare outputs and the gradients of all inputs."""
    gradients = []
    outputs = []
    for function in (run, reference):
        leaves = [tensor.clone().requires_grad_() for tensor in inputs]
        out = function(*leaves)
        out.backward(random_tensor(*out.shape, seed=5))
        outputs.append(out.detach())
        gradients.append([leaf.grad for leaf in leaves])
    assert_same(*outputs)
    for own, other in zip(*gradients):
        assert own is not None and other is not None
        assert_same(own, other)


@MANY
@given(
    batch=st.integers(1, 3),
    groups=st.integers(1, 3),
    inside=st.sampled_from([1, 2, 3, 7, 8, 9, 13, 16, 24]),
    outside=st.sampled_from([8, 16, 24, 40]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 11)),
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    stride=st.integers(1, 2),
    layout=st.sampled_from([torch.channels_last, torch.contiguous_format]),
)
def test_convolution(
    batch: int,
    groups: int,
    inside: int,
    outside: int,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: int,
    layout: torch.memory_format,
) -> None:
    top, left = (kernel[0] - 1) // 2, (kernel[1] - 1) // 2
    bottom, right = kernel[0] // 2, kernel[1] // 2
    window = Window(kernel, stride, top, left, bottom, right)
    x = random_tensor(batch, groups * inside, *size).contiguous(memory_format=layout)
    weight = random_tensor(groups * outside, inside, *kernel, seed=1)
    weight = weight.contiguous(memory_format=layout)
    compare(
        lambda x, w: Convolution.apply(library(), x, w, window, groups),
        lambda x, w: F.conv2d(
            F.pad(x, (left, right, top, bottom)), w, stride=stride, groups=groups
        ),
        x,
        weight,
    )


@MANY
@given(
    batch=st.integers(1, 3),
    channels=st.sampled_from([8, 16, 24]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 18)),
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 9)),
    stride=st.integers(1, 2),
)
def test_depthwise_convolution(
    batch: int, channels: int, size: tuple[int, int], kernel: tuple[int, int], stride: int
) -> None:
    top, left = (kernel[0] - 1) // 2, (kernel[1] - 1) // 2
    bottom, right = kernel[0] // 2, kernel[1] // 2
    window = Window(kernel, stride, top, left, bottom, right)
    compare(
        lambda x, w: Convolution.apply(library(), x, w, window, channels),
        lambda x, w: F.conv2d(
            F.pad(x, (left, right, top, bottom)), w, stride=stride, groups=channels
        ),
        random_tensor(batch, channels, *size).contiguous(memory_format=torch.channels_last),
        random_tensor(channels, 1, *kernel, seed=1),
    )


@MANY
@given(
    batch=st.integers(1, 300),
    channels=st.sampled_from([8, 16, 24]),
    size=st.tuples(st.integers(1, 4), st.integers(1, 5)),
    mean=st.sampled_from([0.0, 5.0, -300.0]),
    deviation=st.sampled_from([0.01, 1.0, 40.0]),
)
def test_normalisation_with_silu(
    batch: int, channels: int, size: tuple[int, int], mean: float, deviation: float
) -> None:
    if batch * size[0] * size[1] == 1:
        return  # PyTorch refuses to normalise a single number
    z = random_tensor(batch, channels, *size) * deviation + mean
    own, other = (nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01) for _ in range(2))
    bias = random_tensor(channels, seed=2)
    gamma, beta = random_tensor(channels, seed=3), random_tensor(channels, seed=4)

    def exact(z: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        """In double precision; the running averages are those of PyTorch's float32."""
        other(z.detach() + bias[:, None, None])
        shifted = z.double() + bias.double()[:, None, None]
        out = F.batch_norm(shifted, None, None, gamma.double(), beta.double(), True, 0.0, 1e-3)
        return F.silu(out).float()

    inputs = (z.contiguous(memory_format=torch.channels_last), gamma, beta)
    if abs(mean) < 100 * deviation:  # else float32 has few digits left for what is normalised
        compare(
            lambda z, gamma, beta: NormSiLU.apply(library(), z, gamma, beta, own, bias),
            exact,
            *inputs,
        )
    else:
        NormSiLU.apply(library(), *inputs, own, bias)
        exact(*inputs)
    assert own.running_mean is not None and own.running_var is not None
    assert other.running_mean is not None and other.running_var is not None
    torch.testing.assert_close(own.running_mean, other.running_mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(own.running_var, other.running_var, rtol=1e-3, atol=1e-5)


def test_silu_far_from_zero() -> None:
    """The exponential neither overflows nor loses its tail."""
    norm = nn.BatchNorm2d(8)
    z = torch.linspace(-1, 1, 1000).view(1000, 1, 1, 1).repeat(1, 8, 1, 1)
    gamma, beta = torch.full((8,), 150.0), torch.zeros(8)
    own = NormSiLU.apply(library(), z, gamma, beta, norm, None)
    expected = F.silu(F.batch_norm(z.double(), None, None, gamma.double(), beta.double(), True))
    torch.testing.assert_close(own.double(), expected, rtol=1e-5, atol=1e-5)


@MANY
@given(
    maximum=st.booleans(),
    channels=st.sampled_from([1, 3, 8, 13, 24]),
    size=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    ceil=st.booleans(),
    whole=st.booleans(),
)
def test_pooling(
    maximum: bool,
    channels: int,
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: int,
    ceil: bool,
    whole: bool,
) -> None:
    padding = (kernel[0] // 2, kernel[1] // 2)
    if any(side + 2 * pad < k for side, pad, k in zip(size, padding, kernel)):
        return
    window = Window(kernel, stride, *padding, *padding, ceil)
    x = random_tensor(2, channels, *size).contiguous(memory_format=torch.channels_last)
    if whole:  # many equal numbers: the first one gets the gradient
        x = x.round()
    if maximum:
        compare(
            lambda x: MaxPool.apply(library(), x, window),
            lambda x: F.max_pool2d(x, kernel, stride, padding, ceil_mode=ceil),
            x,
        )
    else:
        compare(
            lambda x: AveragePool.apply(library(), x, window),
            lambda x: F.avg_pool2d(x, kernel, stride, padding, ceil, False),
            x,
        )


def test_inputs_are_not_changed() -> None:
    x, weight = random_tensor(2, 8, 4, 4), random_tensor(8, 8, 3, 3, seed=1)
    before = x.clone(), weight.clone()
    Convolution.apply(library(), x, weight, Window((3, 3), 1, 1, 1, 1, 1), 1)
    assert torch.equal(x, before[0]) and torch.equal(weight, before[1])


def test_an_input_that_needs_no_gradient_gets_none() -> None:
    x, weight = random_tensor(2, 3, 4, 4), random_tensor(8, 3, 1, 1, seed=1).requires_grad_()
    Convolution.apply(library(), x, weight, Window((1, 1), 1), 1).sum().backward()
    assert x.grad is None and weight.grad is not None
