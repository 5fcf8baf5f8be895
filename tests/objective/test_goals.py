"""Values of trials, directions of studies, limits."""

from __future__ import annotations

from typing import Any

from optuna.trial import TrialState
import pytest

from optuna_popnas import Cell
from optuna_popnas.training.data.image_data import ImageData
from tests.objective.conftest import make
from tests.objective.conftest import ONE
from tests.objective.conftest import run


pytestmark = pytest.mark.usefixtures("quiet")


def test_one_objective_is_accuracy(digits: ImageData) -> None:
    study = run(make(digits), "[]", ONE, directions=["maximize"])
    curve = study.trials[1].user_attrs["learning_curve"]
    assert study.best_value == pytest.approx(max(curve), abs=1e-6)


def test_more_objectives(digits: ImageData) -> None:
    names = ("accuracy", "parameters", "flops", "latency", "peak_memory")
    objective = make(digits, objectives=names)
    study = run(objective, ONE, directions=["maximize"] + ["minimize"] * 4)
    trial = study.trials[0]
    costs = objective.costs(Cell.parse(ONE))
    assert trial.values[1:3] == [costs["parameters"], costs["flops"]]
    assert costs.items() <= trial.user_attrs.items()
    assert 0 < trial.values[3] == trial.user_attrs["latency_seconds"] < 1
    assert trial.values[4] == trial.user_attrs["peak_memory_bytes"]


@pytest.mark.parametrize(
    "objectives, directions",
    [
        (None, ["minimize", "maximize"]),
        (None, ["maximize", "minimize", "minimize"]),
        (None, ["minimize"]),
        (("accuracy", "flops"), ["maximize"]),
        (("seconds", "accuracy"), ["maximize", "minimize"]),
    ],
)
def test_directions_must_fit(digits: ImageData, objectives: Any, directions: list[str]) -> None:
    with pytest.raises(ValueError, match="Directions of a study of .* must be .* but got"):
        run(make(digits, objectives=objectives), ONE, directions=directions)


def test_limits_prune_before_training_or_mark_after_it(digits: ImageData) -> None:
    costs = make(digits).costs(Cell.parse(ONE))
    limits = {"parameters": costs["parameters"] - 1, "seconds": 1e-6, "accuracy": 0.99}
    study = run(make(digits, limits=limits), ONE, "[]")
    pruned, marked = study.trials
    assert pruned.state == TrialState.PRUNED
    assert "are over the limit" in pruned.user_attrs["reason"]
    assert "learning_curve" not in pruned.user_attrs
    constraints = {
        key.rpartition(":")[2]: value
        for key, value in marked.system_attrs.items()
        if key.startswith("constraints:")
    }
    assert constraints["parameters"] < 0
    assert constraints["seconds"] == pytest.approx(marked.values[1] - 1e-6)
    assert constraints["accuracy"] == pytest.approx(0.99 - marked.values[0])
