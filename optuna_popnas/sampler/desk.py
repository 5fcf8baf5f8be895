"""Where a process gets cells for its trials of one study: it reads, moves, claims and buries."""

from __future__ import annotations

from collections.abc import Sequence
import random
import threading
import time
from typing import Any

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.agreement import agreed_settings
from optuna_popnas.sampler.board import Board
from optuna_popnas.sampler.errors import SearchEnded
from optuna_popnas.sampler.errors import TrialLost
from optuna_popnas.sampler.facts import CLAIM
from optuna_popnas.sampler.facts import DEAD
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.facts import INTERRUPTED
from optuna_popnas.sampler.facts import read_fact
from optuna_popnas.sampler.liveness import Beats
from optuna_popnas.sampler.liveness import DEFAULT_LEASE
from optuna_popnas.sampler.liveness import Me
from optuna_popnas.sampler.liveness import process_of
from optuna_popnas.sampler.liveness import Watch
from optuna_popnas.sampler.moves import Finish
from optuna_popnas.sampler.moves import make_claim
from optuna_popnas.sampler.moves import MakePlan
from optuna_popnas.sampler.moves import Move
from optuna_popnas.sampler.moves import next_move
from optuna_popnas.sampler.own_trials import OwnTrials
from optuna_popnas.sampler.patience import Pause
from optuna_popnas.sampler.planner import Planner
from optuna_popnas.sampler.setup import Setup
from optuna_popnas.sampler.waiting_list import Take
from optuna_popnas.sampler.writer import Writer
from optuna_popnas.space import Cell


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

_TELL = 0.5  # seconds after which a wait is worth telling
_GRACE = 5.0  # a trial that has not asked for a cell for so many seconds is not expected to
_HEARTBEATS = 5.0  # seconds between two looks for stale heartbeats


class Desk:
    """Gets cells for the trials of this process, on one study. Any thread may call any method.

    Args:
        study: The study.
        planner: Makes plans when this process has to.
        settings: What all workers must agree on; a seed of None agrees with any.
        speculate: Whether to train cells of the reserve instead of waiting.
        stale_after: Seconds of silence after which a trial of another process counts as dead.
    """

    def __init__(
        self,
        study: optuna.Study,
        planner: Planner,
        settings: dict[str, Any],
        *,
        speculate: bool = False,
        stale_after: float | None = None,
    ) -> None:
        self._study = study
        self._planner = planner
        self._settings = settings
        self._speculate = speculate
        self._alone = internals.is_in_memory(study)
        lease = stale_after or max(DEFAULT_LEASE, internals.heartbeat_lease(study) or 0.0)
        self._writer = Writer(study, planner.space, Me.of_this_process())
        self._beats = Beats(lease / 4)
        self._watch = Watch(None if self._alone else lease)
        self._board = Board(Setup(planner.space, settings))
        self._own = OwnTrials()
        self._lock = threading.RLock()
        self._checked = False
        self._told: set[str] = set()
        self._unfinished: list[int] = []
        self._trials_seen = 0
        self._silence: dict[int, float] = {}
        self._heartbeats_due = time.monotonic() + _HEARTBEATS

    # What Optuna's hooks call ----------------------------------------------------------------

    def begin(self, trial: FrozenTrial) -> None:
        """Take note of a trial that this process has asked for.

        Raises:
            ValueError: The study was begun with another setup.
        """
        trial_id = internals.trial_key(trial)
        with self._lock:
            self._own.begin(trial.number, trial_id, in_optimize=internals.in_optimize(self._study))
        try:
            self.check()
        except ValueError as error:
            self._writer.finish_without_cell(trial, str(error))
            internals.finish_trial(self._study, trial_id, TrialState.PRUNED)  # nobody else will
            raise
        self._beats.hold(self._study, trial_id)
        if {internals.FIXED_PARAMS, internals.RETRY_OF} & set(trial.system_attrs):
            # It may never ask for a cell, so this is the only place to say whose it is.
            self._writer.own(trial)

    def check(self) -> None:
        """Raise ValueError if the study was begun with another setup."""
        if not self._checked:
            self._refresh()

    def acquire(self, trial: FrozenTrial) -> Cell:
        """Get a cell for a trial; wait for it, or make the next plan, if need be.

        Raises:
            SearchEnded: There is none.
            RuntimeError: Only this thread could finish what the trial would have to wait for.
            ValueError: The study was begun with another setup.
        """
        started = time.monotonic()
        pause, told = Pause(self._alone), False
        self._asks(trial, True)
        try:
            while True:
                if internals.in_optimize(self._study) and internals.stop_requested(self._study):
                    self._end(trial, "The worker was stopped while it waited for a cell.")
                move = self._look(trial)
                if isinstance(move, Take):
                    if self._claim(trial, move, time.monotonic() - started if told else 0.0):
                        return self._board.cell(move)
                    pause.after_conflict()
                elif isinstance(move, MakePlan):
                    self._make_plan(trial, move)
                elif isinstance(move, Finish):
                    self._end(trial, move.reason)
                else:
                    self._check_own_thread(trial)
                    if not told and time.monotonic() - started > _TELL:
                        told = True
                        self._writer.wait(trial)
                        _logger.info(f"Trial {trial.number} waits: {move.reason}.")
                    self._mind_the_dead()
                    pause.sleep()
        except BaseException:
            self._writer.withdraw(trial)
            raise
        finally:
            self._asks(trial, False)

    def end(self, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Take note of how a trial of this process is about to be finished.

        Ends this thread's ``optimize`` if nothing is left for it.
        """
        with self._lock:
            self._own.end(trial.number, state, values)
        if not self._checked or not internals.in_optimize(self._study) or self._board.upcoming:
            return
        with self._lock:
            self._refresh()
            over = self._board.upcoming is None and all(
                self._board.holders(take) == {trial.number} for take in self._board.unsettled()
            )
        # A failed cell is to be tried again.
        if over and (state == TrialState.COMPLETE or self._board.all_settled):
            self._study.stop()

    def detach(self, trial: FrozenTrial, stale_after: float | None) -> None:
        """Leave a trial to a process that will tell its result."""
        with self._lock:
            self._own.forget(trial.number)
        self._beats.release(internals.trial_key(trial))
        self._writer.detach(trial, stale_after)

    # Reading ---------------------------------------------------------------------------------

    def _look(self, trial: FrozenTrial) -> Move:
        """Read the study and decide."""
        with self._lock:
            self._refresh()
            if trial.number not in self._board.open:
                raise TrialLost(
                    f"Trial {trial.number} was {DEAD} by another worker, as it had shown no sign "
                    "of life. Its cell is trained by another trial."
                )
            return next_move(
                self._board,
                trial.number,
                absent=self._absent(),
                speculate=self._speculate,
                seat=self._writer.me.seat,
                present=self._watch.present(fact.seat for fact in self._board.open.values()),
            )

    def _refresh(self) -> None:
        """Fold what is new in the study into the board; bury the dead."""
        with self._lock:
            running = self._take_in(internals.read_trials(self._study))
            if self._bury(running):
                self._take_in(internals.read_trials(self._study))

    def _take_in(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        changing = [*self._unfinished, *range(self._trials_seen, len(trials))]
        self._trials_seen = len(trials)
        self._unfinished = [n for n in changing if not trials[n].state.is_finished()]
        for number in set(changing).difference(self._unfinished):
            trial_id = self._own.forget(number)
            if trial_id is not None:
                self._beats.release(trial_id)
        running = [trials[n] for n in self._unfinished if trials[n].state == TrialState.RUNNING]
        if self._beats.was_disturbed():
            self._watch.forget()
        self._silence = self._watch.look(running)
        found = [
            read_fact(trials[n])
            for n in changing
            if trials[n].state != TrialState.WAITING
            and (n in self._own or not self._watch.disregards(trials[n], self._silence))
        ]
        if not self._checked:
            self._check_setup(found)
        self._board.update(found)
        for notice in self._board.notices():
            if notice not in self._told:
                self._told.add(notice)
                _logger.warning(notice)
        return running

    def _check_setup(self, found: list[Fact]) -> None:
        space = self._planner.space
        try:
            settings = agreed_settings(found, space, self._settings)
        except ValueError:
            self._trials_seen, self._unfinished = 0, []
            raise
        if settings is not None:
            self._settings, self._checked = settings, True
            self._board.goal = Setup(space, settings)

    def _absent(self) -> set[int]:
        """Return trials without a cell that ask for none: foreign, or asked but not begun."""
        return {
            number
            for number, fact in self._board.open.items()
            if fact.cell is None
            and not self._own.is_asking(number)
            and (
                number in self._own or (not fact.waits and self._silence.get(number, 0.0) > _GRACE)
            )
        }

    # Writing ---------------------------------------------------------------------------------

    def _claim(self, trial: FrozenTrial, take: Take, waited: float) -> bool:
        """Claim a cell; withdraw if another trial has it, too."""
        with self._lock:
            claim = make_claim(self._board, take, trial.number, self._writer.me, waited)
        self._writer.claim(trial, claim)
        with self._lock:
            self._refresh()
            beaten = trial.number not in self._board.open or self._board.rivals(trial.number)
        if beaten:
            self._writer.claim(trial, None)
        else:
            # So that the objective, too, finds it in `trial.user_attrs`.
            trial.user_attrs[CLAIM] = claim.to_json()
        return not beaten

    def _make_plan(self, trial: FrozenTrial, move: MakePlan) -> None:
        """Become the leader of a plan, make it and write it on this trial."""
        self._writer.lead(trial, move.plan)
        if self._look(trial) != move:
            self._writer.lead(trial, None)
            time.sleep(random.uniform(0.0, 0.05))
            return
        with self._lock:
            board = self._board
            settings, fenced = self._settings, board.fallen_leaders(move.plan)
            upcoming, new_setup = board.upcoming, move.plan == 0 or board.grows
            known = self._planner.knowledge(board)
        assert upcoming is not None
        if settings["seed"] is None:
            settings = {**settings, "seed": random.SystemRandom().randrange(2**31)}
        if upcoming.level >= 2:
            _logger.info(f"Trial {trial.number} plans {upcoming}.")
        plan = self._planner.plan(upcoming, known, seed=settings["seed"])
        setup = Setup(self._planner.space, settings) if new_setup else None
        self._writer.plan(trial, move.plan, plan, fenced, setup)

    def _end(self, trial: FrozenTrial, reason: str) -> None:
        """End a trial for which there is no cell, and this thread's ``optimize``."""
        self._writer.finish_without_cell(trial, reason)
        raise SearchEnded(reason)

    # Waiting and the dead --------------------------------------------------------------------

    def _asks(self, trial: FrozenTrial, asking: bool) -> None:
        with self._lock:
            trial_id = internals.trial_key(trial)
            inside = internals.in_optimize(self._study)
            self._own.asks(trial.number, trial_id, asking, in_optimize=inside)

    def _check_own_thread(self, trial: FrozenTrial) -> None:
        """Raise if this thread would wait for itself."""
        if internals.in_optimize(self._study):
            return
        with self._lock:
            board = self._board
            blocking = {n for take in board.unsettled() for n in board.holders(take)}
            blocking |= set(board.leaders(len(board.plans))) - {trial.number}
            self._own.check_wait(trial.number, blocking, board.plans[-1].level)

    def _bury(self, running: list[FrozenTrial]) -> bool:
        """Finish the trials of dead workers; return whether there were any."""
        buried = False
        for trial in running:
            state, values, reason = TrialState.FAIL, None, None
            remains = self._own.remains(trial.number)
            if remains is not None:
                state, values = remains.state, remains.values
                reason = remains.reason and f"{INTERRUPTED}: {remains.reason}"
            elif not self._alone and trial.number not in self._own:
                if process_of(trial) is None and trial.params:
                    continue  # another sampler's
                why = self._watch.death(trial, self._silence[trial.number])
                reason = why and f"{DEAD}: {why}"
            if remains is None and reason is None:
                continue
            done = self._writer.bury(trial, state, values, reason)
            buried = buried or done
            if done and reason is not None:
                _logger.warning(f"Trial {trial.number} was {reason}.")
        return buried

    def _mind_the_dead(self) -> None:
        """Do what Optuna does before each trial, as nobody asks while all wait."""
        now = time.monotonic()
        if now < self._heartbeats_due:
            return
        self._heartbeats_due = now + _HEARTBEATS
        internals.fail_stale_trials(self._study)
        with self._lock:
            taken = self._board.is_taken
            self._writer.bury_clones(internals.read_trials(self._study), taken)
