from __future__ import annotations

import optuna
import pytest

from optuna_popnas.sampler.facts import direction_problem
from optuna_popnas.sampler.facts import value_problem


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ((0.5, 1.0), None),
        ((0.5,), None),
        ((float("nan"), 1.0), "accuracy must be a finite number, but got nan"),
        ((float("-inf"), 1.0), "accuracy must be a finite number, but got -inf"),
        ((0.5, 0.0), "greater than 0, but got 0.0"),
        ((0.5, -1.0), "greater than 0, but got -1.0"),
        ((0.5, float("inf")), "finite number of seconds greater than 0, but got inf"),
    ],
)
def test_values_that_count_as_failed(values: tuple[float, ...], problem: str | None) -> None:
    found = value_problem(values)
    assert found is None if problem is None else problem in (found or "")


def test_more_objectives_need_more_directions() -> None:
    maximize, minimize = optuna.study.StudyDirection.MAXIMIZE, optuna.study.StudyDirection.MINIMIZE
    assert direction_problem([maximize, minimize, minimize], ["parameters"]) is None
    text = direction_problem([maximize, minimize], ["parameters"])
    assert text is not None
    assert "['maximize', 'minimize', 'minimize'] (accuracy, seconds, parameters), but" in text
