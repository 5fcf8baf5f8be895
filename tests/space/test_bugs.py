"""Bugs that were found and mended, one test each."""

import numpy as np
import pytest

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import SearchSpace


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (
            [(-25, "identity", -1, "identity")],
            "`in1` of block 0 must be at least -20, but got -25",
        ),
        ([(-1, "identity", -1, "identity")] * 21, "must have at most 20 blocks, but got 21"),
    ],
)
def test_no_cell_is_beyond_every_space(
    blocks: list[tuple[int, str, int, str]], message: str
) -> None:
    """An enqueued trial with lookback -25 made a cell for which no space could be made.

    Reports and the status of its study then ended in an error about `lookbacks`.
    """
    with pytest.raises(ValueError, match=message):
        Cell(blocks)


def test_the_smallest_space_of_any_cells() -> None:
    """Five places made such a space, each with other rules for no cells at all."""
    cells = [
        Cell([(-3, "3x3 conv", -1, "identity")]),
        Cell([(-1, "3x3 conv", -1, "2x2 maxpool"), (0, "identity", -1, "identity")]),
        Cell(),
    ]
    assert SearchSpace.of(cells) == SearchSpace(
        ["3x3 conv", "identity", "2x2 maxpool"], max_blocks=2, lookbacks=3
    )
    assert SearchSpace.of(cells, ["5x5 conv", "identity"]).operators == (
        "5x5 conv",
        "identity",
        "3x3 conv",
        "2x2 maxpool",
    )
    assert SearchSpace.of([]) == SearchSpace(["identity"], max_blocks=1, lookbacks=1)
    assert np.unique(CellBatch.from_cells(SearchSpace.of(cells), cells).keys).size == 3
