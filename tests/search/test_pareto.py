"""Fronts against their definition."""

import itertools

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from optuna_popnas.search import hypervolume
from optuna_popnas.search import pareto_front
from optuna_popnas.search import thin_front
from optuna_popnas.search import top_accuracy


# Few distinct values, so that ties are common.
VALUES = st.integers(0, 6).map(float)


def dominates(first: tuple[float, ...], second: tuple[float, ...]) -> bool:
    """First value up, the others down; standard dominance."""
    no_worse = first[0] >= second[0] and all(a <= b for a, b in zip(first[1:], second[1:]))
    return no_worse and first != second


def brute_force_front(points: list[tuple[float, ...]]) -> list[int]:
    front = [
        i for i, point in enumerate(points) if not any(dominates(other, point) for other in points)
    ]
    distinct = {}
    for i in front:
        distinct.setdefault(points[i], i)
    return sorted(distinct.values(), key=lambda i: (-points[i][0], *points[i][1:]))


@given(st.lists(st.tuples(VALUES, VALUES), max_size=40))
def test_front_is_that_of_the_definition(points: list[tuple[float, float]]) -> None:
    accuracy = [point[0] for point in points]
    seconds = [point[1] for point in points]
    assert pareto_front(accuracy, seconds).tolist() == brute_force_front(points)


@given(st.lists(st.tuples(VALUES, VALUES, VALUES), max_size=40))
def test_front_of_three_objectives(points: list[tuple[float, float, float]]) -> None:
    accuracy = [point[0] for point in points]
    costs = np.array([point[1:] for point in points]).reshape(-1, 2)
    assert pareto_front(accuracy, costs).tolist() == brute_force_front(points)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=30), st.randoms())
def test_front_does_not_depend_on_the_order_of_the_candidates(points, random) -> None:
    keys = list(range(len(points)))
    shuffled = keys.copy()
    random.shuffle(shuffled)

    def kept(order: list[int]) -> list[int]:
        rows = pareto_front(
            [points[i][0] for i in order], [points[i][1] for i in order], np.array(order)
        )
        return [order[row] for row in rows]

    assert kept(keys) == kept(shuffled)


def test_at_most_k_are_kept_the_most_accurate_ones() -> None:
    assert pareto_front([0.1, 0.2, 0.3, 0.4], [1, 2, 3, 4], max_size=2).tolist() == [3, 2]


def test_of_equal_candidates_the_smallest_key_is_kept() -> None:
    assert pareto_front([0.5, 0.5], [1.0, 1.0], np.array([9, 3])).tolist() == [1]


def test_equal_accuracy_keeps_the_faster_one_and_equal_time_the_better_one() -> None:
    assert pareto_front([0.5, 0.5], [2.0, 1.0]).tolist() == [1]
    assert pareto_front([0.4, 0.5], [1.0, 1.0]).tolist() == [1]


def test_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="must not hold NaN"):
        pareto_front([float("nan")], [1.0])


def test_inputs_are_not_changed() -> None:
    accuracy, seconds = np.array([0.1, 0.9]), np.array([3.0, 2.0])
    pareto_front(accuracy, seconds)
    hypervolume(accuracy, seconds)
    assert accuracy.tolist() == [0.1, 0.9] and seconds.tolist() == [3.0, 2.0]


def test_top_accuracy_is_the_beam_of_pnas() -> None:
    assert top_accuracy([0.1, 0.9, 0.9, 0.5], np.array([0, 7, 2, 1]), max_size=3).tolist() == [
        2,
        1,
        3,
    ]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_hypervolume_counts_the_dominated_unit_squares(points: list[tuple[int, int]]) -> None:
    squares = {
        (a, t) for accuracy, seconds in points for a in range(accuracy) for t in range(seconds, 6)
    }
    volume = hypervolume([p[0] for p in points], [p[1] for p in points], reference_cost=6.0)
    assert volume == len(squares)


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=9),
    st.integers(2, 9),
)
def test_a_thinned_front_loses_the_least_hypervolume(
    steps: list[tuple[int, int]], size: int
) -> None:
    accuracy, seconds = np.cumsum(np.array(steps, dtype=float), axis=0)[::-1].T
    kept = thin_front(accuracy, seconds, max_size=size)
    assert len(kept) == min(size, len(steps)) and (np.diff(kept) > 0).all()

    def volume(rows: tuple[int, ...]) -> float:
        chosen = list(rows)
        return hypervolume(accuracy[chosen], seconds[chosen], reference_cost=seconds[0] + 1)

    if len(steps) > size:
        inner = itertools.combinations(range(1, len(steps) - 1), size - 2)
        best = max(volume((0, *rows, len(steps) - 1)) for rows in inner)
        assert {0, len(steps) - 1} <= set(kept.tolist())
        assert volume(tuple(kept)) == pytest.approx(best)


def test_a_thinned_front_reaches_the_quick_end() -> None:
    seconds = np.geomspace(4.0, 0.1, 400)
    accuracy = np.linspace(0.9, 0.5, 400)
    kept = thin_front(accuracy, seconds, max_size=48)
    assert (seconds[kept] < 0.4).sum() >= 5
    whole = hypervolume(accuracy, seconds, reference_cost=5.0)
    assert hypervolume(accuracy[kept], seconds[kept], reference_cost=5.0) > 0.98 * whole
    assert thin_front(accuracy, seconds, max_size=1).tolist() == [0]
    assert thin_front(accuracy, seconds, max_size=400).tolist() == list(range(400))
    long = thin_front(np.linspace(1, 0, 3000), np.linspace(9, 1, 3000), max_size=100)
    assert len(set(long.tolist())) == 100 and {0, 2999} <= set(long.tolist())
    most = thin_front(np.linspace(1, 0, 3000), np.linspace(9, 1, 3000), max_size=2000)
    assert len(set(most.tolist())) == 2000 and {0, 2999} <= set(most.tolist())


def test_a_thinned_front_of_several_costs_is_spread() -> None:
    rng = np.random.default_rng(0)
    points = rng.random((400, 3))
    rows = pareto_front(points[:, 0], points[:, 1:])
    values = points[rows]
    kept = thin_front(values[:, 0], values[:, 1:], max_size=12)
    assert len(kept) == 12
    best = {int(values[:, 0].argmax()), *values[:, 1:].argmin(axis=0).tolist()}
    assert best <= set(kept.tolist())
    # Nobody who was left out is farther from those kept than they are from each other.
    scaled = (values - values.min(axis=0)) / np.ptp(values, axis=0)
    distance = np.linalg.norm(scaled[:, None] - scaled[kept], axis=2)
    between = distance[kept] + np.diag(np.full(12, np.inf))
    inner = [i for i, row in enumerate(kept) if row not in best]
    assert distance.min(axis=1).max() <= between[inner].min() + 1e-12
