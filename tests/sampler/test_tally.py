"""Cells that fail: which are tried again, and whose failures count."""

from __future__ import annotations

from collections import Counter
import math
import threading
import time

import optuna
from optuna.trial import TrialState
import pytest

from optuna_popnas import Cell
from optuna_popnas import MachineFailure
from optuna_popnas import optimize_steadily
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas.sampler import facts
from optuna_popnas.sampler.board import Board
from optuna_popnas.sampler.liveness import Me
from optuna_popnas.sampler.setup import Setup
from optuna_popnas.study import view_study
from tests.sampler.conftest import Make
from tests.sampler.conftest import open_rdb
from tests.sampler.toys import made_up
from tests.sampler.toys import noise
from tests.sampler.toys import planned
from tests.sampler.toys import sampler_options
from tests.sampler.toys import trained


@pytest.mark.parametrize("failure", [MachineFailure("no data"), OSError(5, "Input/output error")])
def test_failures_of_the_machine_use_up_no_tries(
    make_study: Make, space: SearchSpace, failure: Exception
) -> None:
    """A damaged file used up the tries of good cells, which were left out for ever."""
    study = make_study(max_tries=1)
    broken = [True]

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        if len(cell) == 1 and broken:
            raise failure
        return made_up(space, cell)

    for _ in range(7):  # more often than a cell may take its process down
        with pytest.raises(type(failure)):
            optimize_steadily(study, objective, catch=(Exception,))
    broken.clear()
    optimize_steadily(study, objective, catch=(Exception,))
    assert view_study(study).done
    assert set(trained(study)) == planned(study)


def test_errors_that_the_user_names_are_failures_of_the_cell(
    make_study: Make, space: SearchSpace
) -> None:
    """Named in ``catch``, an error is one that the user expects of some cells."""
    study = make_study(max_tries=2)

    def objective(trial: optuna.Trial) -> tuple[float, float]:
        cell = space.suggest(trial)
        if str(cell).count("dconv") == 2:
            raise TimeoutError("this cell takes too long")
        return made_up(space, cell)

    optimize_steadily(study, objective, catch=(TimeoutError,))
    assert view_study(study).done


def test_a_broken_worker_strikes_out_no_cells(url: str, space: SearchSpace) -> None:
    """One worker on which everything failed had cells left out for all."""
    options = sampler_options(max_children=4, max_exploration_children=2)
    begun, done = threading.Event(), threading.Event()
    errors: list[BaseException] = []

    def work(broken: bool) -> None:
        try:
            study = optuna.create_study(
                study_name="x",
                storage=open_rdb(url),
                load_if_exists=True,
                directions=["maximize", "minimize"],
                sampler=POPNASSampler(space, **options),
            )
            me = Me("w", f"m:{int(broken)}:1", f"m:{int(broken)}")
            study.sampler._desk(study)._writer.me = me  # type: ignore[attr-defined]

            if broken:
                begun.wait(60)

            def objective(trial: optuna.Trial) -> tuple[float, float]:
                cell = space.suggest(trial)
                begun.set()
                if broken and not done.is_set():
                    raise ArithmeticError("this worker is broken")
                time.sleep(0.02)
                return made_up(space, cell)

            optimize_steadily(study, objective, catch=(ArithmeticError,))
        except BaseException as error:
            errors.append(error)

    optuna.create_study(study_name="x", storage=open_rdb(url), directions=["maximize", "minimize"])
    workers = [threading.Thread(target=work, args=(n == 0,), daemon=True) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=100)
    done.set()
    assert not errors
    assert not any(worker.is_alive() for worker in workers)
    study = optuna.load_study(study_name="x", storage=url)
    assert set(trained(study)) == planned(study)
    failed = Counter(
        trial.cell.canonical() for trial in view_study(study).trials if trial.is_failure
    )
    assert max(failed.values()) == 1


def test_tries_are_counted_by_machine() -> None:
    """A cell that finds no memory on one machine was left out on all."""
    space = SearchSpace(["identity"], max_blocks=1, lookbacks=1)
    board = Board(Setup(space, {"mode": "popnas", "max_tries": 2, "max_children": 1}))
    cell = space.first_level()[0]

    def trial(number: int, machine: str, state: TrialState) -> facts.Fact:
        claim = facts.Claim(
            cell, 1, 0, "first", None, None, 1, 0.0, "w", f"{machine}:1:1", 0, 0, 0, f"{machine}:0"
        )
        plan = {"version": 2, "space": space.fingerprint, "level": 1, "wave": 0}
        plan |= {"cells": [[-1, 0, -1, 0]], "roles": ["first"], "report": {}}
        return facts.Fact(
            number,
            state,
            cell,
            reason="no memory" if state == TrialState.FAIL else None,
            claim=claim,
            seat=claim.seat,
            plans=((0, {"plan": plan, "fenced": []}),),
        )

    failed = [trial(n, "small", TrialState.FAIL) for n in range(2)]
    board.update(failed)
    assert board.all_settled
    board = Board(board.goal)
    board.update([*failed, trial(2, "large", TrialState.RUNNING)])
    assert not board.all_settled


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
