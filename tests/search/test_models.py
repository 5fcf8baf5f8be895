"""What a plan's models are taught and asked: probes, times, further objectives."""

import numpy as np
import numpy.typing as npt
import pytest

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import AdditiveTimePredictor
from optuna_popnas.search import plan_level
from optuna_popnas.search import Predictors
from optuna_popnas.search import SearchConfig
from tests.search.made_up import made_up
from tests.search.made_up import Oracle
from tests.search.made_up import search


def test_probes_are_given_to_the_time_model_and_recorded() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    probed: list[Cell] = []

    def probe(cell: Cell) -> float:
        probed.append(cell)
        return float(made_up(CellBatch.from_cells(space, [cell]))[1][0])

    plans, _ = search(space, SearchConfig(probes=10), probe=probe)
    front = [planned.cell for planned in plans[2].cells if planned.role == "front"]
    assert set(front) <= set(probed)
    assert len(probed) == len(set(probed)) >= 10
    assert [item.cell for item in plans[2].report.probes] == probed


@pytest.mark.parametrize(("probes", "fits"), [(0, 1), (10, 2)])
def test_the_time_model_is_fitted_only_to_something_new(probes: int, fits: int) -> None:
    class Counting(Oracle):
        count = 0

        def fit(self, cells, values):
            self.count += 1
            return super().fit(cells, values)

    space = SearchSpace(PAPER_OPERATORS[:6], max_blocks=2)
    _, observations = search(SearchSpace(PAPER_OPERATORS[:6], max_blocks=1), SearchConfig())
    model = Counting(1)
    plan_level(
        space,
        2,
        observations,
        SearchConfig(probes=probes),
        Predictors(Oracle(0), model, probe=lambda cell: 1.0 + len(cell)),
        rng=np.random.default_rng(0),
    )
    assert model.count == fits


def test_computed_costs_can_be_objectives_and_limits() -> None:
    space = SearchSpace(PAPER_OPERATORS[:6], max_blocks=2)
    _, observations = search(SearchSpace(PAPER_OPERATORS[:6], max_blocks=1), SearchConfig())

    def cost(batch: CellBatch) -> dict[str, npt.NDArray[np.int64]]:
        return {"parameters": (batch.keys % np.uint64(1000)).astype(np.int64)}

    config = SearchConfig(
        max_children=10_000, objectives=("parameters",), limits={"parameters": 500}
    )
    predictors = Predictors(Oracle(0), Oracle(1), cost=cost)
    rng = np.random.default_rng(0)
    plan = plan_level(space, 2, observations, config, predictors, rng=rng)
    batch = CellBatch.from_cells(space, [planned.cell for planned in plan.cells])
    assert (cost(batch)["parameters"] <= 500).all()
    # Three objectives keep more than two do.
    plain_config = SearchConfig(max_children=10_000, limits={"parameters": 500})
    plain = plan_level(space, 2, observations, plain_config, predictors, rng=rng)
    assert len(plan.cells) > len(plain.cells)


def test_measured_objectives_are_predicted() -> None:
    space = SearchSpace(PAPER_OPERATORS[:6], max_blocks=2)
    _, observations = search(SearchSpace(PAPER_OPERATORS[:6], max_blocks=1), SearchConfig())
    # Here latency is the number of slots with the first operator, plus one.
    batch = CellBatch.from_cells(space, [item.cell for item in observations])

    def latency(cells: CellBatch) -> npt.NDArray[np.float64]:
        chosen = (cells.operators == 0) & cells.present[:, :, None]
        return 1.0 + chosen.sum(axis=(1, 2)).astype(np.float64)

    known = [item._replace(others=(value,)) for item, value in zip(observations, latency(batch))]
    asked: list[int] = []

    def other(number: int) -> AdditiveTimePredictor:
        asked.append(number)
        return AdditiveTimePredictor(space, seed=0)

    predictors = Predictors(Oracle(0), Oracle(1), other=other)
    config = SearchConfig(max_children=10_000, objectives=("latency",), limits={"latency": 2.5})
    rng = np.random.default_rng(0)
    plan = plan_level(space, 2, known, config, predictors, rng=rng)
    assert asked == [0]
    chosen = latency(CellBatch.from_cells(space, [planned.cell for planned in plan.cells]))
    assert (chosen <= 2.0).mean() > 0.95 and chosen.max() <= 3.0  # candidates go up to 5
    free = SearchConfig(max_children=10_000)
    plain = plan_level(space, 2, known, free, Predictors(Oracle(0), Oracle(1)), rng=rng)
    both = plan_level(
        space,
        2,
        known,
        SearchConfig(max_children=10_000, objectives=("latency",)),
        predictors,
        rng=rng,
    )
    assert len(both.cells) > len(plain.cells)
    with pytest.raises(ValueError, match="but got 'latency'"):
        plan_level(space, 2, observations, config, predictors, rng=rng)


def test_optimism_judges_by_the_upper_bound() -> None:
    class Unsure(Oracle):
        def estimate(self, cells):
            return made_up(cells)[0], (cells.keys % np.uint64(7)).astype(float)

    space = SearchSpace(PAPER_OPERATORS[:6], max_blocks=2)
    _, observations = search(SearchSpace(PAPER_OPERATORS[:6], max_blocks=1), SearchConfig())
    plan = plan_level(
        space,
        2,
        observations,
        SearchConfig(optimism=1.0),
        Predictors(Unsure(0), Oracle(1)),
        rng=np.random.default_rng(0),
    )
    assert plan.cells[0].accuracy_std == 6.0
