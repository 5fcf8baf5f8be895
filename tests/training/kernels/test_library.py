"""Building the kernels, and doing without them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from optuna_popnas.networks import NetworkConfig
from optuna_popnas.space import Cell
from optuna_popnas.training.backend import kernel_library
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.kernels import library as module
from optuna_popnas.training.kernels.library import find_library
from optuna_popnas.training.kernels.library import KernelsUnavailable
from optuna_popnas.training.kernels.library import load_library
from optuna_popnas.training.trainer import train_cell


CPU = torch.device("cpu")
needs_compiler = pytest.mark.skipif(find_library() is None, reason="needs a C compiler")


@pytest.fixture()
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """An empty cache folder, and nothing loaded yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    clear()
    yield tmp_path / "cache" / "optuna_popnas"
    clear()


def clear() -> None:
    for function in (load_library, find_library, module._private_folder):
        function.cache_clear()


def write_compiler(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@needs_compiler
def test_built_once_and_kept(fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_library()
    files = list(fresh.iterdir())
    assert [file.suffix for file in files] == [".so"]
    before = files[0].stat().st_mtime_ns
    clear()
    load_library()
    assert list(fresh.iterdir())[0].stat().st_mtime_ns == before


@needs_compiler
def test_a_home_that_cannot_be_written_to(fresh: Path) -> None:
    fresh.parent.write_text("a file where the folder should be")
    assert load_library() is not None


def test_no_compiler(fresh: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KernelsUnavailable, match="need a C compiler, but there is none"):
        load_library()
    assert find_library() is None
    assert kernel_library(TrainingConfig(), CPU) is None
    with pytest.raises(ValueError, match="there is none. Use kernels='auto'"):
        kernel_library(TrainingConfig(kernels="compiled"), CPU)
    # Trainings go on with PyTorch's kernels.
    result = train_cell(
        Cell([(-1, "3x3 conv", -1, "identity")]),
        load_dataset("digits", samples=200),
        NetworkConfig(motifs=2, normal_cells=1, filters=8),
        TrainingConfig(epochs=1),
        device="cpu",
    )
    assert result.device.endswith("1 thread")


def test_compiler_that_fails(fresh: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = '[ "$1" = --version ] && exit 0\necho "kernels.h:1: error: no such thing" >&2\nexit 1'
    monkeypatch.setenv("CC", write_compiler(tmp_path / "cc", script))
    with pytest.raises(KernelsUnavailable, match=r"cannot be built \(kernels.h:1: error: no such"):
        load_library()
    assert list(fresh.iterdir()) == []


def test_compiler_that_is_none(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CC", str(tmp_path / "missing"))
    with pytest.raises(KernelsUnavailable, match="cannot be run"):
        load_library()


def test_product_that_cannot_be_loaded(
    fresh: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = 'while [ $# -gt 0 ]; do [ "$1" = -o ] && echo junk > "$2"; shift; done; exit 0'
    monkeypatch.setenv("CC", write_compiler(tmp_path / "cc", script))
    with pytest.raises(KernelsUnavailable, match="cannot be loaded"):
        load_library()


@pytest.mark.parametrize(
    "settings",
    [{"threads": 2}, {"layout": "contiguous"}, {"compile": True}, {"kernels": "pytorch"}],
)
def test_settings_without_kernels(settings: dict[str, object]) -> None:
    assert kernel_library(TrainingConfig(**settings), CPU) is None  # type: ignore[arg-type]
    assert kernel_library(TrainingConfig(), torch.device("cuda")) is None
    with pytest.raises(ValueError, match="must not be 'compiled' on 'cuda'"):
        kernel_library(TrainingConfig(kernels="compiled"), torch.device("cuda"))
