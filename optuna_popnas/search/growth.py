"""Candidates of every depth, grown block by block in the predictors' eyes.

Nothing is trained for it: from the cells that look best at one depth, trained or not, those of the
next depth are made. So the deepest cells are in sight before a second has been spent, and going
back to shallower ones is ordinary. The space is never enumerated.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from optuna_popnas.search.beliefs import Estimates
from optuna_popnas.search.beliefs import join
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


Floats = npt.NDArray[np.float64]
#: Returns what is believed of cells, and how good they look: ``(n, k)``, a column per aim.
Judge = Callable[[CellBatch], tuple[Estimates, Floats]]

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
) -> Estimates:
    """Return candidates of all depths, canonical, by key, none of them known.

    Args:
        space: The search space.
        known: Trained and running cells, canonical.
        judge: Says which cells are worth to grow.
        rng: Samples children where there are too many.
        children: How many cells are judged per depth.
    """
    pool, scores = judge(_unknown(space.first_level(), known))
    levels = [pool]
    for blocks in range(1, space.max_blocks):
        deeper, same = (known.take(known.lengths == length) for length in (blocks + 1, blocks))
        parents = CellBatch.concatenate(
            [
                _best(pool.cells, scores),
                _best(same, judge(same)[1]),
                *_without_a_block(space, _best(deeper, judge(deeper)[1]), blocks),
            ]
        ).unique()
        if len(parents) == 0:
            break
        most = min(children, _PER_PARENT * len(parents))
        grown = space.expand(parents, max_encodings=most, rng=rng)
        pool, scores = judge(_unknown(grown, known))
        levels.append(pool)
    found = join(levels)
    return found.take(np.argsort(found.cells.keys))


def _unknown(cells: CellBatch, known: CellBatch) -> CellBatch:
    return cells.take(~np.isin(cells.keys, known.keys))


def _best(cells: CellBatch, scores: Floats) -> CellBatch:
    """Return the best cells by each aim in turn."""
    rows = {
        int(row) for column in scores.T for row in np.lexsort([cells.keys, -column])[:_PARENTS]
    }
    return cells.take(sorted(rows))


def _without_a_block(space: SearchSpace, cells: CellBatch, blocks: int) -> list[CellBatch]:
    """Return what is left of cells of ``blocks + 1`` when a block that no other reads goes."""
    found = []
    for gone in range(blocks + 1 if len(cells) else 0):
        free = ~(cells.inputs[:, : blocks + 1] == gone).any(axis=(1, 2))
        left = np.delete(cells.encoding[free, : blocks + 1], gone, axis=1)
        left[:, :, 0::2] -= left[:, :, 0::2] > gone
        found.append(CellBatch(space, left))
    return found
