"""Trials that one thread or process asks for, and another tells."""

from __future__ import annotations

import subprocess
import sys
import threading

import optuna
from optuna.trial import TrialState
import pytest

from optuna_popnas import Cell
from optuna_popnas import detach
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.sampler import facts
from optuna_popnas.sampler import SearchEnded
from optuna_popnas.study import view_study
from tests.sampler.conftest import Make
from tests.sampler.conftest import open_rdb
from tests.sampler.toys import made_up
from tests.sampler.toys import objective_of
from tests.sampler.toys import planned
from tests.sampler.toys import sampler_options
from tests.sampler.toys import trained


def test_numbers_of_threads_are_no_identities(make_study: Make, space: SearchSpace) -> None:
    """A server with a thread a request was told that its own thread had to tell a result."""
    study = make_study()
    cells: dict[int, Cell] = {}
    trials: list[optuna.Trial] = []

    def request() -> None:
        trial = study.ask()
        cells[trial.number] = space.suggest(trial)
        trials.append(trial)

    for _ in range(37):
        thread = threading.Thread(target=request)
        thread.start()
        thread.join()
    late = threading.Thread(target=request, daemon=True)
    late.start()
    late.join(timeout=0.5)
    assert late.is_alive()  # it waits; no error
    for trial in trials[:37]:
        study.tell(trial, made_up(space, cells[trial.number]))
    late.join(timeout=20)
    assert len(cells[37]) == 2


def test_ask_in_one_process_and_tell_in_another(url: str, space: SearchSpace) -> None:
    """A trial was declared dead because the process that had asked for it had ended."""
    study = optuna.create_study(
        study_name="x", storage=open_rdb(url), directions=["maximize", "minimize"]
    )
    script = f"""
import optuna
from optuna_popnas import POPNASSampler, SearchSpace, detach
from tests.sampler.toys import sampler_options
space = SearchSpace({list(space.operators)!r}, max_blocks={space.max_blocks})
study = optuna.load_study(study_name="x", storage={url!r},
                          sampler=POPNASSampler(space, **sampler_options()))
for number in range(2):
    trial = study.ask()
    space.suggest(trial)
    if number:
        detach(trial)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)
    study.sampler = POPNASSampler(space, **sampler_options())
    study.optimize(objective_of(space), n_trials=3)
    first, second = study.trials[:2]
    assert first.state == TrialState.FAIL
    assert first.system_attrs[facts.REASON] == "declared dead: its process has ended"
    assert second.state == TrialState.RUNNING
    cell = facts.read_fact(second).cell
    assert cell is not None
    study.tell(second.number, made_up(space, cell))
    assert view_study(study).trials[1].is_valid


def test_only_our_sampler_can_detach() -> None:
    """See above."""
    with pytest.raises(ValueError, match="`sampler` must be a POPNASSampler, but got"):
        detach(optuna.create_study().ask())


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
