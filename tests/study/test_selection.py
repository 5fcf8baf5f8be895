from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest

from optuna_popnas import Cell
from optuna_popnas import SearchSpace
from optuna_popnas.study import view_study
from optuna_popnas.study.excess import believed_accuracies
from optuna_popnas.study.selection import knee
from optuna_popnas.study.selection import select
from optuna_popnas.study.selection import trade


SPACE = SearchSpace(["identity", "3x3 conv", "5x5 conv"], max_blocks=1)

# A front of four, and a trial that the second one dominates.
FRONT = [(0.30, 0.1), (0.90, 1.0), (0.93, 4.0), (0.95, 20.0)]
DOMINATED = (0.89, 1.1)


def make_study(
    values: Sequence[tuple[float, ...]], attrs: Sequence[dict[str, Any]] | None = None
) -> optuna.Study:
    directions = ["maximize", "minimize", "minimize"][: len(values[0]) if values else 2]
    study = optuna.create_study(directions=directions, study_name="made-up")
    for index, value in enumerate(values):
        trial = study.ask(
            {
                "blocks": optuna.distributions.IntDistribution(0, 1),
                **{
                    name: optuna.distributions.CategoricalDistribution(choices)
                    for name, choices in (
                        ("b0_in1", SPACE.inputs(0)),
                        ("b0_op1", SPACE.operators),
                        ("b0_in2", SPACE.inputs(0)),
                        ("b0_op2", SPACE.operators),
                    )
                },
            }
        )
        for key, attr in (attrs[index] if attrs else {}).items():
            trial.set_user_attr(key, attr)
        study.tell(trial, value)
    return study


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def test_rules() -> None:
    study = make_study([DOMINATED, *FRONT])
    assert select(study).values == (0.95, 20.0)
    assert select(study, "accuracy") == select(study)
    assert select(study, "knee").values == (0.93, 4.0)
    assert select(study, "fastest").values == (0.30, 0.1)
    assert select(study).cell is not None


def test_limits() -> None:
    study = make_study([DOMINATED, *FRONT], [{"parameters": n} for n in (10, 50, 500, 400, 9000)])
    assert select(study, {"seconds": 4.0}).values == (0.93, 4.0)
    assert select(study, {"parameters": 450, "seconds": 3.0}).values == DOMINATED
    assert select(study, "accuracy", limits={"parameters": 450}).values == (0.93, 4.0)
    assert select(study, "fastest", limits={"accuracy": 0.92}).values == (0.93, 4.0)


def test_trials_without_the_number_are_outside_its_limit() -> None:
    study = make_study(FRONT, [{"flops": 5}, {}, {"flops": "many"}, {"flops": 7}])
    assert select(study, {"flops": 6}).values == (0.30, 0.1)


def test_three_objectives() -> None:
    study = make_study([(0.9, 1.0, 100.0), (0.9, 2.0, 200.0), (0.5, 0.5, 50.0), (0.6, 3.0, 10.0)])
    assert select(study, "accuracy").values == (0.9, 1.0, 100.0)
    assert select(study, "fastest").values == (0.5, 0.5, 50.0)
    assert select(study).values == (0.9, 1.0, 100.0)


def test_accuracy_alone() -> None:
    study = optuna.create_study(direction="maximize")
    study.optimize(lambda trial: 0.1 * len(SPACE.suggest(trial)) + 0.5, n_trials=5)
    assert select(study).accuracy == study.best_value
    with pytest.raises(ValueError, match="must have measured seconds.*Use 'accuracy'"):
        select(study, "fastest")


def test_failed_running_and_infeasible_trials_take_no_part() -> None:
    study = make_study(FRONT)
    study.ask()
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    best = study.ask()
    SPACE.suggest(best)
    best.set_constraint("parameters", 1.0)
    study.tell(best, (0.99, 0.1))
    assert select(study, "accuracy").values == (0.95, 20.0)


def test_knee_is_the_point_farthest_from_the_line_between_the_ends() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        count = int(rng.integers(3, 12))
        accuracy = np.sort(0.9 + 0.1 * rng.random(count))
        cost = np.sort(rng.random(count)) + 0.01
        x = (np.log(cost) - np.log(cost[0])) / (np.log(cost[-1]) - np.log(cost[0]))
        y = (accuracy - accuracy[0]) / (accuracy[-1] - accuracy[0])
        distance = (y - x) / np.sqrt(2)  # from the line through (0, 0) and (1, 1), above it
        assert distance[knee(accuracy, cost[:, None])] == pytest.approx(distance.max())


def test_knee_does_not_look_at_cells_that_nobody_would_take() -> None:
    """Between the empty cell and the best one lay .9176, where .9878 cost 0.4 s more."""
    accuracy = np.array([0.9889, 0.9878, 0.966, 0.9176, 0.85, 0.10])
    seconds = np.array([[4.1], [1.6], [1.35], [1.2], [1.1], [0.3]])
    assert accuracy[knee(accuracy, seconds)] == 0.9878
    for worst in (0.0, 0.5, 0.88):  # what lies below says nothing about the bend
        below = np.append(accuracy[:-2], worst), np.append(seconds[:-2], [[0.01]], axis=0)
        assert below[0][knee(*below)] == 0.9878


def test_confirmed_trials_are_compared_by_their_fresh_trainings() -> None:
    study = make_study([DOMINATED, *FRONT])
    study.set_user_attr("confirmed", {"4": [0.91, 0.92], "3": [0.93, 0.92]})
    assert select(study).values == (0.93, 4.0)
    assert select(study, "knee").values == (0.93, 4.0)
    assert select(study, "fastest").values == (0.30, 0.1)


def test_trades_in_words() -> None:
    study = make_study(FRONT)
    view = view_study(study)
    cells = [select(study, {"seconds": seconds}) for _, seconds in FRONT]
    best = cells[-1]
    assert trade(view, cells[2], best) == "2.0 points less accuracy, 20% of the time"
    assert trade(view, best, best) == "the same accuracy, the same time"
    assert trade(view, best, cells[1]) == "5.0 points more accuracy, 20.0 times the time"
    quicker = cells[1]._replace(seconds=9.7)
    assert trade(view, quicker, best) == "5.0 points less accuracy, half the time"


def test_knee_of_short_fronts() -> None:
    assert knee(np.array([0.9]), np.array([[1.0]])) == 0
    assert knee(np.array([0.9, 0.5]), np.array([[2.0], [1.0]])) == 0
    assert knee(np.array([0.9, 0.5]), np.array([[2.0], [0.0]])) == 0


@pytest.mark.parametrize(
    "rule, limits, message",
    [
        ("best", None, "`rule` must be one of 'accuracy', 'knee', 'fastest' or.*but got 'best'"),
        ("knee", {"parameters": 1}, "`parameters` of at most 1, but the smallest is 10. Loosen"),
        ("knee", {"accuracy": 0.99}, "`accuracy` of at least 0.99, but the largest is 0.95"),
        (
            "knee",
            {"size": 1},
            r"'seconds' or a number on the trials \(parameters\), but got 'size'",
        ),
    ],
)
def test_errors(rule: str, limits: dict[str, float] | None, message: str) -> None:
    study = make_study(FRONT, [{"parameters": 10}] * 4)
    with pytest.raises(ValueError, match=message):
        select(study, rule, limits=limits)


def test_nothing_to_select_from() -> None:
    study = optuna.create_study(study_name="empty", directions=["maximize", "minimize"])
    with pytest.raises(ValueError, match="'empty' has none. Run the search first"):
        select(study)


_SIZES = {"identity": 0, "3x3 conv": 1, "5x5 conv": 2}


def _true(cell: Cell | None) -> float:
    assert cell is not None
    return 0.5 + 0.04 * sum(_SIZES[name] for _, a, _, b in cell for name in (a, b))


def _noisy_study(seed: int) -> optuna.Study:
    """A study of cells that are better the larger they are, measured with noise."""
    rng = np.random.default_rng(seed)
    space = SearchSpace(list(_SIZES), max_blocks=2)
    sampler = optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        accuracy = _true(space.suggest(trial))
        return accuracy + 0.15 * rng.normal(), accuracy

    study.optimize(objective, n_trials=60)
    return study


def test_the_choice_is_what_is_expected_not_a_lucky_training() -> None:
    chosen, lucky = [], []
    for seed in range(10):
        view = view_study(_noisy_study(seed))
        best = max(view.complete, key=lambda trial: trial.accuracy or 0.0)
        believed = believed_accuracies(view, view.complete)
        assert select(view) == view.complete[int(np.argmax(believed))]
        lucky.append(_true(best.cell))
        chosen.append(_true(select(view).cell))
        # The thesis takes the best measured one.
        assert select(view._replace(settings={"mode": "popnas"})) == best
    assert np.mean(chosen) > np.mean(lucky) + 0.02
