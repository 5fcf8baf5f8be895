"""Settings that cannot be."""

import pytest

from optuna_popnas.search import SearchConfig


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"mode": "nas"},
            "`mode` must be one of 'adaptive', 'popnas', 'pnas', 'popnas-v1', but got 'nas'",
        ),
        (
            {"mode": "pnas", "time_limit": 3.0},
            "`time_limit` must be left out in mode 'pnas', as it predicts no times, but got 3.0",
        ),
        ({"mode": "pnas", "objectives": ("parameters",)}, "as accuracy is its only objective"),
        ({"mode": "pnas", "max_exploration_children": 4}, "as it has no exploration step"),
        ({"mode": "popnas-v1", "max_exploration_children": 4}, "as it has no exploration step"),
        ({"mode": "adaptive", "beam": "accuracy"}, "as it chooses small waves of cells"),
        ({"mode": "popnas-v1", "time_range": (1, 2)}, "as it chooses a level at a time"),
        ({"mode": "popnas", "first_cells": 20}, "as it chooses a level at a time, not waves"),
        ({"mode": "pnas", "wave_size": 4}, "`wave_size` must be left out in mode 'pnas'"),
        ({"beam": "x"}, "`beam` must be one of 'hypervolume', 'accuracy', but got 'x'"),
        ({"max_children": 0}, "`max_children` must be an integer of at least 1, but got 0"),
        ({"max_exploration_children": -1}, "of at least 0, but got -1"),
        ({"max_children": 2.5}, "must be an integer of at least 1, but got 2.5"),
        ({"time_limit": 0.0}, "`time_limit` must be greater than 0, but got 0.0"),
        ({"time_limit": float("nan")}, "must be greater than 0, but got nan"),
        ({"limits": {"parameters": -1}}, "`parameters` must be greater than 0"),
        ({"optimism": -1.0}, "`optimism` must be at least 0"),
    ],
)
def test_bad_settings(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SearchConfig(**settings)  # type: ignore[arg-type]
