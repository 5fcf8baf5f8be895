"""A cell in two dozen numbers that mean the same in every space: size, depth, what it is made of.

They name no operator, only families and kernels. So they say something of operators that nobody
has trained, and of what other searches found. All need no measurement.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from optuna_popnas.predictors.features.columns import Columns
from optuna_popnas.predictors.features.columns import columns
from optuna_popnas.predictors.features.sizes import generic_costs
from optuna_popnas.space import CellBatch
from optuna_popnas.space.grammar import Grammar
from optuna_popnas.space.operators import parse_operator


#: Families whose share of the slots is a descriptor; users' own operators are the last.
FAMILIES = ("identity", "dconv", "spatial conv", "conv", "maxpool", "avgpool", "other")

#: The columns of :func:`descriptors`.
DESCRIPTORS: tuple[str, ...] = (
    "log parameters",
    "log FLOPs",
    "deepest path",
    "blocks",
    "concat inputs",
    "shortest path",
    "mean path",
    "widest kernels on a path",
    "log of paths",
    "reads lookback -1",
    "reads farther lookbacks",
    "reads blocks",
    "cells built less often",
    *(f"share of {family}" for family in FAMILIES),
)

# Layers that an operator adds to a path, where it is not one.
_LAYERS = {"identity": 0.0, "spatial conv": 2.0, "maxpool": 0.0, "avgpool": 0.0}


class _Worth(NamedTuple):
    """What operators add to a path, ``(o,)`` each, and their families."""

    layers: npt.NDArray[np.float64]
    reach: npt.NDArray[np.float64]
    family: npt.NDArray[np.intp]


@lru_cache(maxsize=64)
def _worth(names: tuple[str, ...]) -> _Worth:
    layers, reach, family = [], [], []
    for name in names:
        operator = parse_operator(name)
        kind = operator.family.name
        kind = kind if kind in FAMILIES else "conv" if "conv" in kind else "other"
        family.append(FAMILIES.index(kind))
        layers.append(_LAYERS.get(kind, 1.0))
        reach.append(float(max(operator.kernel, default=1) - 1))
    return _Worth(np.array(layers), np.array(reach), np.array(family))


def descriptors(batch: CellBatch) -> npt.NDArray[np.float64]:
    """Return the descriptors of some cells.

    Args:
        batch: Cells in canonical form.

    Returns:
        ``(n, d)``, the columns of :data:`DESCRIPTORS`.
    """
    found = np.zeros((len(batch), len(DESCRIPTORS)))
    found[:, :2] = generic_costs(batch)
    for rows, chunk in columns(batch):
        _fill(found[rows], chunk, batch.space)
    return found


def _fill(found: npt.NDArray[np.float64], chunk: Columns, space: Grammar) -> None:
    blocks, _, size = chunk.inputs.shape
    worth = _worth(tuple(space.operators))
    count = chunk.present.sum(axis=0)
    slots = 2.0 * np.maximum(count, 1)
    deep, short, reach, total = np.zeros((4, blocks, size))
    paths = np.zeros((blocks, size))
    lookback = np.zeros((3, size))
    family = np.zeros((len(FAMILIES), size))
    for i in range(blocks):
        here = chunk.present[i]
        short[i] = np.inf
        for branch in range(2):
            operator = chunk.operators[i, branch].astype(np.intp)
            inner = chunk.inner[i, branch]
            layers = worth.layers[operator]

            before = [
                np.where(inner, chunk.pick(values, i, branch), 0.0)
                for values in (total, deep, short, reach)
            ]
            through = np.where(inner, chunk.pick(paths, i, branch), here)
            paths[i] += through
            total[i] += before[0] + through * layers
            np.maximum(deep[i], before[1] + layers, out=deep[i])
            np.minimum(short[i], before[2] + layers, out=short[i])
            np.maximum(reach[i], before[3] + worth.reach[operator], out=reach[i])
            lookback[0] += here & (chunk.inputs[i, branch] == -1)
            lookback[1] += here & (chunk.inputs[i, branch] < -1)
            lookback[2] += inner
            for index in range(len(FAMILIES)):
                family[index] += here & (worth.family[operator] == index)
    output = chunk.output
    all_paths = np.where(output, paths, 0.0).sum(axis=0)
    outputs = output.sum(axis=0)
    found[:, 2] = np.where(output, deep, 0.0).max(axis=0, initial=0.0)
    found[:, 3] = count
    found[:, 4] = np.where(outputs > 1, outputs, 0)
    shortest = np.where(output, short, np.inf).min(axis=0, initial=np.inf)
    found[:, 5] = np.where(np.isfinite(shortest), shortest, 0.0)
    found[:, 6] = np.where(output, total, 0.0).sum(axis=0) / np.maximum(all_paths, 1.0)
    found[:, 7] = np.where(output, reach, 0.0).max(axis=0, initial=0.0)
    found[:, 8] = np.log(np.maximum(all_paths, 1.0))
    found[:, 9:12] = (lookback / slots).T
    found[:, 12] = (lookback[0] == 0) & (count > 0)
    found[:, 13:] = (family / slots).T
