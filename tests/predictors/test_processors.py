"""The same predictions and plans on every kind of processor and with any number of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np

from optuna_popnas.search.models import significant


# OpenBLAS's kernels of processors of four generations; the last one needs AVX-512.
KERNELS = ["Nehalem", "Sandybridge", "Haswell", "SkylakeX", ""]

_SCRIPT = """
import json
import numpy as np
from optuna_popnas.predictors import AccuracyPredictor, TimePredictor
from optuna_popnas.search import Observation, plan_level, Predictors, SearchConfig
from optuna_popnas.space import Cell, SearchSpace

space = SearchSpace(("identity", "3x3 dconv", "3x3 conv", "1x1 conv", "2x2 maxpool"), max_blocks=4)
rng = np.random.default_rng(0)
worth = {name: value for name, value in zip(space.operators, rng.random(5))}
cells = [Cell(), *space.first_level(), *space.expand(list(space.first_level())[::9])[::29]]
observations = []
for cell in cells:
    total = sum(worth[name] for name in cell.operators)
    accuracy = float(np.tanh(total / 3) + 0.01 * rng.random())
    observations.append(Observation(cell, accuracy, float(1 + total + 0.05 * rng.random())))
predictors = Predictors(AccuracyPredictor(space, seed=0), TimePredictor(space, seed=0))
config = SearchConfig(max_children=24, max_exploration_children=6, optimism=0.1)
plan = plan_level(space, 3, observations, config, predictors, rng=np.random.default_rng(1))
print(json.dumps([[str(p.cell), p.role, *map("{:.6g}".format, p[2:])] for p in plan.cells]))
"""


def planned(kernel: str, threads: int) -> list[list[str]] | None:
    """Return the plan of a process of its own, or None if this processor cannot run it."""
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": str(threads), "OMP_NUM_THREADS": "1"}
    environment.pop("OPENBLAS_CORETYPE", None)
    if kernel:
        environment["OPENBLAS_CORETYPE"] = kernel
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT], env=environment, capture_output=True, text=True
    )
    if kernel and done.returncode < 0:
        return None
    assert done.returncode == 0, done.stderr
    rows: list[list[str]] = json.loads(done.stdout)
    return rows


def test_plans_do_not_depend_on_processor_or_threads() -> None:
    first = planned("", 2)
    assert first is not None and len(first) > 20
    for kernel in KERNELS:
        assert planned(kernel, 1) in (first, None), kernel


def test_rounding_to_significant_digits() -> None:
    values = np.array([0.0, -0.0, 1.23456789049, -98765.43216, 1e-30, np.inf, np.nan])
    rounded = significant(values, 6)
    expected = [0.0, 0.0, 1.23457, -98765.4, 1e-30, np.inf, np.nan]
    np.testing.assert_allclose(rounded, expected, rtol=1e-12)
    assert values[2] == 1.23456789049  # the input stays
    np.testing.assert_array_equal(significant(values * (1 + 1e-15), 9), significant(values, 9))
