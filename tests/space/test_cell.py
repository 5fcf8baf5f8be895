"""Cells, blocks and their notation."""

from hypothesis import given
import pytest

from optuna_popnas import Block
from optuna_popnas import Cell
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace
from tests.space.strategies import cells


@given(cells())
def test_notation_round_trip(cell: Cell) -> None:
    assert Cell.parse(str(cell)) == cell


def test_notation_is_the_thesis_form() -> None:
    cell = Cell([(-2, "3x3 conv", -1, "2x2 maxpool"), (0, "identity", -1, "1x7-7x1 conv")])
    assert str(cell) == (
        "[(-2, '3x3 conv', -1, '2x2 maxpool'), (0, 'identity', -1, '1x7-7x1 conv')]"
    )
    assert str(Cell()) == "[]"
    assert Cell.parse("[]") == Cell()


def test_a_cell_is_a_frozen_sequence_of_blocks() -> None:
    cell = Cell([(-2, "3x3 conv", -1, "identity"), (0, "identity", 0, "identity")])
    assert len(cell) == 2
    assert cell[0] == Block(-2, "3x3 conv", -1, "identity")
    assert cell[0].in1 == -2 and cell[0].op2 == "identity"
    assert list(cell) == [cell[0], cell[1]]
    assert hash(cell) == hash(Cell(cell))
    with pytest.raises(AttributeError):
        cell.blocks = ()  # type: ignore[misc]
    assert cell.lookbacks == (-2, -1)
    assert cell.outputs == (1,)


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([(-1, "3x3 konv", -1, "identity")], "registered, but got '3x3 konv'"),
        ([(-1, "0x3 conv", -1, "identity")], "between 1 and 99, but got operator '0x3 conv'"),
        ([(-1, "1x3-0x1 conv", -1, "identity")], "between 1 and 99, but got operator '1x3-0x1"),
        ([(-1, "3x3  conv", -1, "identity")], "registered, but got '3x3  conv'"),
        ([(0, "identity", -1, "identity")], "`in1` of block 0 must be a lookback"),
        ([(-1, "identity", -1, "identity"), (-1, "identity", 1, "identity")], "block from 0 to 0"),
        ([(-1.0, "identity", -1, "identity")], "must be an integer, but got -1.0"),
        ([(True, "identity", -1, "identity")], "must be an integer, but got True"),
        ([(-1, "identity", -1)], "must be a tuple"),
        ([(-1, 3, -1, "identity")], "must be a string, but got 3"),
    ],
)
def test_bad_cells_name_rule_and_value(blocks: list[tuple[object, ...]], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Cell(blocks)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "5", "[(", "[(-1, conv, -1, conv)]", "None", "__import__('os')", "(" * 500]
)
def test_malformed_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be written as"):
        Cell.parse(text)


def test_canonical_follows_a_given_order_of_operators() -> None:
    cell = Cell([(-1, "3x3 conv", -1, "identity")])
    assert cell.canonical() == Cell([(-1, "identity", -1, "3x3 conv")])
    assert cell.canonical(["3x3 conv", "identity"]) == cell


def test_canonical_needs_every_operator() -> None:
    with pytest.raises(ValueError, match="must hold every operator of the cell, .* '3x3 conv'"):
        Cell([(-1, "3x3 conv", -1, "identity")]).canonical(["identity"])


@given(cells(min_blocks=1, max_blocks=4, operators=3))
def test_parents_are_the_cells_that_expand_into_this_one(cell: Cell) -> None:
    space = SearchSpace.of([cell], PAPER_OPERATORS[:3])
    assert all(len(parent) == len(cell) - 1 for parent in cell.parents())
    assert len(set(cell.parents())) == len(cell.parents()) >= 1
    for parent in cell.parents():
        assert cell.canonical(space.operators) in set(space.expand([parent]))


def test_only_blocks_that_nobody_reads_can_be_the_last() -> None:
    chain = Cell([(-1, "3x3 conv", -1, "3x3 conv"), (0, "identity", 0, "identity")])
    assert chain.parents() == (Cell(chain[:1]),)
    twins = Cell([(-1, "3x3 conv", -1, "3x3 conv")] * 2)
    assert twins.parents() == (Cell(twins[:1]),)
    assert Cell().parents() == ()


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
