"""What the size-aware predictors know before the first training.

Learnt from trainings of several data sets by ``benchmarks/priors.py``, which writes the file.
"""

from __future__ import annotations

from functools import cache
import json
from pathlib import Path
from typing import Any

import numpy as np

from optuna_popnas.predictors.features.descriptors import DESCRIPTORS
from optuna_popnas.predictors.regression.size_process import HYPERPARAMETERS
from optuna_popnas.predictors.regression.size_process import Prior


FILE = Path(__file__).with_suffix(".json")


@cache
def shipped(kind: str) -> Prior:
    """Return the library's prior of ``"accuracy"``, ``"exploring"`` searches or ``"seconds"``."""
    return from_json(json.loads(FILE.read_text(encoding="utf-8"))[kind])


def from_json(data: dict[str, Any]) -> Prior:
    """Read what :func:`to_json` wrote."""
    by_name = {"slopes": DESCRIPTORS, "scale": DESCRIPTORS}
    return Prior(
        **{
            name: np.array([data[name][key] for key in by_name.get(name, HYPERPARAMETERS)])
            for name in ("slopes", "scale", "logs", "doubts")
        },
        center=data["center"],
        spread=data["spread"],
    )


def to_json(prior: Prior) -> dict[str, Any]:
    """Return a prior as JSON values, every number by its name."""
    return {
        "slopes": dict(zip(DESCRIPTORS, map(float, prior.slopes))),
        "scale": dict(zip(DESCRIPTORS, map(float, prior.scale))),
        "logs": dict(zip(HYPERPARAMETERS, map(float, prior.logs))),
        "doubts": dict(zip(HYPERPARAMETERS, map(float, prior.doubts))),
        "center": prior.center,
        "spread": prior.spread,
    }
