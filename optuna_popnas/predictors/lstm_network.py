"""The attention-BiLSTMs of Sec. 4.4.1, all of an ensemble at once.

The networks of the ensemble are small, and so are their two directions: one at a time they spend
their time between operations. Here the parameters of all ``m`` networks are stacked along a
first axis, both directions of the LSTMs too, so that each step is one batched product.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from optuna_popnas.space import CellBatch


class LSTMConfig(NamedTuple):
    """Sizes of a network (Sec. 6.1).

    Attributes:
        embedding: Numbers per input or operator.
        filters: Filters of the two convolutions: the width of queries and keys.
        units: Units of the LSTM, per direction.
    """

    embedding: int = 10
    filters: int = 16
    units: int = 48


class Parameters(NamedTuple):
    """Parameters of ``m`` networks, ``d = embedding``, ``f = filters``, ``u = units``.

    Attributes:
        input_table: ``(m, inputs + 1, d)``, row 0 for missing blocks.
        operator_table: ``(m, operators + 1, d)``, row 0 for missing blocks.
        convolutions: ``(m, 4 d, 2 f)`` weights of both 1-wide convolutions, query then key.
        convolution_bias: ``(m, 1, 2 f)``.
        kernel: ``(m, f, 8 u)`` input weights of the LSTM: forward, then backward; each
            direction's gates are input, forget, output, candidate.
        recurrent: ``(2 m, u, 4 u)`` recurrent weights: both directions of the first network,
            of the second one, ...
        bias: ``(m, 1, 8 u)``.
        head: ``(m, 2 u, 1)``.
        head_bias: ``(m, 1, 1)``.
    """

    input_table: Tensor
    operator_table: Tensor
    convolutions: Tensor
    convolution_bias: Tensor
    kernel: Tensor
    recurrent: Tensor
    bias: Tensor
    head: Tensor
    head_bias: Tensor


def tokens(batch: CellBatch) -> npt.NDArray[np.int64]:
    """Return ``(n, B, 4)``: in1, in2, op1, op2 of each block, 1-indexed; 0 where it is missing.

    ``B`` is ``max_blocks`` of the space.
    """
    n, width, _ = batch.encoding.shape
    out = np.zeros((n, batch.space.max_blocks, 4), dtype=np.int64)
    present = batch.present[:, :, None]
    out[:, :width, :2] = (batch.inputs + np.int64(batch.space.lookbacks + 1)) * present
    out[:, :width, 2:] = (batch.operators + np.int64(1)) * present
    return out


def initial(
    models: int, inputs: int, operators: int, config: LSTMConfig, generator: torch.Generator
) -> Parameters:
    """Draw parameters as Keras does, in which the thesis' program is written."""
    d, f, u = config

    def uniform(*shape: int, limit: float) -> Tensor:
        return (torch.rand(shape, generator=generator) * 2 - 1) * limit

    def glorot(count: int, fan_in: int, fan_out: int) -> Tensor:
        return uniform(count, fan_in, fan_out, limit=math.sqrt(6 / (fan_in + fan_out)))

    recurrent = torch.empty(2 * models, u, 4 * u)
    for part in recurrent:
        torch.nn.init.orthogonal_(part, generator=generator)
    kernels = glorot(2 * models, f, 4 * u).view(models, 2, f, 4 * u)
    bias = torch.zeros(models, 1, 2, 4, u)
    bias[:, :, :, 1] = 1  # the forget gate is open at first
    queries, keys = glorot(models, 4 * d, f), glorot(models, 4 * d, f)
    return Parameters(
        input_table=uniform(models, inputs + 1, d, limit=0.05),
        operator_table=uniform(models, operators + 1, d, limit=0.05),
        convolutions=torch.cat([queries, keys], dim=2),
        convolution_bias=torch.zeros(models, 1, 2 * f),
        kernel=kernels.transpose(1, 2).reshape(models, f, 8 * u),
        recurrent=recurrent,
        bias=bias.view(models, 1, 8 * u),
        head=glorot(models, 2 * u, 1),
        head_bias=torch.zeros(models, 1, 1),
    )


def forward(parameters: Parameters, codes: Tensor) -> Tensor:
    """Return ``(m, n)`` accuracies before the sigmoid.

    Args:
        parameters: Parameters of ``m`` networks.
        codes: ``(m, n, B, 4)`` tokens, other cells for each network.
    """
    models, n, blocks, _ = codes.shape
    mapped = map_blocks(parameters, codes.view(models, n * blocks, 4))
    width = mapped.shape[2]
    query, key = mapped.view(models * n, blocks, width).chunk(2, dim=2)
    weights = torch.bmm(query, key.transpose(1, 2)).softmax(dim=2)
    attended = torch.bmm(weights, key).view(models, n * blocks, width // 2)
    gates = torch.baddbmm(parameters.bias, attended, parameters.kernel)
    units = parameters.recurrent.shape[1]
    # (B, m, 2, n, 4 u), the backward direction last block first
    gates = gates.view(models, n, blocks, 2, 4 * units).permute(2, 0, 3, 1, 4)
    both = torch.stack([gates[:, :, 0], gates[:, :, 1].flip(0)], dim=2)
    steps = both.reshape(blocks, 2 * models, n, 4 * units)
    hidden = cell = None
    for step in steps:
        if hidden is not None:
            step = torch.baddbmm(step, hidden, parameters.recurrent)
        opened = step[:, :, : 3 * units].sigmoid()
        candidate = step[:, :, 3 * units :].tanh()
        admit, keep, show = opened.chunk(3, dim=2)
        cell = admit * candidate if cell is None else keep * cell + admit * candidate
        hidden = show * cell.tanh()
    assert hidden is not None
    features = hidden.view(models, 2, n, units).transpose(1, 2).reshape(models, n, 2 * units)
    return torch.baddbmm(parameters.head_bias, features, parameters.head)[:, :, 0]


def map_blocks(parameters: Parameters, codes: Tensor) -> Tensor:
    """From ``(m, k, 4)`` tokens of blocks to their ``(m, k, 2 f)`` queries and keys."""
    at = torch.arange(len(codes))[:, None, None]
    inputs = parameters.input_table[at, codes[..., :2]].flatten(2)
    operators = parameters.operator_table[at, codes[..., 2:]].flatten(2)
    embedded = torch.cat([inputs, operators], dim=2)
    return torch.baddbmm(parameters.convolution_bias, embedded, parameters.convolutions).relu()
