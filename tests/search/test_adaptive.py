"""The adaptive search on made-up accuracies and seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from optuna_popnas.predictors.size_aware import SizeAwareAccuracyPredictor
from optuna_popnas.predictors.size_aware import SizeAwareTimePredictor
from optuna_popnas.search import Observation
from optuna_popnas.search import Plan
from optuna_popnas.search import plan_wave
from optuna_popnas.search import Predictors
from optuna_popnas.search import Running
from optuna_popnas.search import SearchConfig
from optuna_popnas.search import wave as choosing
from optuna_popnas.search.beliefs import Estimates
from optuna_popnas.search.growth import grow
from optuna_popnas.space import Cell
from optuna_popnas.space import CellBatch
from optuna_popnas.space import SearchSpace


SPACE = SearchSpace(("identity", "3x3 dconv", "3x3 conv", "2x2 maxpool"), max_blocks=5)
COST = {"identity": 0.05, "3x3 dconv": 0.3, "3x3 conv": 1.0, "2x2 maxpool": 0.1}
CONFIG = SearchConfig(mode="adaptive")


def seconds_of(cell: Cell) -> float:
    return 0.1 + sum(COST[name] for name in cell.operators)


def train(cell: Cell, seed: int = 0) -> Observation:
    rng = np.random.default_rng([seed, *str(cell).encode()])
    convolutions = sum(COST[name] for name in cell.operators)
    skips = 0.1 * ("identity" in cell.operators)
    accuracy = 0.9 * np.tanh(0.4 * convolutions + skips) + 0.005 * rng.normal()
    seconds = seconds_of(cell) * np.exp(0.02 * rng.normal())
    return Observation(cell, float(np.clip(accuracy, 0.01, 0.99)), float(seconds))


def plan(
    observations: list[Observation],
    running: list[Running] | None = None,
    config: SearchConfig = CONFIG,
    *,
    wave: int = 0,
    seed: int = 0,
    space: SearchSpace = SPACE,
    left_out: list[Cell] | None = None,
    **more: object,
) -> Plan:
    predictors = Predictors(
        SizeAwareAccuracyPredictor(space, seed=seed), SizeAwareTimePredictor(space, seed=seed)
    )
    spent = sum(item.seconds or 0.0 for item in observations)
    return plan_wave(
        space,
        observations,
        running or [],
        config,
        replace(predictors, **more),  # type: ignore[arg-type]
        wave=wave,
        spent=spent,
        left_out=left_out or [],
        rng=np.random.default_rng([seed, wave]),
    )


def search(
    config: SearchConfig, waves: int, space: SearchSpace = SPACE
) -> tuple[list[Observation], list[Plan]]:
    observations: list[Observation] = []
    plans: list[Plan] = []
    for wave in range(waves):
        plans.append(plan(observations, config=config, wave=wave, space=space))
        observations += [train(item.cell, len(observations)) for item in plans[-1].cells]
        if not plans[-1].cells:
            break
    return observations, plans


@pytest.fixture(scope="module")
def begun() -> list[Observation]:
    return search(CONFIG, 3)[0]


def test_first_wave_is_small_spread_and_has_the_empty_cell() -> None:
    first = plan([])
    assert [item.role for item in first.cells] == ["empty"] + ["first"] * 7
    assert len({len(item.cell) for item in first.cells}) > 2
    assert len({str(item.cell) for item in first.cells}) == 8
    # Of later ones, before anything has finished, none is planned twice.
    running = [Running(item.cell) for item in first.cells]
    second = plan([], running, wave=1)
    assert second.cells and not {i.cell for i in second.cells} & {i.cell for i in running}


def test_reaches_the_deepest_level_and_beats_chance() -> None:
    observations, plans = search(CONFIG, 6)
    assert max(len(item.cell) for item in observations) == 5
    random = [
        train(cell).accuracy for cell in SPACE.random_cells(5, 200, rng=np.random.default_rng(0))
    ]
    assert max(item.accuracy for item in observations) > np.quantile(random, 0.95)
    trained = [str(item.cell) for wave in plans for item in wave.cells if item.role != "repeat"]
    assert len(trained) == len(set(trained))
    assert all(item.accuracy is not None for wave in plans[1:] for item in wave.cells)
    # What it promised is near what came.
    told = [(item.accuracy, item.seconds, train(item.cell)) for item in plans[-1].cells]
    assert np.mean([abs(a - found.accuracy) for a, _, found in told if a is not None]) < 0.1


def test_same_wave_whatever_the_order(begun: list[Observation]) -> None:
    first = plan(begun, wave=3)
    assert first.cells == plan(begun[::-1], wave=3).cells
    assert first.cells != plan(begun, wave=4).cells


def test_running_cells_are_not_planned_and_count(begun: list[Observation]) -> None:
    alone = plan(begun, wave=3)
    running = [Running(item.cell, item.seconds) for item in alone.cells]
    beside = plan(begun, running, wave=3)
    assert not {i.cell for i in alone.cells if i.role != "repeat"} & {
        i.cell for i in beside.cells if i.role != "repeat"
    }
    many = [Running(cell, 1.0) for cell in SPACE.first_level()]
    assert len(plan(begun, many, wave=3).cells) == len(many) // 2  # more workers, larger waves


def test_cells_that_cannot_be_trained_are_left_out(begun: list[Observation]) -> None:
    for observations in ([], begun):
        usual = [item.cell for item in plan(observations, wave=3).cells if item.role != "repeat"]
        without = plan(observations, wave=3, left_out=usual).cells
        assert usual and without and not {item.cell for item in without} & set(usual)


def test_budget_is_kept(begun: list[Observation]) -> None:
    spent = sum(item.seconds or 0 for item in begun)
    tight = replace(CONFIG, budget_seconds=spent + 2.0)
    cells = plan(begun, config=tight, wave=3).cells
    assert cells and sum(item.seconds or 0 for item in cells) <= 2.0
    running = [Running(Cell([(-1, "3x3 conv", -1, "3x3 conv")]), 2.1)]
    ended = plan(begun, running, tight, wave=3)
    assert not ended.cells and "the budget of" in str(ended.report.message)
    assert plan(begun, config=tight, wave=3).report.budget_left == pytest.approx(2.0, abs=1e-3)


def test_the_empty_cell_alone_ends_no_search() -> None:
    """Sixteen workers: it was the first of theirs that ended, and the search ended with it."""
    config = replace(CONFIG, budget_seconds=6000.0)
    first = [*plan([], config=config).cells]
    running = [Running(item.cell, item.seconds) for item in first]
    second = plan([], running, config, wave=1).cells
    running = [Running(item.cell, item.seconds) for item in [*first, *second]]
    assert not len(running[0].cell)
    planned = plan([Observation(Cell(), 0.1, 11.0)], running[1:], config, wave=2)
    assert planned.report.message is None
    known = {cell.canonical() for cell, *_ in running}
    cells = {item.cell.canonical() for item in planned.cells}
    assert len(cells) == len(planned.cells) >= 7 and not cells & known


def test_limits_and_range_are_kept(begun: list[Observation]) -> None:
    for config in (replace(CONFIG, time_limit=1.0), replace(CONFIG, time_range=(0.5, 1.0))):
        cells = plan(begun, config=config, wave=3).cells
        assert cells and all(item.seconds is not None and item.seconds <= 1.0 for item in cells)
    few = replace(CONFIG, limits={"blocks": 2.0})
    limited = plan(begun, config=few, wave=3, cost=lambda cells: {"blocks": cells.lengths}).cells
    assert limited and all(len(item.cell) <= 2 for item in limited)


def test_more_objectives(begun: list[Observation]) -> None:
    config = replace(CONFIG, objectives=("blocks", "latency"))
    measured = [item._replace(others=(len(item.cell), 0.1 * len(item.cell))) for item in begun]
    found = plan(
        measured,
        config=config,
        wave=3,
        cost=lambda cells: {"blocks": cells.lengths.astype(float)},
        other=lambda number: SizeAwareTimePredictor(SPACE, seed=number),
    )
    assert len(found.cells) == 8
    with pytest.raises(ValueError, match="must be a cost that `cost` computes"):
        plan(begun, config=replace(CONFIG, limits={"watts": 1.0}), wave=3)


def test_accuracy_alone(begun: list[Observation]) -> None:
    untimed = [item._replace(seconds=None) for item in begun]
    cells = plan(untimed, wave=3).cells
    assert {item.role for item in cells} <= {"accurate", "repeat"} and len(cells) == 8


def test_ends_when_nothing_promises_more() -> None:
    space = SearchSpace(("identity", "2x2 maxpool", "3x3 conv"), max_blocks=1)
    observations, plans = search(CONFIG, 40, space)
    assert not plans[-1].cells and plans[-1].report.message
    assert len(observations) < 80


def test_spends_a_budget_that_is_given_as_long_as_there_are_cells() -> None:
    space = SearchSpace(("identity", "2x2 maxpool"), max_blocks=2)
    observations, plans = search(CONFIG, 9, space)
    assert "so the search ends here" in str(plans[-1].report.message)
    more, plans = search(replace(CONFIG, budget_seconds=1e9), 9, space)
    assert len(more) > len(observations) and plans[-1].report.message is None


def test_a_space_that_is_trained_to_the_last_cell_is_said_to_be() -> None:
    space = SearchSpace(("identity", "2x2 maxpool"), max_blocks=1, lookbacks=1)
    for config in (CONFIG, replace(CONFIG, budget_seconds=1e9)):
        plans = search(config, 40, space)[1]
        assert plans[-1].report.message == "Every cell of the space has been trained."


def test_stopped_trainings_are_learnt_from_but_are_no_measurements(
    begun: list[Observation],
) -> None:
    best = max(begun, key=lambda item: item.accuracy)
    stopped = best._replace(cell=SPACE.first_level()[5], curve=(0.1, 0.999), accuracy=0.999)
    cells = plan([*begun, stopped], wave=3).cells
    assert cells and stopped.cell not in [item.cell for item in cells]


def test_probes_are_asked_once_before_the_first_training() -> None:
    asked: list[Cell] = []

    def probe(cell: Cell) -> float:
        asked.append(cell)
        return seconds_of(cell) if len(cell) < 4 else float("nan")

    first = plan([], probe=probe)
    assert 0 < len(first.report.probes) <= len(asked) == 12


class _Plain:
    """A predictor of a user's own, without deviations."""

    def fit(self, cells: CellBatch, values: np.ndarray) -> _Plain:
        self.mean = float(np.mean(values))
        return self

    def predict(self, cells: CellBatch) -> np.ndarray:
        return self.mean + 0.01 * cells.lengths


def test_predictors_of_users(begun: list[Observation]) -> None:
    cells = plan(begun, wave=3, accuracy=_Plain(), seconds=_Plain()).cells
    assert len(cells) == 8


def test_grows_to_every_depth_without_known_cells() -> None:
    known = CellBatch.from_cells(SPACE, list(SPACE.first_level())[:10]).canonical()

    def judge(cells: CellBatch) -> tuple[Estimates, np.ndarray]:
        sizes = cells.lengths.astype(float)
        inside = np.ones(len(cells), dtype=bool)
        return Estimates(cells, sizes, sizes, sizes[:, None], inside), sizes[:, None]

    pool = grow(
        SPACE,
        known,
        judge,
        rng=np.random.default_rng(0),
        children=300,
    ).cells
    assert set(pool.lengths.tolist()) == {1, 2, 3, 4, 5}
    assert not set(pool.keys.tolist()) & set(known.keys.tolist())
    assert len(set(pool.keys.tolist())) == len(pool)


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_second_looks_are_for_the_most_accurate_end(
    share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choosing, "_ACCURATE_SHARE", share)
    rng = np.random.default_rng(0)
    observations: list[Observation] = []
    roles: list[str] = []
    for number in range(8):
        for item in plan(observations, wave=number).cells:
            cell = item.cell
            noisy = float(np.clip(train(cell).accuracy + 0.1 * rng.normal(), 0.01, 0.99))
            observations.append(Observation(cell, noisy, seconds_of(cell)))
            roles.append(item.role)
    assert ("repeat" in roles) == (share > 0)
    assert roles.count("repeat") <= share * len(roles)
