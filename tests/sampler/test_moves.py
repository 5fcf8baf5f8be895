"""The protocol, driven without Optuna: any order of events leads to the same end."""

from __future__ import annotations

from collections import Counter
import random

from optuna.trial import TrialState
import pytest

from optuna_popnas import Cell
from optuna_popnas import SearchSpace
from optuna_popnas.sampler.board import Board
from optuna_popnas.sampler.facts import DEAD
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.moves import Finish
from optuna_popnas.sampler.moves import MakePlan
from optuna_popnas.sampler.moves import next_move
from optuna_popnas.sampler.moves import Wait
from optuna_popnas.sampler.setup import Setup
from optuna_popnas.sampler.stored_plans import choose_plan
from optuna_popnas.sampler.tally import MAX_DEATHS
from optuna_popnas.sampler.waiting_list import Take
from optuna_popnas.search import Plan
from optuna_popnas.search import PlannedCell
from optuna_popnas.search import PlanReport


SPACE = SearchSpace(["identity", "3x3 conv"], max_blocks=2)
RUNNING, COMPLETE, FAIL = TrialState.RUNNING, TrialState.COMPLETE, TrialState.FAIL


def plan_of(level: int, *cells: Cell, role: str = "front", wave: int = 0) -> Plan:
    return Plan(level, wave, tuple(PlannedCell(cell, role) for cell in cells))


def carried(number: int, plan: Plan, fenced: tuple[int, ...] = ()) -> tuple[int, dict]:
    return number, {"plan": plan.to_json(SPACE), "fenced": list(fenced)}


EMPTY = plan_of(0, Cell(), role="empty")
FIRST = plan_of(1, *SPACE.first_level(), role="first")
ONE, TWO, THREE = list(SPACE.first_level())[:3]


def empty_board(max_tries: int = 3, mode: str = "popnas", space: SearchSpace = SPACE) -> Board:
    settings = {"mode": mode, "max_tries": max_tries, "max_children": 8}
    return Board(Setup(space, {**settings, "max_exploration_children": 2}))


def begun(*facts: Fact, max_tries: int = 3) -> Board:
    """A board with the first two plans, carried by the finished trial 0 of the empty cell."""
    first = Fact(0, COMPLETE, Cell(), 0.1, 1.0, plans=(carried(0, EMPTY), carried(1, FIRST)))
    board = empty_board(max_tries)
    board.update([first, *facts])
    return board


def asking(number: int, **changes: object) -> Fact:
    return Fact(number, RUNNING, None)._replace(**changes)


# Cells ---------------------------------------------------------------------------------------


def test_cells_are_taken_by_rank() -> None:
    board = begun(asking(5), asking(7), asking(9))
    moves = [next_move(board, number) for number in (5, 7, 9)]
    assert moves == [Take(1, 0), Take(1, 1), Take(1, 2)]


def test_trials_that_do_not_ask_are_passed_over() -> None:
    board = begun(asking(5), asking(7))
    assert next_move(board, 7, absent={5}) == Take(1, 0)


def test_held_and_measured_cells_are_not_taken() -> None:
    mirrored = Cell([(block.in2, block.op2, block.in1, block.op1) for block in TWO])
    board = begun(Fact(1, RUNNING, ONE), Fact(2, COMPLETE, mirrored, 0.5, 1.0), asking(3))
    assert next_move(board, 3) == Take(1, 2)


@pytest.mark.parametrize(
    ("reasons", "out"),
    [
        (["failed"], False),
        (["failed", "failed"], True),
        ([None, f"{DEAD}: silent", "interrupted by the keyboard"], False),
        ([None] * (MAX_DEATHS - 1) + ["interrupted by the keyboard"] * 9, False),
        ([None] * MAX_DEATHS, True),
    ],
)
def test_failures_and_deaths(reasons: list[str | None], out: bool) -> None:
    failed = [Fact(n, FAIL, ONE, reason=reason) for n, reason in enumerate(reasons, 1)]
    board = begun(*failed, asking(20), max_tries=2)
    assert next_move(board, 20) == Take(1, 1)  # others come first
    assert (Take(1, 0) not in board.unsettled()) == out


def test_pruned_cells_are_left_out() -> None:
    board = begun(Fact(1, TrialState.PRUNED, ONE), asking(2))
    assert next_move(board, 2) == Take(1, 1)


def test_two_claims_of_one_cell_are_rivals() -> None:
    board = begun(Fact(1, RUNNING, ONE), Fact(2, RUNNING, ONE), Fact(3, RUNNING, TWO))
    assert [board.rivals(number) for number in (1, 2, 3)] == [True, True, False]


def test_of_two_measurements_the_earlier_trial_counts() -> None:
    board = begun(Fact(4, COMPLETE, ONE, 0.4, 4.0))
    board.update([Fact(2, COMPLETE, ONE, 0.2, 2.0)])
    assert [seen.accuracy for seen in board.observations()] == [0.1, 0.2]


# Plans ---------------------------------------------------------------------------------------


def test_level_one_does_not_wait_for_the_empty_cell() -> None:
    board = empty_board()
    board.update([asking(0), asking(1)])
    assert [next_move(board, n) for n in (0, 1)] == [
        MakePlan(0),
        Wait("another worker is about to plan level 0"),
    ]
    board.update([asking(0, plans=(carried(0, EMPTY),)), asking(1)])
    assert [next_move(board, n) for n in (0, 1)] == [
        Take(0, 0),
        Wait("another worker is about to plan level 1"),
    ]
    board.update([Fact(0, RUNNING, Cell(), plans=(carried(0, EMPTY),)), asking(1)])
    assert next_move(board, 1) == MakePlan(1)


def done(first: int = 1) -> list[Fact]:
    return [Fact(n, COMPLETE, cell, 0.5, 1.0) for n, cell in enumerate(SPACE.first_level(), first)]


def test_the_next_level_waits_for_the_last_cell() -> None:
    finished = done()
    board = begun(*finished[:-1], Fact(50, RUNNING, finished[-1].cell), asking(51))
    move = next_move(board, 51)
    assert isinstance(move, Wait)
    assert "level 1 is complete but for 1 cells" in move.reason
    assert "(50)" in move.reason
    board.update([finished[-1]._replace(number=50), asking(51), asking(52)])
    assert next_move(board, 51) == MakePlan(2)
    assert next_move(board, 52) == Wait("another worker is about to plan level 2")


def test_one_leader_at_a_time() -> None:
    board = begun(*done(), asking(50), asking(51, lead=2))
    assert next_move(board, 50) == Wait("trial 51 is planning level 2")


def test_a_trial_that_trains_is_no_leader() -> None:
    deep = Cell([*ONE, (-1, "identity", 0, "identity")])
    board = begun(*done(), Fact(50, RUNNING, deep, lead=2), asking(51))
    assert next_move(board, 51) == MakePlan(2)


def test_a_fallen_leader_is_replaced_and_fenced() -> None:
    board = begun(*done(), Fact(50, FAIL, None, lead=2, reason=DEAD), asking(51))
    assert next_move(board, 51) == MakePlan(2)
    assert board.fallen_leaders(2) == [50]


def test_the_plan_of_a_fenced_leader_does_not_hold() -> None:
    late, good = plan_of(2, ONE), plan_of(2, TWO)
    assert choose_plan({5: carried(2, late)[1], 9: carried(2, good)[1]}) == 5
    assert choose_plan({5: carried(2, late)[1], 9: carried(2, good, (5,))[1]}) == 9
    deep = Cell([*ONE, (-1, "identity", 0, "identity")])
    board = begun(*done(), Fact(50, FAIL, None, lead=2, plans=(carried(2, plan_of(2, deep)),)))
    assert len(board.plans) == 3
    other = Cell([*TWO, (-1, "identity", 0, "identity")])
    board.update([asking(51, plans=(carried(2, plan_of(2, other), (50,)),))])
    assert board.plans[2].cells[0].cell == other
    assert next_move(board, 51) == Take(2, 0)


def test_waves_follow_each_other_within_a_level() -> None:
    deep = Cell([*ONE, (-1, "identity", 0, "identity")])
    pilot = plan_of(2, deep, role="pilot")
    board = begun(*done(), Fact(50, COMPLETE, deep, 0.5, 1.0, plans=(carried(2, pilot),)))
    board.update([asking(51)])
    assert board.upcoming == (2, 1)
    assert next_move(board, 51) == MakePlan(3)


def test_the_end() -> None:
    deep = Cell([*ONE, (-1, "identity", 0, "identity")])
    last = carried(2, plan_of(2, deep))
    board = begun(*done(), Fact(50, RUNNING, deep, plans=(last,)), asking(51))
    assert not board.is_done
    assert isinstance(next_move(board, 51), Wait)
    board.update([Fact(50, COMPLETE, deep, 0.5, 1.0, plans=(last,)), asking(51)])
    assert board.is_done
    assert isinstance(next_move(board, 51), Finish)


def test_an_empty_plan_ends_the_search() -> None:
    end = Plan(2, 0, (), PlanReport(message="Nothing is within the limits."))
    board = begun(*done(), Fact(50, COMPLETE, ONE, 0.5, 1.0, plans=(carried(2, end),)))
    board.update([asking(51)])
    move = next_move(board, 51)
    assert isinstance(move, Finish)
    assert move.reason == "The search has ended. Nothing is within the limits."


def test_speculation_takes_the_reserve_only_when_idle() -> None:
    deep = [Cell([*cell, (-1, "identity", 0, "identity")]) for cell in (ONE, TWO, THREE)]
    plan = Plan(
        2,
        0,
        tuple(map(PlannedCell, deep, ["front", "reserve", "reserve"])),
    )
    board = begun(*done(), asking(50, plans=(carried(2, plan),)), asking(51), asking(52))
    assert next_move(board, 50, speculate=True) == Take(2, 0)
    board.update([Fact(50, RUNNING, deep[0], plans=(carried(2, plan),)), asking(51), asking(52)])
    assert next_move(board, 51, speculate=True) == Take(2, 1)
    assert next_move(board, 52, speculate=True) == Take(2, 2)
    assert isinstance(next_move(board, 51), Wait)


# Storms --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_stale_views_and_deaths_lose_nothing_and_train_nothing_twice(seed: int) -> None:
    """Workers act on views of different ages; each checks its claim after it is written.

    The storage is a dict of facts; a step of a worker is one read or one write, and the steps of
    all workers are interleaved at random.
    """
    rng = random.Random(seed)
    storage: dict[int, Fact] = {
        0: Fact(0, COMPLETE, Cell(), 0.1, 1.0, plans=(carried(0, EMPTY), carried(1, FIRST)))
    }
    trained: Counter[Cell] = Counter()
    deaths: Counter[Cell] = Counter()

    def look(own: int) -> Board:
        board = empty_board()
        board.update(storage.values())
        return board

    def worker():  # type: ignore[no-untyped-def]
        while True:
            number = len(storage)
            storage[number] = asking(number, waits=True)
            yield
            while True:
                board = look(number)
                yield
                move = next_move(board, number)
                if isinstance(move, (Wait, MakePlan)) and len(board.plans) == 2:
                    if not board.unsettled():
                        return  # level 1 is done
                    continue
                assert isinstance(move, Take)
                storage[number] = storage[number]._replace(cell=board.cell(move))
                yield
                board = look(number)
                yield
                if not board.rivals(number):
                    break
                storage[number] = storage[number]._replace(cell=None)
                for _ in range(rng.randrange(5)):
                    yield
            cell = board.cell(move)
            for _ in range(rng.randrange(6)):  # the training
                yield
            if rng.random() < 0.1:
                storage[number] = storage[number]._replace(state=FAIL, reason=DEAD)
                deaths[cell] += 1
            else:
                trained[cell] += 1
                storage[number] = storage[number]._replace(
                    state=COMPLETE, accuracy=0.5, seconds=1.0
                )
            yield

    crew = [worker() for _ in range(6)]
    for _ in range(200_000):
        if not crew:
            break
        one = rng.choice(crew)
        if next(one, StopIteration) is StopIteration:
            crew.remove(one)
    assert not crew
    assert trained == Counter(SPACE.first_level())
