"""The folder for OptunaHub's registry, loaded as OptunaHub loads it."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import optuna
import pytest

import optuna_popnas


optunahub = pytest.importorskip("optunahub")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "package" / "samplers" / "popnas"


def load() -> ModuleType:
    module: ModuleType = optunahub.load_local_module(
        package="samplers/popnas", registry_root=str(ROOT / "package")
    )
    return module


def test_the_example_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    monkeypatch.setattr(optunahub, "load_module", lambda package: load())
    exec(compile((FOLDER / "example.py").read_text(), "example.py", "exec"), {})
    assert "cells are on the Pareto front" in capsys.readouterr().out


def test_names_are_those_of_the_package() -> None:
    module = load()
    for name in module.__all__:
        assert getattr(module, name) is getattr(optuna_popnas, name)


def test_the_registry_has_what_it_asks_for() -> None:
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {
        "README.md", "LICENSE", "__init__.py", "example.py", "requirements.txt"
    }  # fmt: skip
    front_matter = (FOLDER / "README.md").read_text().split("---")[1]
    keys = {line.partition(":")[0] for line in front_matter.strip().splitlines()}
    assert keys == {"author", "title", "description", "tags", "optuna_versions", "license"}
