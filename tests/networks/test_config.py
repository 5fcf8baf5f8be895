from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from optuna_popnas.networks import NetworkConfig


def test_section_6_1_defaults() -> None:
    config = NetworkConfig()
    assert (config.motifs, config.normal_cells, config.filters) == (3, 2, 24)
    assert config.total_cells == 8
    assert config.reductions == (2, 5)
    assert [config.filters_at(i) for i in range(8)] == [24, 24, 48, 48, 48, 96, 96, 96]


@pytest.mark.parametrize("motifs", [1, 2, 4])
@pytest.mark.parametrize("normal_cells", [1, 3])
def test_total_cells_and_reductions(motifs: int, normal_cells: int) -> None:
    config = NetworkConfig(motifs=motifs, normal_cells=normal_cells, filters=2)
    kinds = (["normal"] * normal_cells + ["reduction"]) * motifs
    kinds.pop()  # the last reduction is dropped
    assert config.total_cells == len(kinds)
    assert list(config.reductions) == [i for i, kind in enumerate(kinds) if kind == "reduction"]
    for i in range(len(kinds)):
        assert config.filters_at(i) == 2 * 2 ** kinds[: i + 1].count("reduction")


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"motifs": 0}, "`motifs` must be between 1 and 16, but got 0"),
        ({"normal_cells": 0}, "`normal_cells` must be between 1 and 64, but got 0"),
        ({"filters": -3}, "`filters` must be between 1 and 4096, but got -3"),
        ({"filters": 2.5}, "`filters` must be an integer, but got 2.5"),
        ({"motifs": True}, "`motifs` must be an integer, but got True"),
        ({"dropout": 1.0}, "`dropout` must be at least 0 and below 1.0, but got 1.0"),
        ({"dropout": float("nan")}, "`dropout` must be at least 0 and below 1.0, but got nan"),
        ({"drop_path": 0.6}, "`drop_path` must be at least 0 and below 0.5, but got 0.6"),
        ({"drop_path": "much"}, "`drop_path` must be at least 0"),
        ({"multi_output": 1}, "`multi_output` must be True or False, but got 1"),
        ({"join": "multiply"}, "`join` must be 'add' or 'concat', but got 'multiply'"),
    ],
)
def test_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        NetworkConfig(**settings)


def test_numpy_numbers_become_python_ones() -> None:
    config = NetworkConfig(filters=np.int64(8), motifs=np.int32(2))  # type: ignore[arg-type]
    assert config == NetworkConfig(filters=8, motifs=2)
    assert type(config.filters) is int


def test_dict_round_trip() -> None:
    config = NetworkConfig(motifs=2, filters=8, drop_path=0.1, join="concat", multi_output=True)
    assert NetworkConfig.from_dict(config.to_dict()) == config
    assert NetworkConfig.from_dict({}) == NetworkConfig()
    with pytest.raises(ValueError, match="motifs, normal_cells.*but got 'motif'"):
        NetworkConfig.from_dict({"motif": 3})


def test_smallest_image() -> None:
    config = NetworkConfig(motifs=4)
    assert config.check_image_size(8) == (8, 8)
    assert config.check_image_size((9, 30)) == (9, 30)
    message = "at least 8x8 pixels for motifs=4.*but got 30x7. Use larger images or fewer motifs."
    with pytest.raises(ValueError, match=message):
        config.check_image_size((30, 7))


def test_settings_and_costs_load_without_torch() -> None:
    code = (
        "import sys, optuna_popnas.networks as n;"
        "n.cell_costs([], n.NetworkConfig(), in_channels=3, classes=10, image_size=8);"
        "assert 'torch' not in sys.modules;"
        "n.build_network; assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
