"""The names of the package, loaded when first used."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

from optuna_popnas import predictors


def test_loading_the_package_is_cheap() -> None:
    code = (
        "import sys\n"
        "from optuna_popnas import predictors\n"
        "assert not {'torch', 'catboost', 'sklearn', 'scipy'} & set(sys.modules)\n"
        "predictors.time_features\n"
        "assert not {'torch', 'catboost', 'sklearn'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_modules_do_not_hide_names() -> None:
    modules = {module.name for module in pkgutil.iter_modules(predictors.__path__)}
    assert not modules & set(predictors.__all__)
    for name in modules:
        importlib.import_module(f"{predictors.__name__}.{name}")
    with pytest.raises(AttributeError, match="nothing"):
        predictors.nothing  # noqa: B018
    assert set(predictors.__all__) <= set(dir(predictors))
