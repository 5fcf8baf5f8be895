"""Golden numbers of Sec. 4.1, each test named after its section."""

import math

import pytest

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace


PAPER_SPACE = SearchSpace(PAPER_OPERATORS, max_blocks=5, lookbacks=2)


def test_section_4_1_twelve_operators() -> None:
    assert len(PAPER_OPERATORS) == 12


def test_section_4_1_1_blocks_keep_the_symmetry_rule() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=3)
    for index in range(3):
        in1, op1, in2, op2 = space.new_blocks(index).T
        assert ((in2 >= in1) & ((in2 != in1) | (op2 >= op1))).all()
        assert len({tuple(block) for block in space.new_blocks(index).tolist()}) == len(in1)


def test_section_4_1_3_blocks_that_can_be_added() -> None:
    sizes = [len(PAPER_SPACE.new_blocks(index)) for index in range(5)]
    assert sizes == [300, 666, 1176, 1830, 2628]
    assert [level.new_blocks for level in PAPER_SPACE.profile()] == sizes


def test_section_4_1_3_upper_bound() -> None:
    bound = PAPER_SPACE.profile()[-1].upper_bound
    assert bound == 300 * 666 * 1176 * 1830 * 2628
    assert f"{bound:.2e}" == "1.13e+15"


def test_section_4_1_3_first_level() -> None:
    assert len(PAPER_SPACE.first_level()) == 300


def test_section_4_1_2_two_block_cells() -> None:
    first = PAPER_SPACE.first_level()
    assert len(first) * len(PAPER_SPACE.new_blocks(1)) == 199_800
    assert len(PAPER_SPACE.expand(first)) == 154_950


@pytest.mark.parametrize(("operators", "counts"), [(1, [3, 15, 97, 807]), (2, [10, 165, 3840])])
def test_section_4_1_2_distinct_cells(operators: int, counts: list[int]) -> None:
    space = SearchSpace(PAPER_OPERATORS[:operators], max_blocks=4)
    cells = space.first_level()
    found = [len(cells)]
    while len(found) < len(counts):
        cells = space.expand(cells)
        found.append(len(cells))
    assert found == counts


def test_section_4_1_2_example_pair() -> None:
    c = Cell(
        [
            (-2, "3x3 conv", -1, "2x2 maxpool"),
            (0, "3x3 conv", -1, "2x2 maxpool"),
            (-2, "5x5 dconv", 1, "3x3 dconv"),
            (-1, "2x2 maxpool", -1, "identity"),
        ]
    )
    c_prime = Cell(
        [
            (-1, "2x2 maxpool", -1, "identity"),
            (-2, "3x3 conv", -1, "2x2 maxpool"),
            (1, "3x3 conv", -1, "2x2 maxpool"),
            (-2, "5x5 dconv", 2, "3x3 dconv"),
        ]
    )
    assert c != c_prime
    assert c.is_equivalent(c_prime)
    assert c.canonical() == c_prime.canonical()
    keys = CellBatch.from_cells(PAPER_SPACE, [c, c_prime]).keys
    assert keys[0] == keys[1]


def test_section_4_1_2_identity_of_referenced_blocks() -> None:
    # The recursive value rule of the text calls these two equal; their graphs differ.
    a = (-1, "3x3 conv", -1, "3x3 conv")
    both = Cell([a, a, (0, "identity", 1, "1x1 conv")])
    one = Cell([a, a, (0, "identity", 0, "1x1 conv")])
    other = Cell([a, a, (1, "identity", 1, "1x1 conv")])
    assert not both.is_equivalent(one)
    assert one.is_equivalent(other)


def test_profile_matches_the_formula_of_section_4_1_3() -> None:
    for level in SearchSpace(PAPER_OPERATORS[:5], max_blocks=4, lookbacks=3).profile():
        everything = level.inputs**2 * 5**2
        symmetric = level.inputs * 5
        assert level.new_blocks == (everything + symmetric) // 2
    assert math.prod(
        level.new_blocks for level in SearchSpace(PAPER_OPERATORS[:5], max_blocks=2).profile()
    ) == (SearchSpace(PAPER_OPERATORS[:5], max_blocks=2).profile()[1].upper_bound)
