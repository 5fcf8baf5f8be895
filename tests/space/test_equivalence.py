"""Cell equivalence against brute force and against another program's isomorphism test."""

import itertools

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import networkx as nx
import numpy as np
import pytest

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace
from tests.space.strategies import cells
from tests.space.strategies import rearranged
from tests.space.strategies import SPACE


def brute_force_canonical(cell: Cell, operators: tuple[str, ...]) -> tuple[object, ...]:
    """The smallest encoding by trying every order of the blocks."""
    best = None
    for order in itertools.permutations(range(len(cell))):
        place = {block: position for position, block in enumerate(order)}
        encoding = []
        for position, block in enumerate(order):
            in1, op1, in2, op2 = cell[block]
            branches = sorted(
                (place[value] if value >= 0 else value, operators.index(name))
                for value, name in ((in1, op1), (in2, op2))
            )
            if branches[1][0] >= position or branches[0][0] >= position:
                break
            encoding.append((*branches[0], *branches[1]))
        else:
            best = encoding if best is None else min(best, encoding)
    assert best is not None
    return tuple(best)


def every_encoding(space: SearchSpace, blocks: int) -> list[Cell]:
    branches = [
        [(value, name) for value in space.inputs(i) for name in space.operators]
        for i in range(blocks)
    ]
    pairs = [list(itertools.product(choices, choices)) for choices in branches]
    return [
        Cell((*left, *right) for left, right in chosen) for chosen in itertools.product(*pairs)
    ]


@pytest.mark.parametrize(
    ("operators", "lookbacks", "blocks"), [(1, 1, 4), (1, 2, 3), (2, 1, 3), (3, 2, 2)]
)
def test_keys_partition_every_cell_of_a_small_space_as_brute_force_does(
    operators: int, lookbacks: int, blocks: int
) -> None:
    space = SearchSpace(PAPER_OPERATORS[:operators], max_blocks=blocks, lookbacks=lookbacks)
    encodings = every_encoding(space, blocks)
    batch = CellBatch.from_cells(space, encodings)
    truth = [brute_force_canonical(cell, space.operators) for cell in encodings]
    keys = batch.keys.tolist()
    assert len(set(zip(keys, truth))) == len(set(keys)) == len(set(truth))
    canonical = batch.canonical().encoding.tolist()
    assert [tuple(map(tuple, row)) for row in canonical] == truth


def graph(cell: Cell) -> nx.MultiDiGraph:
    result = nx.MultiDiGraph()
    for index, (in1, op1, in2, op2) in enumerate(cell):
        result.add_node(index, kind="block")
        for value, name in ((in1, op1), (in2, op2)):
            if value < 0:
                result.add_node(f"lookback {value}", kind=value)
                value = f"lookback {value}"
            result.add_edge(value, index, operator=name)
    return result


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_equivalence_is_graph_isomorphism(data: st.DataObject) -> None:
    # Two operators and little variety, so that pairs are often nearly equal.
    first = data.draw(cells(min_blocks=1, max_blocks=4, operators=2))
    second = data.draw(
        st.one_of(cells(min_blocks=1, max_blocks=4, operators=2), rearranged(first))
    )
    isomorphic = nx.is_isomorphic(
        graph(first),
        graph(second),
        node_match=nx.algorithms.isomorphism.categorical_node_match("kind", None),
        edge_match=nx.algorithms.isomorphism.categorical_multiedge_match("operator", None),
    )
    assert first.is_equivalent(second) == isomorphic


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_rearranging_a_cell_changes_neither_key_nor_canonical_form(data: st.DataObject) -> None:
    operators = data.draw(st.sampled_from([1, 2, 12]))
    cell = data.draw(cells(operators=operators))
    other = data.draw(rearranged(cell))
    batch = CellBatch.from_cells(SPACE, [cell, other])
    assert batch.keys[0] == batch.keys[1]
    assert cell.canonical() == other.canonical()
    assert cell.canonical().canonical() == cell.canonical()
    assert batch.canonical()[0] == batch.canonical()[1] == cell.canonical()


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_another_operator_is_another_cell(data: st.DataObject) -> None:
    cell = data.draw(cells(min_blocks=1, operators=4))
    block = data.draw(st.integers(0, len(cell) - 1))
    changed = list(cell)
    changed[block] = changed[block]._replace(op1="7x7 conv")
    assert not cell.is_equivalent(Cell(changed))


def test_six_twins_are_told_apart_only_by_what_reads_them() -> None:
    twin = (-1, "identity", -1, "identity")
    chain = Cell([twin] * 4 + [(0, "3x3 conv", 1, "3x3 conv"), (2, "3x3 conv", 3, "3x3 conv")])
    same = Cell([twin] * 4 + [(3, "3x3 conv", 0, "3x3 conv"), (1, "3x3 conv", 2, "3x3 conv")])
    other = Cell([twin] * 4 + [(0, "3x3 conv", 1, "3x3 conv"), (1, "3x3 conv", 2, "3x3 conv")])
    assert chain.is_equivalent(same)
    assert not chain.is_equivalent(other)


def test_expansion_does_not_depend_on_the_order_of_the_parents() -> None:
    space = SearchSpace(PAPER_OPERATORS[:3], max_blocks=3)
    parents = space.expand(space.first_level())
    shuffled = parents.take(np.random.default_rng(0).permutation(len(parents)))
    assert np.array_equal(space.expand(parents).encoding, space.expand(shuffled).encoding)


def test_expansion_equals_the_set_of_all_children_made_one_by_one() -> None:
    space = SearchSpace(PAPER_OPERATORS[:2], max_blocks=4)
    rng = np.random.default_rng(1)
    parents = space.expand(space.first_level())
    parents = parents.take(rng.choice(len(parents), 12, replace=False))
    children = set()
    for parent in parents:
        for in1, op1, in2, op2 in space.new_blocks(2).tolist():
            names = space.operators
            child = Cell([*parent, (in1, names[op1], in2, names[op2])])
            children.add(brute_force_canonical(child, space.operators))
    found = {tuple(map(tuple, row)) for row in space.expand(parents).encoding.tolist()}
    assert found == children


def test_expansion_can_be_sampled() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    rng = np.random.default_rng(0)
    sample = space.expand(space.first_level(), max_encodings=1000, rng=rng)
    assert 900 < len(sample) <= 1000
    everything = set(space.expand(space.first_level()).keys.tolist())
    assert set(sample.keys.tolist()) <= everything


def test_expansion_can_keep_equivalent_cells() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    assert len(space.expand(space.first_level(), merge_equivalent=False)) == 199_800


def test_keys_are_the_same_on_every_machine() -> None:
    # Stored plans are compared by key: a change of the hash would orphan running studies.
    cell = Cell([(-2, "3x3 conv", -1, "2x2 maxpool"), (0, "identity", -1, "1x1 conv")])
    batch = CellBatch.from_cells(SPACE, [cell, Cell()])
    assert batch.keys.tolist() == GOLDEN_KEYS


GOLDEN_KEYS = [12475639176416306835, 16294208416658607535]


@pytest.mark.parametrize("pairs", [3, 8, 10])
def test_cells_with_many_symmetries(pairs: int) -> None:
    """Every order of blocks that are alike was followed: as many as a factorial says.

    Here are ``pairs`` equal blocks, each read by a block of its own; all orders are the same cell.
    """
    rng = np.random.default_rng(pairs)
    cells = []
    for _ in range(5):
        order = rng.permutation(pairs)
        twins = [(-1, "identity", -1, "identity")] * pairs
        cells.append(Cell((*twins, *((int(i), "identity", -1, "identity") for i in order))))
    space = SearchSpace(["identity"], max_blocks=2 * pairs, lookbacks=1)
    batch = CellBatch.from_cells(space, cells)
    assert len(batch.unique()) == 1
    expected = [*twins, *((i, "identity", -1, "identity") for i in range(pairs))]
    canonical = batch.canonical()[0]
    assert sorted((b.in1, b.in2) for b in canonical) == sorted((-1, b[0]) for b in expected)


@pytest.mark.parametrize("blocks", [7, 9])
def test_deep_cells_against_every_choice(blocks: int) -> None:
    """Choices that are left out change no result: the smallest of all orders is found."""
    space = SearchSpace(["identity"], max_blocks=blocks, lookbacks=1)
    rng = np.random.default_rng(blocks)
    some = space.random_cells(blocks, 40, rng=rng)
    encoding = some.encoding.copy()
    encoding[:, : blocks // 2 + 1, 0::2] = -1  # twins
    batch = CellBatch(space, encoding)
    shuffled = CellBatch.from_cells(space, [_rearranged(cell, rng) for cell in batch])
    np.testing.assert_array_equal(batch.canonical().encoding, shuffled.canonical().encoding)


def _rearranged(cell: Cell, rng: np.random.Generator) -> Cell:
    """The same cell with its blocks in another order that is allowed."""
    place: dict[int, int] = {}
    while len(place) < len(cell):
        ready = [
            i
            for i, block in enumerate(cell)
            if i not in place and all(v < 0 or v in place for v in (block.in1, block.in2))
        ]
        place[int(rng.choice(ready))] = len(place)
    at = {**place, **{-1: -1, -2: -2}}
    blocks = [cell[old] for old in place]
    return Cell((at[b.in2], b.op2, at[b.in1], b.op1) for b in blocks)
