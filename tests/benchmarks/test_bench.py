"""The benches are what they say: counts, noise, costs, and runs through Optuna and without."""

from __future__ import annotations

from bench import direct
from bench import load
from bench import run
from bench.running import Trajectory
import numpy as np
import optuna
import pytest

from optuna_popnas import Cell
from optuna_popnas.search import pareto_front


def random_sampler(space: object, seed: int) -> optuna.samplers.BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


def test_nas_bench_201_has_the_cells_that_it_can_write() -> None:
    bench = load("nb201-cifar10")
    # The empty cell, 10 of one block, and 4 * 4 second branches for each of these.
    assert len(bench) == 1 + 10 + 160
    missing = Cell([(-1, "3x3 conv", -1, "3x3 conv")] * 2)
    assert bench.evaluate(missing, seed=0) is None
    assert np.isnan(bench.expected([missing])[0][0])


def test_one_block_of_nas_bench_201_is_symmetric_and_convolutions_beat_identities() -> None:
    bench = load("nb201-cifar10")
    pair = [Cell([(-1, "3x3 conv", -1, "identity")]), Cell([(-1, "identity", -1, "3x3 conv")])]
    accuracy, seconds = bench.expected(pair)
    assert accuracy[0] == accuracy[1] and seconds[0] == seconds[1]
    plain = bench.expected([Cell([(-1, "identity", -1, "identity")])])
    assert accuracy[0] > plain[0][0] + 0.05 and seconds[0] > plain[1][0]


@pytest.mark.parametrize("name", ["nb201-cifar100", "fashion8"])
def test_a_training_depends_on_cell_and_seed_alone(name: str) -> None:
    bench = load(name)
    cell = Cell([(-1, "3x3 conv", -1, "identity")])
    other = Cell([(-1, "1x1 conv", -1, "identity")])
    first = bench.evaluate(cell, seed=1)
    bench.evaluate(other, seed=1)
    assert bench.evaluate(cell, seed=1) == first
    values = {bench.evaluate(cell, seed=seed).accuracy for seed in range(30)}
    expected = bench.expected([cell])[0][0]
    assert len(values) > 1 and abs(np.mean(list(values)) - expected) < 0.02


def test_the_front_of_a_surrogate_is_not_dominated_by_what_it_was_fitted_to() -> None:
    bench = load("fashion8")
    accuracy, seconds = bench.expected(bench.sample.cells)
    share = bench.volume(accuracy, seconds)
    assert 0.8 < share <= 1.0
    front = bench.front
    assert len(pareto_front(front.accuracy, front.seconds)) == len(front.accuracy)
    assert bench.volume(*front) == pytest.approx(1.0)
    assert bench.volume(*front, logarithmic=True) == pytest.approx(1.0)


def test_known_cells_are_answered_from_memory() -> None:
    bench = load("nb201-cifar10")
    trajectory = Trajectory(bench, seed=0)
    values = trajectory.train(Cell([(-1, "3x3 conv", -1, "identity")]))
    spent = trajectory.spent
    assert trajectory.train(Cell([(-1, "identity", -1, "3x3 conv")])) == values
    assert trajectory.spent == spent and trajectory.repeats == 1 and len(trajectory.steps) == 1


def test_a_run_ends_with_its_budget_and_can_be_repeated() -> None:
    bench = load("nb201-cifar10")
    budget = bench.budget / 10
    first, again = (run(bench, random_sampler, budget, seed=3) for _ in range(2))
    assert first.steps == again.steps
    spent = [step.spent for step in first.steps]
    assert spent[-2] < budget <= spent[-1] == first.spent
    assert spent == pytest.approx(np.cumsum([step.seconds for step in first.steps]).tolist())


def test_a_run_without_optuna_asks_wave_by_wave() -> None:
    bench = load("nb201-cifar10")
    seen: list[int] = []

    def propose(cells, accuracy, seconds, rng):
        seen.append(len(cells))
        known = set(cells)
        new = [cell for cell in bench.cells if cell not in known]
        return [new[i] for i in rng.permutation(len(new))[:4]]

    trajectory = direct(bench, propose, bench.budget / 5, seed=0)
    assert seen[:3] == [0, 4, 8]
    assert trajectory.spent >= bench.budget / 5 and trajectory.repeats == 0
