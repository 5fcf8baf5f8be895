"""The search space: errors, suggestion under Optuna's samplers, batches, own operators."""

import numpy as np
import optuna
import pytest

from optuna_popnas import Cell
from optuna_popnas import CellBatch
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import POPNASSampler
from optuna_popnas import register_operator
from optuna_popnas import SearchSpace
from optuna_popnas.space import unregister_operator


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"operators": []}, "must hold 1 to 100 names, but got 0"),
        ({"operators": ["conv"]}, "registered, but got 'conv'"),
        ({"operators": "identity"}, "sequence of names"),
        ({"operators": ["identity", "identity"]}, "must not repeat a name"),
        ({"max_blocks": 0}, "`max_blocks` must be between 1 and 20, but got 0"),
        ({"max_blocks": 2.5}, "`max_blocks` must be an integer"),
        ({"lookbacks": -1}, "`lookbacks` must be between 1 and 20, but got -1"),
    ],
)
def test_bad_spaces(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SearchSpace(**{"operators": PAPER_OPERATORS, **arguments})  # type: ignore[arg-type]


def test_expand_refuses_mixed_and_full_levels() -> None:
    space = SearchSpace(PAPER_OPERATORS[:1], max_blocks=1)
    one = Cell([(-1, "identity", -1, "identity")])
    with pytest.raises(ValueError, match="same number of blocks"):
        space.expand([Cell(), one])
    with pytest.raises(ValueError, match="fewer than max_blocks=1"):
        space.expand([one])


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (Cell([(-3, "identity", -1, "identity")]), "Lookbacks must be from -2 to -1"),
        (Cell([(-1, "9x9 conv", -1, "identity")]), "but got '9x9 conv'"),
        (Cell([(-1, "identity", -1, "identity")] * 2), "at most 1 blocks"),
    ],
)
def test_cells_of_another_space_are_refused(cell: Cell, message: str) -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=1)
    with pytest.raises(ValueError, match=message):
        CellBatch.from_cells(space, [cell])


def test_expanding_the_empty_cell_gives_the_first_level() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    expanded = space.expand([Cell()])
    assert set(expanded.keys.tolist()) == set(space.first_level().keys.tolist())


def test_batch_is_a_sequence_of_cells() -> None:
    space = SearchSpace(PAPER_OPERATORS[:3], max_blocks=3)
    cells = [Cell(), *space.first_level(), *space.expand(space.first_level())[:7]]
    batch = CellBatch.from_cells(space, cells)
    assert len(batch) == len(cells)
    assert list(batch) == cells
    assert batch[3] == cells[3]
    assert list(batch[1:5]) == cells[1:5]
    assert list(batch.take([2, 0])) == [cells[2], cells[0]]
    assert CellBatch.from_cells(space, batch) is batch


SAMPLERS = {
    "random": lambda: optuna.samplers.RandomSampler(seed=0),
    "tpe": lambda: optuna.samplers.TPESampler(seed=0, n_startup_trials=3),
    "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=0, population_size=5),
    "nsga3": lambda: optuna.samplers.NSGAIIISampler(seed=0, population_size=5),
    "gp": lambda: optuna.samplers.GPSampler(seed=0, n_startup_trials=10),
}


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("name", SAMPLERS)
def test_suggest_works_under_every_sampler(name: str) -> None:
    sampler = SAMPLERS[name]()
    space = SearchSpace(PAPER_OPERATORS, max_blocks=3)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    seen = []

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        space.check(cell)
        seen.append(cell)
        return float(len(cell)), float(len(set(cell.operators)))

    study.optimize(objective, n_trials=15)
    assert len(set(map(len, seen))) > 1
    # Constant distributions: one per parameter over the whole study.
    distributions: dict[str, set[object]] = {}
    for trial in study.trials:
        for name, distribution in trial.distributions.items():
            distributions.setdefault(name, set()).add(repr(distribution))
    assert all(len(found) == 1 for found in distributions.values())


def test_relative_samplers_see_every_parameter_after_a_trial_of_the_empty_cell() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.enqueue_trial({"blocks": 0})
    study.enqueue_trial({"blocks": 1, "b0_in1": -2})
    cells = [space.suggest(trial) for trial in (study.ask(), study.ask())]
    assert cells[0] == Cell() and len(cells[1]) == 1 and cells[1].blocks[0].in1 == -2
    study.tell(0, [0.1, 1.0])
    study.tell(1, [0.2, 2.0])
    common = optuna.search_space.IntersectionSearchSpace().calculate(study)
    assert len(common) == 1 + 4 * 2
    assert [trial.user_attrs["unused_blocks"] for trial in study.trials] == [[0, 1], [1]]


def test_a_sampler_of_whole_cells_is_asked_for_the_blocks_of_the_cell() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=3)
    sampler = POPNASSampler(
        space, mode="popnas", max_children=2, max_exploration_children=0, seed=0
    )
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    trials = [study.ask() for _ in range(3)]
    cells = [space.suggest(trial) for trial in trials]
    assert [len(trial.params) for trial in trials] == [1 + 4 * len(cell) for cell in cells]
    assert all("unused_blocks" not in trial.user_attrs for trial in trials)


def test_suggest_reads_enqueued_parameters() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    trial = optuna.trial.FixedTrial(
        {"blocks": 1, "b0_in1": -2, "b0_op1": "3x3 conv", "b0_in2": -1, "b0_op2": "identity"}
    )
    assert space.suggest(trial) == Cell([(-2, "3x3 conv", -1, "identity")])


def test_own_operators_enter_by_one_call() -> None:
    with pytest.raises(ValueError, match="add your own with `register_operator`"):
        SearchSpace(["identity", "3x3 blur"])
    register_operator("([0-9]+)x([0-9]+) blur", lambda *arguments: None, example="3x3 blur")
    try:
        space = SearchSpace(["identity", "3x3 blur"], max_blocks=1)
        assert len(space.first_level()) == 10
        with pytest.raises(ValueError, match="is registered"):
            register_operator("([0-9]+)x([0-9]+) blur", lambda *arguments: None)
    finally:
        unregister_operator("([0-9]+)x([0-9]+) blur")
    with pytest.raises(ValueError, match="but got '3x3 blur'"):
        SearchSpace(["identity", "3x3 blur"])


def test_fingerprint_tells_spaces_apart() -> None:
    base = SearchSpace(PAPER_OPERATORS, max_blocks=3)
    assert base.fingerprint == SearchSpace(**base.to_dict()).fingerprint
    for other in (
        SearchSpace(PAPER_OPERATORS, max_blocks=4),
        SearchSpace(PAPER_OPERATORS[::-1], max_blocks=3),
        SearchSpace(PAPER_OPERATORS, max_blocks=3, lookbacks=1),
    ):
        assert other.fingerprint != base.fingerprint


def test_the_smallest_space_of_any_cells() -> None:
    """Five places made such a space, each with other rules for no cells at all."""
    cells = [
        Cell([(-3, "3x3 conv", -1, "identity")]),
        Cell([(-1, "3x3 conv", -1, "2x2 maxpool"), (0, "identity", -1, "identity")]),
        Cell(),
    ]
    assert SearchSpace.of(cells) == SearchSpace(
        ["3x3 conv", "identity", "2x2 maxpool"], max_blocks=2, lookbacks=3
    )
    assert SearchSpace.of(cells, ["5x5 conv", "identity"]).operators == (
        "5x5 conv",
        "identity",
        "3x3 conv",
        "2x2 maxpool",
    )
    assert SearchSpace.of([]) == SearchSpace(["identity"], max_blocks=1, lookbacks=1)
    roomy = SearchSpace.of(cells, max_blocks=5, lookbacks=2)
    assert (roomy.max_blocks, roomy.lookbacks) == (5, 3)
    assert np.unique(CellBatch.from_cells(SearchSpace.of(cells), cells).keys).size == 3
