"""The attention-BiLSTMs of an ensemble, applied to hundreds of thousands of cells.

The same function as :func:`~optuna_popnas.predictors.lstm_network.forward`, arranged for speed:
what a block adds is looked up, cells lie along the last axis, so that each operation runs over
contiguous numbers, and all memory is taken once.
"""

from __future__ import annotations

import torch
from torch import Tensor

from optuna_popnas.predictors.lstm_network import map_blocks
from optuna_popnas.predictors.lstm_network import Parameters


class EnsemblePrediction:
    """Accuracies of cells whose blocks are among some known ones.

    Args:
        parameters: Parameters of ``m`` networks.
        codes: ``(k, 4)`` tokens of the distinct blocks.
        blocks: Blocks per cell (B).
        size: Cells per call.
    """

    def __init__(self, parameters: Parameters, codes: Tensor, blocks: int, size: int) -> None:
        models, units = len(parameters.head), parameters.recurrent.shape[1]
        width = parameters.kernel.shape[1]
        self.size = size
        self._models, self._units, self._width, self._blocks = models, units, width, blocks
        # Embedding and convolutions of each block, worked out once: (m, 2 f, k)
        known = map_blocks(parameters, codes.expand(models, -1, -1))
        self._table = known.transpose(1, 2).contiguous()
        # tanh(x) = 2 sigmoid(2 x) - 1: with the candidate doubled, one sigmoid opens all gates.
        double = torch.ones(8, units)
        double[3::4] = 2
        flat = double.view(-1)
        kernel = (parameters.kernel * flat).transpose(1, 2).reshape(-1, 4 * units, width)
        recurrent = (parameters.recurrent * flat[: 4 * units]).transpose(1, 2)
        self._kernel = torch.cat([kernel, recurrent], dim=2).contiguous()  # (2 m, 4 u, f + u)
        self._bias = (parameters.bias * flat).reshape(-1, 4 * units, 1)
        self._head = parameters.head.transpose(1, 2)
        self._head_bias = parameters.head_bias

        self._mapped = torch.empty(models, 2 * width, blocks * size)
        self._products = torch.empty(models, width, blocks, size)
        self._weights = torch.empty(models, blocks, blocks, size)
        self._attended = torch.empty(models, width, blocks, size)
        self._series = torch.empty(2 * models, width + units, size)  # a step's input, the state
        self._gates = torch.empty(2 * models, 4 * units, size)
        self._memory = torch.empty(2 * models, units, size)
        self._squashed = torch.empty(2 * models, units, size)

    def __call__(self, numbers: Tensor) -> Tensor:
        """Return ``(m, size)`` accuracies of cells given as ``(size, B)`` block numbers."""
        torch.index_select(self._table, 2, numbers.t().reshape(-1), out=self._mapped)
        self._attend()
        for step in range(self._blocks):
            self._read(step)
        models, units = self._models, self._units
        state = self._series[:, self._width :].reshape(models, 2 * units, self.size)
        return torch.baddbmm(self._head_bias, self._head, state)[:, 0].sigmoid()

    def _attend(self) -> None:
        blocks, width = self._blocks, self._width
        mapped = self._mapped.view(self._models, 2 * width, blocks, self.size)
        query, key = mapped[:, :width], mapped[:, width:]
        weights, products = self._weights, self._products
        for i in range(blocks):
            torch.mul(key, query[:, :, i : i + 1], out=products)
            torch.sum(products, 1, out=weights[:, i])
        weights.sub_(weights.amax(2, keepdim=True)).exp_()
        weights.div_(weights.sum(2, keepdim=True))
        for i in range(blocks):
            torch.mul(key, weights[:, i].unsqueeze(1), out=products)
            torch.sum(products, 2, out=self._attended[:, :, i])

    def _read(self, step: int) -> None:
        """One step of all LSTMs: the forward ones start with the first block, the others last."""
        units, width, first = self._units, self._width, step == 0
        series = self._series.view(self._models, 2, width + units, self.size)
        series[:, 0, :width] = self._attended[:, :, step]
        series[:, 1, :width] = self._attended[:, :, self._blocks - 1 - step]
        known = width if first else width + units
        torch.baddbmm(
            self._bias, self._kernel[:, :, :known], self._series[:, :known], out=self._gates
        )
        admit, keep, show, candidate = self._gates.sigmoid_().chunk(4, dim=1)
        candidate.mul_(2).sub_(1)
        if first:
            torch.mul(admit, candidate, out=self._memory)
        else:
            self._memory.mul_(keep).addcmul_(admit, candidate)
        torch.mul(self._memory, 2, out=self._squashed)
        self._squashed.sigmoid_().mul_(2).sub_(1)
        torch.mul(show, self._squashed, out=self._series[:, width:])
