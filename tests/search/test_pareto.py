"""Fronts against their definition."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from optuna_popnas.search import hypervolume
from optuna_popnas.search import pareto_front
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
