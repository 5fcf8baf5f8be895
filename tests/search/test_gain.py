"""Expected gains against Monte Carlo and against the hypervolume itself."""

from __future__ import annotations

import numpy as np
import pytest

from optuna_popnas.search import hypervolume
from optuna_popnas.search.gain import expected_excess
from optuna_popnas.search.gain import expected_gain
from optuna_popnas.search.gain import known_front


def volume(accuracy: np.ndarray, costs: np.ndarray, reference: np.ndarray, least: float) -> float:
    """Hypervolume by counting the points of a fine grid."""
    steps = 400 if len(reference) == 1 else 60
    axes = [np.linspace(0, end, steps, endpoint=False) + end / steps / 2 for end in reference]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(reference))
    best = np.full(len(points), least)
    for value, cost in zip(accuracy, costs):
        inside = (points >= cost).all(axis=1)
        best[inside] = np.maximum(best[inside], value)
    return float((best - least).mean() * reference.prod())


@pytest.mark.parametrize("objectives", [1, 2])
def test_gain_is_what_monte_carlo_finds(objectives: int) -> None:
    rng = np.random.default_rng(objectives)
    accuracy, costs = rng.random(7), rng.random((7, objectives)) * 2
    reference, least = np.full(objectives, 1.8), 0.1
    front = known_front(accuracy, costs, reference=reference, least=least)
    before = volume(accuracy, costs, reference, least)
    assert front.volume(least) == pytest.approx(before, abs=0.03)
    for mean, deviation in [(0.9, 0.2), (0.5, 0.05), (0.2, 0.4)]:
        cost = rng.random((1, objectives)) * 2
        draws = mean + deviation * rng.normal(size=300)
        grown = [
            volume(np.append(accuracy, draw), np.concatenate([costs, cost]), reference, least)
            for draw in draws
        ]
        found = expected_gain(np.array([mean]), np.array([deviation]), cost, front)[0]
        error = np.std(grown) / np.sqrt(len(grown))
        assert found == pytest.approx(np.mean(grown) - before, abs=4 * error + 0.01)


def test_a_certain_gain_is_the_growth_of_the_hypervolume() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        count = int(rng.integers(1, 9))
        accuracy, seconds = rng.random(count), rng.random(count) + 0.01
        mean, cost = float(rng.random()), float(rng.random() + 0.01)
        front = known_front(accuracy, seconds[:, None], reference=np.array([1.2]), least=0.0)
        found = expected_gain(np.array([mean]), np.array([0.0]), np.array([[cost]]), front)[0]
        both = hypervolume(np.append(accuracy, mean), np.append(seconds, cost), reference_cost=1.2)
        expected = both - hypervolume(accuracy, seconds, reference_cost=1.2)
        assert found == pytest.approx(expected, abs=1e-9)
        assert front.volume(0.0) == pytest.approx(
            hypervolume(accuracy, seconds, reference_cost=1.2), abs=1e-9
        )


def test_excess_of_a_normal_variable() -> None:
    rng = np.random.default_rng(0)
    draws = 0.3 + 0.2 * rng.normal(size=400_000)
    for threshold in (-0.5, 0.1, 0.3, 0.6, 1.5):
        found = expected_excess(np.array([0.3]), np.array([0.2]), threshold)[0]
        assert found == pytest.approx(np.maximum(draws - threshold, 0).mean(), abs=1e-3)
        assert found >= 0
    assert expected_excess(np.array([0.3]), np.array([0.0]), 0.1)[0] == pytest.approx(0.2)


def test_an_empty_front_and_costs_beyond_the_reference() -> None:
    front = known_front(np.zeros(0), np.zeros((0, 1)), reference=np.array([2.0]), least=0.1)
    gain = expected_gain(
        np.array([0.6, 0.6]), np.array([1e-9, 1e-9]), np.array([[0.5], [3.0]]), front
    )
    np.testing.assert_allclose(gain, [1.5 * 0.5, 0.0], atol=1e-6)
    assert front.volume(0.1) == 0
