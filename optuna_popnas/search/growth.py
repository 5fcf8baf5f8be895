"""Candidates of every depth, grown block by block in the predictors' eyes.

Nothing is trained for it: from the cells that look best at one depth, trained or not, those of the
next depth are made. So the deepest cells are in sight before a second has been spent, and going
back to shallower ones is ordinary. The space is never enumerated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


Floats = npt.NDArray[np.float64]
#: Returns how good cells look, ``(n, k)``: one column per aim, more is better.
Judge = Callable[[CellBatch], Floats]

_PARENTS = 12  # per aim and depth
_CHILDREN = 2500  # looked at per depth
_PER_PARENT = 500


def grow(
    space: SearchSpace,
    known: CellBatch,
    judge: Judge,
    *,
    rng: np.random.Generator,
    children: int = _CHILDREN,
) -> CellBatch:
    """Return candidates of all depths, canonical, none of them known.

    Args:
        space: The search space.
        known: Trained and running cells, canonical.
        judge: Says which cells are worth to grow.
        rng: Samples children where there are too many.
        children: How many cells are judged per depth.
    """
    levels = [space.first_level()]
    for blocks in range(1, space.max_blocks):
        deeper = _best(known.take(known.lengths == blocks + 1), judge)
        parents = CellBatch.concatenate(
            [
                _best(levels[-1], judge),
                _best(known.take(known.lengths == blocks), judge),
                *_without_a_block(space, deeper, blocks),
            ]
        ).unique()
        if len(parents) == 0:
            break
        most = min(children, _PER_PARENT * len(parents))
        levels.append(space.expand(parents, max_encodings=most, rng=rng))
    pool = CellBatch.concatenate(levels).unique()
    return pool.take(~np.isin(pool.keys, known.keys))


def _best(cells: CellBatch, judge: Judge) -> CellBatch:
    """Return the best cells by each aim in turn."""
    if len(cells) <= _PARENTS:
        return cells
    scores = judge(cells)
    chosen = {
        int(row) for column in scores.T for row in np.lexsort([cells.keys, -column])[:_PARENTS]
    }
    return cells.take(sorted(chosen))


def _without_a_block(space: SearchSpace, cells: CellBatch, blocks: int) -> list[CellBatch]:
    """Return what is left of cells of ``blocks + 1`` when a block that no other reads goes."""
    found = []
    for gone in range(blocks + 1 if len(cells) else 0):
        free = ~(cells.inputs[:, : blocks + 1] == gone).any(axis=(1, 2))
        left = np.delete(cells.encoding[free, : blocks + 1], gone, axis=1)
        left[:, :, 0::2] -= left[:, :, 0::2] > gone
        found.append(CellBatch(space, left))
    return found
