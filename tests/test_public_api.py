"""The names that users rely on, and what loads with them."""

import importlib
from pathlib import Path
import subprocess
import sys

import pytest

import optuna_popnas


ROOT = Path(optuna_popnas.__file__).parent
MODULES = sorted(
    ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
    for path in ROOT.rglob("*.py")
)


def loaded_after(code: str) -> set[str]:
    """The modules in ``sys.modules`` of a fresh interpreter that ran the code."""
    script = f"{code}\nimport sys\nprint('\\n'.join(sys.modules))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(result.stdout.split())


def test_importing_the_package_is_light() -> None:
    loaded = loaded_after("import optuna_popnas")
    assert not {"torch", "catboost", "plotly", "sklearn"} & loaded


@pytest.mark.parametrize("room", ["space", "search", "predictors"])
def test_the_core_knows_neither_optuna_nor_pytorch(room: str) -> None:
    loaded = loaded_after(f"import optuna_popnas.{room}")
    assert not {"torch", "catboost", "optuna"} & loaded


def test_the_sampler_loads_no_pytorch() -> None:
    assert not {"torch", "catboost"} & loaded_after("import optuna_popnas.sampler")


def test_a_drawing_loads_no_plotly() -> None:
    code = "from optuna_popnas import Cell; Cell.parse('[]')._repr_svg_()"
    assert "plotly" not in loaded_after(code)


def test_public_names() -> None:
    expected = {
        "Block",
        "Cell",
        "CellBatch",
        "NetworkConfig",
        "PAPER_OPERATORS",
        "POPNASSampler",
        "SearchSpace",
        "TrainingConfig",
        "TrainingObjective",
        "build_network",
        "export",
        "load_dataset",
        "report",
        "retrain",
        "select",
    }
    assert expected <= set(optuna_popnas.__all__)
    for name in optuna_popnas.__all__:
        assert getattr(optuna_popnas, name) is not None


@pytest.mark.parametrize("module", MODULES)
def test_modules_say_what_they_are(module: str) -> None:
    if module.endswith("__main__"):
        return
    loaded = importlib.import_module(module)
    assert loaded.__doc__
    for name in getattr(loaded, "__all__", ()):
        value = getattr(loaded, name)
        if callable(value):
            assert value.__doc__, f"{module}.{name} has no docstring"
