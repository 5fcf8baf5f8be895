from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_popnas.networks import build_network
from optuna_popnas.networks import cell_costs
from optuna_popnas.networks import NetworkConfig
from optuna_popnas.networks.cost import operator_cost
from optuna_popnas.networks.measure import measure_operator
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.space import register_operator
from optuna_popnas.space import SearchSpace
from optuna_popnas.space import unregister_operator
from optuna_popnas.space.operators import _FAMILIES


OPERATORS = (
    *PAPER_OPERATORS,
    *(family.example for family in _FAMILIES if family.example not in PAPER_OPERATORS),
    "2x2 conv",
    "3x2 avgpool",
    "2x2 tconv",
    "2x2 dilated conv",
    "2x3-4x5 conv",
)


def measure(
    cell: Cell, config: NetworkConfig, in_channels: int, classes: int, size: tuple[int, int]
) -> tuple[int, int]:
    """Parameters of the module, and twice the MACs seen by forward hooks."""
    with torch.device("meta"):
        network = build_network(cell, config, in_channels=in_channels, classes=classes).eval()
        images = torch.empty(1, in_channels, *size)
    macs = 0

    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal macs
        if isinstance(module, nn.ConvTranspose2d):
            macs += module.weight[0].numel() * inputs[0].numel()
        elif isinstance(module, nn.Conv2d):
            macs += module.weight[0].numel() * output.numel()
        elif isinstance(module, nn.Linear):
            macs += module.weight.numel() * len(output)

    for module in network.modules():
        module.register_forward_hook(hook)
    with torch.no_grad():
        network(images)
    return sum(p.numel() for p in network.parameters()), 2 * macs


def random_cells(space: SearchSpace, count: int, rng: np.random.Generator) -> list[Cell]:
    cells = []
    for _ in range(count):
        blocks = []
        for index in range(rng.integers(0, space.max_blocks + 1)):
            in1, in2 = (int(v) for v in rng.choice(space.inputs(index), 2))
            op1, op2 = (str(name) for name in rng.choice(space.operators, 2))
            blocks.append((in1, op1, in2, op2))
        cells.append(Cell(blocks))
    return cells


def check(
    cells: Sequence[Cell],
    config: NetworkConfig,
    size: tuple[int, int] = (9, 12),
    in_channels: int = 3,
    **kwargs: Any,
) -> None:
    costs = cell_costs(
        cells, config, in_channels=in_channels, classes=7, image_size=size, **kwargs
    )
    assert costs.parameters.dtype == costs.flops.dtype == np.int64
    for row, cell in enumerate(cells):
        expected = measure(cell, config, in_channels, 7, size)
        assert (costs.parameters[row], costs.flops[row]) == expected, str(cell)


@pytest.mark.parametrize("lookbacks", [1, 2, 3])
def test_random_cells_of_the_paper_space(lookbacks: int) -> None:
    space = SearchSpace(max_blocks=5, lookbacks=lookbacks)
    cells = random_cells(space, 12, np.random.default_rng(lookbacks))
    check(CellBatch.from_cells(space, cells), NetworkConfig(), size=(32, 32))


@pytest.mark.parametrize(
    "config",
    [
        NetworkConfig(motifs=1, normal_cells=1, filters=3),
        NetworkConfig(motifs=2, normal_cells=3, filters=5, concat_all=True),
        NetworkConfig(motifs=3, normal_cells=1, filters=2, join="concat"),
        NetworkConfig(motifs=3, normal_cells=1, filters=4, multi_output=True, drop_path=0.2),
        NetworkConfig(motifs=2, filters=3, join="concat", concat_all=True, dropout=0.1),
    ],
)
def test_random_cells_with_every_option(config: NetworkConfig) -> None:
    space = SearchSpace(OPERATORS, max_blocks=4, lookbacks=3)
    check(random_cells(space, 12, np.random.default_rng(0)), config, space=space)


@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_any_cell_and_configuration(data: st.DataObject) -> None:
    space = SearchSpace(OPERATORS, max_blocks=4, lookbacks=data.draw(st.integers(1, 4)))
    blocks = []
    for index in range(data.draw(st.integers(0, 4))):
        value, name = st.sampled_from(space.inputs(index)), st.sampled_from(OPERATORS)
        blocks.append(data.draw(st.tuples(value, name, value, name)))
    config = NetworkConfig(
        motifs=data.draw(st.integers(1, 3)),
        normal_cells=data.draw(st.integers(1, 3)),
        filters=data.draw(st.integers(1, 6)),
        concat_all=data.draw(st.booleans()),
        multi_output=data.draw(st.booleans()),
        join=data.draw(st.sampled_from(["add", "concat"])),
    )
    side = st.integers(config.smallest_image, 17)
    check([Cell(blocks)], config, (data.draw(side), data.draw(side)), data.draw(st.integers(1, 4)))


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("stride", [1, 2])
def test_cost_functions_agree_with_the_measured_modules(name: str, stride: int) -> None:
    for channels in ((3, 6), (6, 6)):
        for size in ((8, 8), (7, 5)):
            expected = measure_operator(name, *channels, stride, *size)
            assert operator_cost(name, *channels, stride, *size) == expected


def test_own_operators_without_a_cost_function_are_measured() -> None:
    register_operator(
        "mix ([0-9]+)x([0-9]+)",
        lambda kernel, cin, cout, stride: nn.Conv2d(
            cin, cout, kernel, stride=stride, padding=(kernel[0] // 2, kernel[1] // 2), bias=False
        ),
        example="mix 3x3",
    )
    try:
        cell = Cell([(-2, "mix 3x3", -1, "mix 5x5"), (0, "mix 1x1", -1, "identity")])
        check([cell], NetworkConfig(motifs=2, filters=4))
    finally:
        unregister_operator("mix ([0-9]+)x([0-9]+)")


def test_own_operators_of_the_wrong_shape_are_named() -> None:
    register_operator("wrong", lambda kernel, cin, cout, stride: nn.Conv2d(cin, cout, 3))
    try:
        message = r"'wrong' must map \(1, 3, 8, 8\) to \(1, 4, 8, 8\).*but got \(1, 4, 6, 6\)"
        with pytest.raises(ValueError, match=message):
            operator_cost("wrong", 3, 4, 1, 8, 8)
    finally:
        unregister_operator("wrong")


def test_no_cells_and_the_empty_cell() -> None:
    costs = cell_costs([], in_channels=3, classes=10, image_size=32)
    assert costs.parameters.shape == costs.flops.shape == (0,)
    costs = cell_costs([Cell()], in_channels=3, classes=10, image_size=32)
    assert (costs.parameters[0], costs.flops[0]) == (40, 60)


def test_equivalent_cells_cost_the_same() -> None:
    space = SearchSpace(max_blocks=4)
    batch = CellBatch.from_cells(space, random_cells(space, 500, np.random.default_rng(3)))
    first, second = (
        cell_costs(cells, in_channels=1, classes=10, image_size=28)
        for cells in (batch, batch.canonical())
    )
    np.testing.assert_array_equal(first.parameters, second.parameters)
    np.testing.assert_array_equal(first.flops, second.flops)


def test_more_cells_than_are_counted_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    space = SearchSpace(max_blocks=3)
    batch = CellBatch.from_cells(space, random_cells(space, 50, np.random.default_rng(4)))
    whole = cell_costs(batch, in_channels=1, classes=10, image_size=28)
    monkeypatch.setattr("optuna_popnas.networks.cost._ROWS", 7)
    parts = cell_costs(batch, in_channels=1, classes=10, image_size=28)
    np.testing.assert_array_equal(whole.parameters, parts.parameters)
    np.testing.assert_array_equal(whole.flops, parts.flops)


def test_images_too_small() -> None:
    with pytest.raises(ValueError, match="at least 4x4 pixels for motifs=3.*but got 3x3"):
        cell_costs([Cell()], in_channels=3, classes=10, image_size=3)
