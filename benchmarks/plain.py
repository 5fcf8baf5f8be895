"""Straightforward implementations, one cell or one network at a time.

What the library computes for whole arrays is written here as one would write it down first. The
benchmarks time it, and the tests compare with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from itertools import permutations
import math

import torch
from torch import nn

from optuna_popnas import space as sp


def canonical_blocks(cell: sp.Cell, operators: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return the smallest encoding over all orders of the blocks, branches sorted."""
    index = {name: number for number, name in enumerate(operators)}
    best = None
    for order in permutations(range(len(cell))):
        place = {block: position for position, block in enumerate(order)}
        rows = []
        for position, block in enumerate(order):
            in1, op1, in2, op2 = cell[block]
            branches = sorted(
                [(place.get(in1, in1), index[op1]), (place.get(in2, in2), index[op2])]
            )
            if branches[1][0] >= position:
                break
            rows.append((*branches[0], *branches[1]))
        else:
            best = min(best, tuple(rows)) if best else tuple(rows)
    assert best is not None
    return best


def expand(space: sp.SearchSpace, cells: Sequence[sp.Cell]) -> list[sp.Cell]:
    """Return the distinct cells with one block more, built one by one."""
    found = {}
    for cell in cells:
        branches = [(i, op) for i in space.inputs(len(cell)) for op in space.operators]
        for (in1, op1), (in2, op2) in combinations_with_replacement(branches, 2):
            child = sp.Cell([*cell, sp.Block(in1, op1, in2, op2)])
            key = canonical_blocks(child, space.operators)
            if key not in found:
                names = space.operators
                found[key] = sp.Cell((a, names[p], b, names[q]) for a, p, b, q in key)
    return list(found.values())


def time_features(cell: sp.Cell, scores: Mapping[str, float], total_cells: int = 8) -> list[float]:
    """Return the nine features of Sec. 5.3.3 of one cell, in the order of Table 5.3."""
    if not len(cell):
        return [0, 0, 0, 0, 0, 0, 0, 1, 1]
    depth: list[int] = []
    below: list[set[int]] = []
    for block in cell:
        read = [value for value in (block.in1, block.in2) if value >= 0]
        depth.append(1 + max((depth[value] for value in read), default=0))
        below.append(set(read).union(*(below[value] for value in read)))
    total = sum(scores[name] for name in cell.operators)
    paths = []
    for output in cell.outputs:
        block = cell[output]
        for value, name in ((block.in1, block.op1), (block.in2, block.op2)):
            ancestors = {value, *below[value]} if value >= 0 else set()
            inner = sum(scores[cell[i].op1] + scores[cell[i].op2] for i in ancestors)
            paths.append(scores[name] + inner)
    slots = list(zip(cell.inputs, cell.operators))
    return [
        len(cell),
        math.ceil(total_cells / -max(cell.lookbacks)),
        total,
        len(cell.outputs) if len(cell.outputs) > 1 else 0,
        len(cell.lookbacks) > 1,
        max(depth),
        sum(value >= 0 for value in cell.inputs),
        max(paths) / total if total else 1,
        sum(scores[name] for value, name in slots if value < 0) / total if total else 1,
    ]


class AttentionLSTM(nn.Module):
    """One network of the accuracy predictor (Sec. 4.4.1), from PyTorch's own layers."""

    def __init__(
        self,
        inputs: int,
        operators: int,
        embedding: int = 10,
        filters: int = 16,
        units: int = 48,
    ) -> None:
        super().__init__()
        self.input_table = nn.Embedding(inputs + 1, embedding)
        self.operator_table = nn.Embedding(operators + 1, embedding)
        self.query = nn.Conv1d(4 * embedding, filters, 1)
        self.key = nn.Conv1d(4 * embedding, filters, 1)
        self.lstm = nn.LSTM(filters, units, batch_first=True, bidirectional=True)
        self.head = nn.Linear(2 * units, 1)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """From ``(n, B, 4)`` tokens to ``(n,)`` accuracies before the sigmoid."""
        inputs = self.input_table(codes[..., :2]).flatten(2)
        operators = self.operator_table(codes[..., 2:]).flatten(2)
        series = torch.cat([inputs, operators], dim=2).transpose(1, 2)
        query = self.query(series).relu().transpose(1, 2)
        key = self.key(series).relu().transpose(1, 2)
        attended = (query @ key.transpose(1, 2)).softmax(dim=2) @ key
        last: torch.Tensor = self.lstm(attended)[1][0]
        value: torch.Tensor = self.head(torch.cat([last[0], last[1]], dim=1))[:, 0]
        return value
