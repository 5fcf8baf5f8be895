"""Parameter counts of the thesis' networks, counted as Keras counts them (Sec. 4.2)."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from optuna_popnas.networks import build_network
from optuna_popnas.networks import cell_costs
from optuna_popnas.networks import NetworkConfig
from optuna_popnas.space import Cell
from optuna_popnas.space import PAPER_OPERATORS
from optuna_popnas.space.operators import parse_operator


SYMMETRIC = {
    "identity": 14_314,
    "2x2 maxpool": 14_314,
    "2x2 avgpool": 14_314,
    "1x1 conv": 64_666,
    "3x3 dconv": 71_632,
    "5x5 dconv": 84_016,
    "7x7 dconv": 102_592,
    "1x3-3x1 conv": 401_530,
    "1x5-5x1 conv": 662_170,
    "1x7-7x1 conv": 922_810,
    "3x3 conv": 535_834,
    "5x5 conv": 1_478_170,
}
OTHERS = {"3x3 dilated conv": 535_834, "2x3-4x5 conv": 1_792_426}


def count_as_keras(module: nn.Module) -> int:
    """Parameters and running statistics: Keras counts 4 numbers per normalised channel."""
    statistics = sum(
        2 * layer.num_features for layer in module.modules() if isinstance(layer, nn.BatchNorm2d)
    )
    return statistics + sum(parameter.numel() for parameter in module.parameters())


def check(cell: Cell, image_size: int, count: int) -> None:
    network = build_network(cell, in_channels=3, classes=10)
    assert count_as_keras(network) == count
    costs = cell_costs([cell], in_channels=3, classes=10, image_size=image_size)
    assert costs.parameters[0] == sum(p.numel() for p in network.parameters())


def test_section_4_2_skip_only_cell() -> None:
    check(Cell([(-2, "3x3 conv", -2, "3x3 conv")]), 32, 296_602)


def test_section_4_2_four_block_cell() -> None:
    cell = Cell(
        [
            (-2, "2x2 maxpool", -1, "3x3 conv"),
            (-2, "3x3 conv", -1, "3x3 conv"),
            (0, "2x2 maxpool", 1, "2x2 maxpool"),
            (-2, "1x7-7x1 conv", 0, "3x3 conv"),
        ]
    )
    check(cell, 64, 1_667_098)


def test_table_5_3_cell() -> None:
    cell = Cell(
        [
            (-2, "3x3 conv", -1, "2x2 maxpool"),
            (-1, "2x2 maxpool", -1, "1x7-7x1 conv"),
            (0, "3x3 conv", -1, "1x7-7x1 conv"),
        ]
    )
    check(cell, 32, 1_603_162)


def test_section_4_3_empty_cell() -> None:
    check(Cell(), 32, 40)


@pytest.mark.parametrize("operator", [*PAPER_OPERATORS, *OTHERS])
def test_section_4_1_symmetric_cells(operator: str) -> None:
    check(Cell([(-1, operator, -1, operator)]), 32, {**SYMMETRIC, **OTHERS}[operator])


def test_stem_for_large_images() -> None:
    """The first cells read 24 channels instead of 3, after convolutions of 384 and 2,712."""
    cell = Cell([(-1, "3x3 conv", -1, "3x3 conv")])
    config = NetworkConfig().for_images((96, 128))
    assert config.stem == "imagenet" and NetworkConfig().for_images((95, 128)).stem == "none"
    network = build_network(cell, config, in_channels=3, classes=10)
    assert count_as_keras(network) == 535_834 + 2 * 9 * 21 * 24 + 384 + 2_712 == 548_002
    costs = cell_costs([cell], in_channels=3, classes=10, image_size=(96, 128))
    assert costs.parameters[0] == sum(p.numel() for p in network.parameters())
    # The cells see a quarter of each side; the stem 48 x 64 and 24 x 32 pixels.
    plain = NetworkConfig(stem="none")
    inner = cell_costs([cell], plain, in_channels=24, classes=10, image_size=(24, 32)).flops[0]
    stem = 2 * (9 * 3 * 12 * 48 * 64 + 9 * 12 * 24 * 24 * 32)
    assert costs.flops[0] == inner + stem
    assert network.eval()(torch.zeros(2, 3, 96, 128)).shape == (2, 10)
    # Motifs that need all of the pixels keep them.
    assert NetworkConfig(motifs=6).for_images((96, 96)).stem == "none"


def test_dilated_convolution_leaves_out_every_other_pixel() -> None:
    conv = parse_operator("3x3 dilated conv").build(2, 3, 1)[0]
    wide = torch.zeros(3, 2, 5, 5)
    wide[:, :, ::2, ::2] = conv.weight.detach()
    images = torch.randn(1, 2, 7, 6)
    expected = torch.nn.functional.conv2d(images, wide, conv.bias, padding=2)
    torch.testing.assert_close(conv(images), expected)
