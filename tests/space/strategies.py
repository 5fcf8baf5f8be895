"""Hypothesis strategies for cells, shared by the tests."""

from hypothesis import strategies as st

from optuna_popnas import Cell
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace


SPACE = SearchSpace(PAPER_OPERATORS, max_blocks=5, lookbacks=2)


@st.composite
def cells(draw: st.DrawFn, min_blocks: int = 0, max_blocks: int = 5, operators: int = 12) -> Cell:
    names = st.sampled_from(PAPER_OPERATORS[:operators])
    count = draw(st.integers(min_blocks, max_blocks))
    inputs = [st.sampled_from(SPACE.inputs(i)) for i in range(count)]
    return Cell((draw(i), draw(names), draw(i), draw(names)) for i in inputs)


@st.composite
def rearranged(draw: st.DrawFn, cell: Cell) -> Cell:
    """The same cell, its blocks in another valid order and branches swapped at random."""
    left = list(range(len(cell)))
    place: dict[int, int] = {}
    blocks = []
    while left:
        ready = [i for i in left if all(v < 0 or v in place for v in (cell[i].in1, cell[i].in2))]
        chosen = draw(st.sampled_from(ready))
        left.remove(chosen)
        in1, op1, in2, op2 = cell[chosen]
        branches = [(place.get(in1, in1), op1), (place.get(in2, in2), op2)]
        if draw(st.booleans()):
            branches.reverse()
        place[chosen] = len(blocks)
        blocks.append((*branches[0], *branches[1]))
    return Cell(blocks)
