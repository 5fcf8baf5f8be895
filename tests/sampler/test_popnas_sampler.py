"""Whole searches with made-up metrics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
import math
import pickle
import threading
import time

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
import pytest

from optuna_popnas import Cell
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.predictors import NNLSTimePredictor
from optuna_popnas.sampler import optimize_steadily
from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler import SearchEnded
from optuna_popnas.sampler.facts import CLAIM
from optuna_popnas.search import hypervolume
from optuna_popnas.study import front
from optuna_popnas.study import level_quality
from optuna_popnas.study import view_study
from tests.sampler.conftest import Opener
from tests.sampler.toys import CountPredictor
from tests.sampler.toys import made_up
from tests.sampler.toys import noise
from tests.sampler.toys import objective_of
from tests.sampler.toys import planned
from tests.sampler.toys import sampler_options
from tests.sampler.toys import trained


Make = Callable[..., optuna.Study]


# A search from begin to end -----------------------------------------------------------------


@pytest.mark.parametrize("n_jobs", [1, 4])
def test_search_trains_each_planned_cell_once(
    opener: Opener, make_study: Make, space: SearchSpace, n_jobs: int
) -> None:
    study = make_study(opener())
    study.optimize(objective_of(space), n_jobs=n_jobs)
    search = view_study(study)
    assert search.done
    assert [(plan.level, plan.wave) for plan in search.plans] == [(0, 0), (1, 0), (2, 0), (3, 0)]
    counts = trained(study)
    assert set(counts) == planned(study)
    assert set(counts.values()) == {1}
    for trial in search.trials:
        if trial.is_valid and trial.cell is not None:
            assert trial.user_attrs["popnas"]["cell"] == str(trial.cell)
            assert study.trials[trial.number].params == trial.cell.params()
    if n_jobs == 1:
        assert all(trial.state == "COMPLETE" for trial in search.trials)


def test_paper_space_to_five_blocks(make_study: Make) -> None:
    space = SearchSpace(max_blocks=5)
    study = make_study(space=space, max_children=32, max_exploration_children=8)
    study.optimize(objective_of(space))
    search = view_study(study)
    assert search.done
    levels = Counter(len(cell) for cell in trained(study))
    assert levels[0] == 1
    assert levels[1] == 300
    assert all(1 <= levels[b] <= 40 for b in (2, 3, 4, 5))
    assert set(trained(study).values()) == {1}
    roles = Counter(trial.role for trial in search.trials)
    assert roles["first"] == 300
    assert roles["exploration"] > 0
    assert all(quality.accuracy.rho > 0.5 for quality in level_quality(search))
    everything = [trial for trial in search.trials if trial.is_valid]
    best = front(everything)
    values = [[trial.accuracy for trial in best], [trial.seconds for trial in best]]
    assert values[0] == sorted(values[0], reverse=True)
    whole = hypervolume([t.accuracy for t in everything], [t.seconds for t in everything])
    assert hypervolume(*values, reference_cost=max(t.seconds for t in everything)) == whole


def test_single_objective_study_is_pnas(make_study: Make, space: SearchSpace) -> None:
    study = make_study(directions=("maximize",))
    study.optimize(lambda trial: made_up(space, space.suggest(trial))[0])
    search = view_study(study)
    assert search.done
    assert [len(plan.cells) for plan in search.plans] == [1, 36, 8, 8]
    assert {trial.role for trial in search.trials} == {"empty", "first", "front"}


def test_time_limit_that_no_cell_meets_ends_the_search(
    make_study: Make, space: SearchSpace
) -> None:
    study = make_study(time_limit=1e-3)
    study.optimize(objective_of(space))
    search = view_study(study)
    assert search.done
    assert len(trained(study)) == 37
    assert "within the limits" in search.plans[-1].report.message
    assert [trial.state for trial in search.trials[37:]] == ["PRUNED"]
    assert search.trials[37].cell is None
    assert (search.trials[37].reason or "").startswith("The search has ended. None of")


def test_v1_trains_equivalent_cells_as_the_paper_did(make_study: Make) -> None:
    space = SearchSpace(["identity", "3x3 conv"], max_blocks=3, lookbacks=1)
    study = make_study(
        space=space,
        mode="popnas-v1",
        time_predictor=lambda space, seed: NNLSTimePredictor(
            space, feature_set="popnas-v1", seed=seed
        ),
    )
    study.optimize(objective_of(space))
    search = view_study(study)
    assert search.done
    cells = [trial.cell for trial in search.trials if trial.is_valid]
    assert len(cells) == len(set(cells)) == sum(len(plan.cells) for plan in search.plans)


def test_speculation_trains_more_cells_but_plans_all(make_study: Make, space: SearchSpace) -> None:
    study = make_study(idle="speculate", reserve=20)
    study.optimize(lambda t: (time.sleep(0.002), made_up(space, space.suggest(t)))[1], n_jobs=8)
    search = view_study(study)
    assert search.done
    main = {
        item.cell.canonical()
        for plan in search.plans
        for item in plan.cells
        if item.role != "reserve"
    }
    assert main <= set(trained(study))
    assert set(trained(study).values()) == {1}


# The same lines resume it --------------------------------------------------------------------


def test_stopped_anywhere_it_goes_on_as_if_it_had_not_been(
    opener: Opener, make_study: Make, space: SearchSpace
) -> None:
    whole = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=POPNASSampler(
            space, **sampler_options(max_children=8, max_exploration_children=3)
        ),
    )
    whole.optimize(objective_of(space))
    for part in (1, 30, 10, None):
        make_study(opener()).optimize(objective_of(space), n_trials=part)
    study = make_study(opener())
    assert trained(study) == trained(whole)
    ours, theirs = view_study(study).plans, view_study(whole).plans
    assert [plan.cells for plan in ours] == [plan.cells for plan in theirs]
    assert all(trial.state == TrialState.COMPLETE for trial in study.trials)


def test_finished_study_run_again_trains_nothing(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    study.optimize(objective_of(space))
    before = trained(study)
    study.optimize(objective_of(space))
    assert trained(study) == before
    added = study.trials[sum(before.values()) :]
    assert [trial.state for trial in added] == [TrialState.PRUNED]
    # A pruned trial without parameters would hide all others' in optuna-dashboard.
    assert added[0].params == {"blocks": 0}


def test_seed_of_the_study_is_kept(opener: Opener, make_study: Make, space: SearchSpace) -> None:
    first = make_study(opener(), seed=None)
    first.optimize(objective_of(space), n_trials=3)
    second = make_study(opener(), seed=None)
    second.optimize(objective_of(space), n_trials=3)
    assert isinstance(view_study(second).settings["seed"], int)
    assert view_study(second).settings == view_study(first).settings


def test_dead_worker_of_this_machine_is_noticed_at_once(
    opener: Opener, make_study: Make, space: SearchSpace
) -> None:
    storage = opener()
    if isinstance(storage, optuna.storages.InMemoryStorage):
        pytest.skip("no other process can use it")
    study = make_study(storage)
    study.optimize(objective_of(space), n_trials=5)
    trial = study.ask()
    cell = space.suggest(trial)
    # What a killed process leaves behind: a running trial whose process has ended.
    claim = {**study.trials[-1].user_attrs["popnas"]}
    claim["process"] = claim["process"].rpartition(":")[0] + ":1"
    internals.write_user(study, trial._trial_id, CLAIM, claim)
    started = time.monotonic()
    again = make_study(opener())
    again.optimize(objective_of(space))
    assert time.monotonic() - started < 60  # the lease is 120
    assert view_study(again).done
    assert trained(again)[cell.canonical()] == 1
    dead = view_study(again).trials[trial.number]
    assert (dead.state, dead.reason) == ("FAIL", "declared dead: its process has ended")


# Trials that fail ----------------------------------------------------------------------------


def test_failing_cells_are_tried_again_then_left_out(make_study: Make, space: SearchSpace) -> None:
    calls: Counter[Cell] = Counter()

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        calls[cell.canonical()] += 1
        luck = noise(cell)
        if 0.1 < luck < 0.2:
            raise ArithmeticError("always")
        if 0.2 < luck < 0.3 and calls[cell.canonical()] < 3:
            raise ArithmeticError("twice")
        accuracy, seconds = made_up(space, cell)
        if 0.3 < luck < 0.35:
            return math.nan, seconds
        if 0.35 < luck < 0.4:
            return math.inf, seconds
        if 0.4 < luck < 0.45:
            return accuracy, 0.0
        return accuracy, seconds

    study = make_study(max_tries=3)
    optimize_steadily(study, objective, catch=(ArithmeticError,))
    search = view_study(study)
    assert search.done
    counts = trained(study)
    for cell in planned(study):
        luck = noise(cell)
        bad = 0.1 < luck < 0.2 or 0.3 < luck < 0.45
        assert calls[cell] == (3 if 0.1 < luck < 0.45 else 1)
        assert counts[cell] == (not bad)
    reasons = {trial.reason for trial in search.trials if not trial.is_valid}
    assert "ArithmeticError: always" in reasons
    assert "The accuracy must be a finite number, but got inf. The trial counts as failed." in (
        reasons
    )
    assert any("greater than 0, but got 0.0" in reason for reason in reasons if reason)
    attempts = {trial.attempt for trial in search.trials}
    assert attempts == {1, 2, 3}


def test_interrupted_trials_do_not_use_up_tries(make_study: Make, space: SearchSpace) -> None:
    study = make_study(max_tries=1)
    victims = iter(range(4))

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        if len(cell) == 1 and next(victims, None) is not None:
            raise KeyboardInterrupt
        return made_up(space, cell)

    for _ in range(4):
        with pytest.raises(KeyboardInterrupt):
            optimize_steadily(study, objective)
    optimize_steadily(study, objective)
    assert set(trained(study)) == planned(study)
    assert view_study(study).trials[1].reason == "interrupted by the keyboard"


# Trials of others ----------------------------------------------------------------------------


def test_enqueued_cells_are_trained_and_used(make_study: Make, space: SearchSpace) -> None:
    deep = Cell([(-1, "3x3 conv", -1, "3x3 conv"), (-1, "3x3 conv", 0, "3x3 conv")])
    flat = Cell([(-1, "3x3 conv", -2, "3x3 conv")])  # in the first level, mirrored
    study = make_study()
    for cell in (deep, flat):
        study.enqueue_trial(cell.params())
    study.optimize(objective_of(space))
    search = view_study(study)
    assert [trial.cell for trial in search.trials[:2]] == [deep, flat]
    assert [trial.role for trial in search.trials[:2]] == ["enqueued", "enqueued"]
    counts = trained(study)
    assert set(counts) == planned(study) | {deep.canonical()}
    assert set(counts.values()) == {1}


def test_enqueued_part_of_a_cell_is_completed(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    study.enqueue_trial({"blocks": 1, "b0_op1": "identity"})
    study.optimize(objective_of(space), n_trials=2)
    first = view_study(study).trials[0]
    assert first.cell is not None
    assert (len(first.cell), first.cell[0].op1) == (1, "identity")


def test_other_parameters_go_to_the_independent_sampler(
    make_study: Make, space: SearchSpace
) -> None:
    class Half(optuna.samplers.RandomSampler):
        def sample_independent(self, study, trial, name, distribution):  # type: ignore
            assert name == "learning_rate"
            return 0.5

    study = make_study(independent_sampler=Half())

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        assert trial.suggest_float("learning_rate", 0.0, 1.0) == 0.5
        return made_up(space, space.suggest(trial))

    study.optimize(objective)
    assert view_study(study).done


def test_trials_that_ask_for_no_cell_are_left_alone(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    foreign = [study.ask() for _ in range(3)]
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=2)
    study.optimize(objective_of(space))
    assert set(trained(study)) == planned(study)
    assert all(study.trials[t.number].state == TrialState.RUNNING for t in foreign)


def test_a_part_of_all_cells_cannot_be_fixed(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    own = study.sampler
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.sampler = optuna.samplers.PartialFixedSampler({"b0_op1": "identity"}, own)
    with pytest.raises(ValueError, match=r"`fixed_params` must hold no parameter of a cell"):
        study.optimize(objective_of(space))
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        study.sampler = optuna.samplers.PartialFixedSampler({"rate": 0.5}, own)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        assert trial.suggest_float("rate", 0.0, 1.0) == 0.5
        return made_up(space, space.suggest(trial))

    study.optimize(objective)
    assert set(trained(study)) == planned(study)


# Ask and tell --------------------------------------------------------------------------------


def test_ask_and_tell_in_one_thread(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    while True:
        trial = study.ask()
        try:
            cell = space.suggest(trial)
        except SearchEnded as ended:
            assert "every cell of its last level has been trained" in str(ended)
            break
        study.tell(trial, made_up(space, cell))
    assert set(trained(study)) == planned(study)
    assert study.trials[-1].state == TrialState.FAIL
    assert study.trials[-1].params == {}


@pytest.mark.parametrize("backwards", [False, True])
def test_batch_past_the_end_of_a_level_raises(
    make_study: Make, space: SearchSpace, backwards: bool
) -> None:
    study = make_study()
    batch = [study.ask() for _ in range(40)]
    if backwards:
        batch.reverse()
    cells = {trial: space.suggest(trial) for trial in batch[:37]}
    assert len({cell.canonical() for cell in cells.values()}) == 37
    with pytest.raises(
        RuntimeError, match="must wait until level 1 is complete.*this very thread"
    ):
        space.suggest(batch[37])
    for trial, cell in cells.items():
        study.tell(trial, made_up(space, cell))
    assert len(space.suggest(batch[37])) == 2


def test_waiting_for_another_thread_is_no_error(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    batch = [study.ask() for _ in range(37)]
    cells = []
    other = threading.Thread(target=lambda: cells.extend(space.suggest(t) for t in batch))
    other.start()
    other.join()
    tell = threading.Timer(
        0.3, lambda: [study.tell(t, made_up(space, c)) for t, c in zip(batch, cells)]
    )
    tell.start()
    assert len(space.suggest(study.ask())) == 2
    tell.join()


# Stopping while waiting ----------------------------------------------------------------------


@pytest.fixture
def blocked(make_study: Make, space: SearchSpace) -> optuna.Study:
    """A study where a whole level is held by another thread that never ends."""
    study = make_study()
    batch = [study.ask() for _ in range(37)]
    other = threading.Thread(target=lambda: [space.suggest(trial) for trial in batch])
    other.start()
    other.join()
    return study


def test_stop_while_waiting(blocked: optuna.Study, space: SearchSpace) -> None:
    threading.Timer(0.3, lambda: setattr(blocked, "_stop_flag", True)).start()
    blocked.optimize(objective_of(space))
    last = view_study(blocked).trials[-1]
    assert (last.state, last.reason) == (
        "PRUNED",
        "The worker was stopped while it waited for a cell.",
    )


def test_timeout_while_waiting(blocked: optuna.Study, space: SearchSpace) -> None:
    started = time.monotonic()
    optimize_steadily(blocked, objective_of(space), timeout=0.5)
    assert 0.4 < time.monotonic() - started < 5
    assert "was stopped while it waited" in (view_study(blocked).trials[-1].reason or "")


def test_keyboard_interrupt_while_waiting(
    blocked: optuna.Study, space: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps = []

    def interrupt(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr("optuna_popnas.sampler.patience.time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        optimize_steadily(blocked, objective_of(space))
    assert view_study(blocked).trials[-1].reason == "interrupted by the keyboard"


def test_a_wait_is_told_once_and_recorded(
    make_study: Make, space: SearchSpace, capsys: pytest.CaptureFixture[str]
) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    lines: list[str] = []
    handler = _Collect(lines)
    optuna.logging._get_library_root_logger().addHandler(handler)
    study = make_study()
    slow = Cell()

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        if cell == slow:
            time.sleep(1.5)
        return made_up(space, cell)

    study.optimize(objective, n_jobs=2)
    optuna.logging._get_library_root_logger().removeHandler(handler)
    waits = [line for line in lines if "waits:" in line]
    assert len(waits) == 1
    assert "level 1 is complete but for 1 cells" in waits[0]
    waited = [trial.waited_seconds for trial in view_study(study).trials]
    assert 0.5 < max(waited) < 5
    assert sum(seconds > 0 for seconds in waited) == 1


class _Collect(optuna.logging.logging.Handler):
    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record) -> None:  # type: ignore
        self._lines.append(record.getMessage())


# Errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": None}, "`space` must be a SearchSpace"),
        ({"mode": "fast"}, "`mode` must be one of 'adaptive', 'popnas', 'pnas', 'popnas-v1'"),
        ({"max_children": 0}, "`max_children` must be an integer of at least 1"),
        ({"max_exploration_children": -1}, "`max_exploration_children` must be"),
        ({"time_limit": 0.0}, "`time_limit` must be greater than 0"),
        ({"max_tries": 0}, "`max_tries` must be an integer of at least 1"),
        ({"stale_after": 0}, "`stale_after` must be a number of seconds greater than 0"),
        ({"idle": "sleep"}, "`idle` must be 'wait' or 'speculate'"),
        ({"mode": "popnas-v1"}, "`lookbacks` must be 1 in mode 'popnas-v1'"),
    ],
)
def test_bad_settings(changes: dict[str, object], message: str) -> None:
    options = {"space": SearchSpace(), **changes}
    with pytest.raises(ValueError, match=message):
        POPNASSampler(options.pop("space"), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "directions",
    [
        ("minimize",),
        ("minimize", "maximize"),
        ("maximize", "maximize"),
        ("maximize", "minimize", "minimize"),
    ],
)
def test_wrong_directions(
    make_study: Make, space: SearchSpace, directions: tuple[str, ...]
) -> None:
    study = make_study(directions=directions)
    with pytest.raises(ValueError, match=r"`directions` must be \['maximize', 'minimize'\]"):
        study.optimize(objective_of(space))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_children": 9}, r"`max_children` must be 8, with which this study was begun, but"),
        ({"seed": 1}, "`seed` must be 0, .* but got 1"),
        ({"mode": "pnas"}, "`mode` must be 'popnas', .* but got 'pnas'"),
        (
            {"space": SearchSpace(["identity", "3x3 conv"], max_blocks=3)},
            r"`operators` must be .* but got .* 3x3 dconv, 2x2 maxpool missing\.",
        ),
        (
            {"time_predictor": NNLSTimePredictor},
            "`time_predictor` must be .*CountPredictor.* but got .*NNLSTimePredictor",
        ),
    ],
)
def test_study_of_another_setup(
    opener: Opener,
    make_study: Make,
    space: SearchSpace,
    changes: dict[str, object],
    message: str,
) -> None:
    study = make_study(opener())
    study.optimize(objective_of(space), n_trials=4)
    before = study.trials
    other = make_study(opener(), **changes)
    with pytest.raises(ValueError, match=message) as caught:
        other.optimize(objective_of(changes.get("space", space)))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert study.trials[:4] == before


def test_suggesting_from_another_space(make_study: Make) -> None:
    study = make_study()
    other = SearchSpace(["identity", "5x5 conv"], max_blocks=3)
    with pytest.raises(ValueError, match="`b0_in1`|`b0_op1` must have the distribution"):
        study.optimize(objective_of(other), n_trials=2)


# Odds and ends -------------------------------------------------------------------------------


def test_sampler_can_be_pickled(make_study: Make, space: SearchSpace) -> None:
    study = make_study()
    study.optimize(objective_of(space), n_trials=3)
    study.sampler = pickle.loads(pickle.dumps(study.sampler))
    study.optimize(objective_of(space))
    assert set(trained(study)) == planned(study)


def test_predictor_objects_are_used_as_they_are(make_study: Make, space: SearchSpace) -> None:
    fits = []

    class Counting(CountPredictor):
        def fit(self, cells, values):  # type: ignore
            fits.append(len(cells))
            return super().fit(cells, values)

    study = make_study(accuracy_predictor=Counting(space))
    study.optimize(objective_of(space))
    assert fits == [37, 37 + len(view_study(study).plans[2].cells)]


def test_probes_are_stored_and_used_again(make_study: Make, space: SearchSpace) -> None:
    calls: Counter[Cell] = Counter()

    def probe(cell: Cell) -> float:
        calls[cell.canonical()] += 1
        return made_up(space, cell)[1]

    study = make_study(time_probe=probe, probes=5)
    study.optimize(objective_of(space))
    assert set(calls.values()) == {1}
    stored = [code for plan in view_study(study).plans for code in plan.report.probes]
    assert len(stored) == len(calls) >= 10


def test_callbacks_see_complete_trials(make_study: Make, space: SearchSpace) -> None:
    states: list[TrialState] = []

    def callback(study: optuna.Study, trial: FrozenTrial) -> None:
        states.append(trial.state)

    study = make_study()
    study.optimize(objective_of(space), n_jobs=2, callbacks=[callback])
    assert Counter(states)[TrialState.COMPLETE] == len(planned(study))
