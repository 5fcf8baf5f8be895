"""One process's part in a study: it reads, moves as the protocol says, and writes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
import random
import threading
import time
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_popnas.sampler import attributes
from optuna_popnas.sampler.facts import Claim
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.facts import read_fact
from optuna_popnas.sampler.liveness import Beats
from optuna_popnas.sampler.liveness import process_of
from optuna_popnas.sampler.liveness import process_token
from optuna_popnas.sampler.liveness import Watch
from optuna_popnas.sampler.liveness import worker_name
from optuna_popnas.sampler.parameters import BLOCKS
from optuna_popnas.sampler.parameters import cell_distributions
from optuna_popnas.sampler.planner import Planner
from optuna_popnas.sampler.protocol import Board
from optuna_popnas.sampler.protocol import DEAD
from optuna_popnas.sampler.protocol import find_setup
from optuna_popnas.sampler.protocol import Finish
from optuna_popnas.sampler.protocol import INTERRUPTED
from optuna_popnas.sampler.protocol import MakePlan
from optuna_popnas.sampler.protocol import Move
from optuna_popnas.sampler.protocol import next_move
from optuna_popnas.sampler.protocol import Take
from optuna_popnas.sampler.protocol import Wait
from optuna_popnas.sampler.setup import setup_problem
from optuna_popnas.sampler.setup import setup_to_json
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

_TELL = 0.5  # seconds after which a wait is worth telling
_PATIENCE = 300.0  # seconds that a storage may be away
_GRACE = 5.0  # a trial that has not asked for a cell for so many seconds is not expected to
_HEARTBEATS = 5.0  # seconds between two looks for stale heartbeats


class SearchEnded(optuna.TrialPruned):
    """There is no cell for this trial: the search has ended, or its worker is to stop.

    ``study.optimize`` takes it for a pruned trial and ends. With ask and tell it can be caught;
    the trial has been failed and must not be told.
    """


class TrialLost(RuntimeError):
    """Another worker declared this trial dead while it was asking for a cell."""


class _Mine(NamedTuple):
    """A trial of this process."""

    thread: int
    trial_id: int
    in_optimize: bool


class Worker:
    """Gets cells for the trials of this process, on one study.

    Args:
        study: The study.
        space: The search space.
        planner: Makes plans when this process has to.
        settings: What all workers must agree on; a seed of None agrees with any.
        beats: Shows signs of life.
        lease: Seconds of silence after which a trial of another process counts as dead.
        speculate: Whether to train cells of the reserve instead of waiting.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: SearchSpace,
        planner: Planner,
        settings: dict[str, Any],
        *,
        beats: Beats,
        lease: float | None,
        speculate: bool,
    ) -> None:
        self._study = study
        self._space = space
        self._planner = planner
        self._settings = settings
        self._beats = beats
        self._speculate = speculate
        self._in_memory = attributes.is_in_memory(study)
        self._watch = Watch(None if self._in_memory else lease)
        self._board = Board(
            space, max_tries=settings["max_tries"], exact=settings["mode"] == "popnas-v1"
        )
        self._lock = threading.RLock()
        self._unfinished: list[int] = []
        self._trials_seen = 0
        self._mine: dict[int, _Mine] = {}  # trial number -> who holds it
        self._asking: set[int] = set()
        self._silence: dict[int, float] = {}
        self._checked = False
        self._heartbeats_due = time.monotonic() + _HEARTBEATS

    # What Optuna's hooks call ----------------------------------------------------------------

    def begin(self, trial: FrozenTrial) -> None:
        """Take note of a trial that this process has asked for."""
        trial_id = attributes.trial_key(trial)
        earlier = self._held_by_this_thread()
        self._hold(trial)
        self._beats.hold(self._study, trial_id)
        if attributes.in_optimize(self._study):
            # A thread of `optimize` has one trial at a time, so these never finished.
            for number in earlier:
                if self._mine[number].in_optimize:
                    self._abandon(number)
        if trial.system_attrs.get(attributes.FIXED_PARAMS):
            # It may never ask for a cell, so this is the only place to say whose it is.
            attributes.write_trial(self._study, trial_id, attributes.OWNER, self._signature())

    def _hold(self, trial: FrozenTrial) -> None:
        self._mine[trial.number] = _Mine(
            threading.get_ident(),
            attributes.trial_key(trial),
            attributes.in_optimize(self._study),
        )

    def _held_by_this_thread(self) -> list[int]:
        this = threading.get_ident()
        return [number for number, held in list(self._mine.items()) if held.thread == this]

    def _abandon(self, number: int) -> None:
        """Fail a trial of this process whose result got lost, so that nobody waits for it."""
        trial_id = self._mine[number].trial_id
        reason = f"{DEAD}: its result could not be stored"
        attributes.finish_trial(self._study, trial_id, TrialState.FAIL, reason=reason)
        self._beats.release(trial_id)
        self._mine.pop(number, None)

    def acquire(self, trial: FrozenTrial) -> Cell:
        """Get a cell for a trial; wait for it, or make the next plan, if need be.

        Raises:
            SearchEnded: There is none.
            RuntimeError: Only this thread could finish what the trial would have to wait for.
            ValueError: The study was begun with another setup.
        """
        started = time.monotonic()
        pause, away = _Pause(self._in_memory), _Outage()
        told = False
        self._asking.add(trial.number)
        self._hold(trial)
        try:
            while True:
                try:
                    move = self._look(trial.number)
                    if isinstance(move, Take):
                        if self._claim(trial, move, time.monotonic() - started if told else 0.0):
                            return self._board.cell(move)
                        pause.after_conflict()
                    elif isinstance(move, MakePlan):
                        self._make_plan(trial, move.plan)
                    elif isinstance(move, Finish):
                        self._end(trial, move.reason)
                    else:
                        self._check_stop(trial)
                        self._check_own_thread(trial)
                        if not told and time.monotonic() - started > _TELL:
                            told = True
                            self._tell_of_wait(trial, move)
                        self._mind_the_dead()
                        pause.sleep()
                    away.clear()
                except Exception as error:
                    if not attributes.is_storage_failure(error) or away.is_too_long():
                        raise
                    self._check_stop(trial)
                    away.sleep(error)
        except BaseException:
            self._withdraw(trial)
            raise
        finally:
            self._asking.discard(trial.number)

    def linger(self, trial: FrozenTrial, values: Sequence[float]) -> None:
        """At the very end of a search, wait for the others with the result already on record.

        A worker that asked for another trial instead would leave a trial without a cell behind;
        one that left would not be there to train the cells of workers that die.
        """
        if not attributes.in_optimize(self._study) or self._board.next_level is not None:
            return
        trial_id = attributes.trial_key(trial)
        pause = _Pause(self._in_memory)
        recorded = False
        spare_since: float | None = None
        while self._must_stop() is None:
            with self._lock:
                self._refresh()
                left, spare, contested = self._prospects(trial.number)
            if not left:
                self._study.stop()
                return
            if not contested:
                return
            if not recorded:
                recorded = True
                result = {"version": attributes.VERSION, "values": list(values)}
                attributes.write_trial(self._study, trial_id, attributes.RESULT, result)
                continue
            # A worker that has just left to take the cell may not have its new trial yet.
            now = time.monotonic()
            spare_since = (spare_since or now) if spare else None
            if spare_since is not None and now - spare_since > 10 * pause.shortest:
                return
            attributes.record_heartbeat(self._study, trial_id)
            self._mind_the_dead()
            pause.sleep()

    def _prospects(self, number: int) -> tuple[bool, bool, bool]:
        """Look ahead from the end of a trial.

        Returns:
            Whether cells are left, whether there is a free one for this worker, and whether
            other workers may want it.
        """
        board = self._board
        if board.next_level is not None:
            return True, True, False
        lingering = {other for other, fact in board.open.items() if fact.result}
        lingering.add(number)
        left = [take for take in board.unsettled() if not board.holders(take) & lingering]
        free = sum(not board.is_held(take) for take in left)
        asking = sum(fact.cell is None for fact in board.open.values()) - len(self._absent())
        ahead = asking + sum(other < number for other in lingering)
        if self._speculate and board.free(ahead, reserve=True) is not None:
            return bool(left), True, False
        return bool(left), ahead < free, free < 2 * len(board.open)

    def end(self, trial: FrozenTrial) -> None:
        """Forget a trial of this process that is about to finish."""
        self._beats.release(attributes.trial_key(trial))
        self._mine.pop(trial.number, None)

    # Reading ---------------------------------------------------------------------------------

    def _look(self, number: int) -> Move:
        """Read the study and decide."""
        with self._lock:
            self._refresh()
            if number not in self._board.open:
                raise TrialLost(
                    f"Trial {number} was {DEAD} by another worker, as it had shown no sign of "
                    "life. Its cell is trained by another trial."
                )
            return next_move(self._board, number, absent=self._absent(), speculate=self._speculate)

    def _refresh(self) -> None:
        """Fold what is new in the study into the board; bury the dead."""
        trials = attributes.read_trials(self._study)
        running = self._take_in(trials)
        if self._bury(running):
            running = self._take_in(attributes.read_trials(self._study))

    def _take_in(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        changing = [*self._unfinished, *range(self._trials_seen, len(trials))]
        self._trials_seen = len(trials)
        self._unfinished = [n for n in changing if not trials[n].state.is_finished()]
        running = [trials[n] for n in self._unfinished if trials[n].state == TrialState.RUNNING]
        if self._beats.was_disturbed():
            self._watch.forget()
        self._silence = self._watch.look(running)
        facts = [
            read_fact(trials[n])
            for n in changing
            if trials[n].state != TrialState.WAITING and not self._is_silent_stranger(trials[n])
        ]
        if not self._checked:
            self._check_setup(facts)
        self._board.update(facts)
        return running

    def _check_setup(self, facts: list[Fact]) -> None:
        stored = find_setup(facts)
        if stored is None:
            return
        problem = setup_problem(stored, self._space, self._settings)
        if problem is not None:
            self._trials_seen = 0
            self._unfinished = []
            raise ValueError(problem)
        self._settings = {**self._settings, "seed": stored.settings["seed"]}
        self._checked = True

    def _absent(self) -> set[int]:
        """Trials without a cell that do not ask for one: foreign, or asked but not begun."""
        absent = set()
        for number, fact in self._board.open.items():
            if fact.cell is None and number not in self._asking:
                mine = number in self._mine
                if mine or (not fact.waits and self._silence.get(number, 0.0) > _GRACE):
                    absent.add(number)
        return absent

    # Writing ---------------------------------------------------------------------------------

    def _claim(self, trial: FrozenTrial, take: Take, waited: float) -> bool:
        """Claim a cell; withdraw if another trial has it, too."""
        trial_id = attributes.trial_key(trial)
        cell = self._board.cell(take)
        key = self._board.key(cell)
        plan = self._board.plans[take.plan]
        planned = plan.cells[take.place]
        claim = Claim(
            cell=cell,
            level=plan.level,
            wave=plan.wave,
            role=planned.role,
            predicted_accuracy=planned.accuracy,
            predicted_seconds=planned.seconds,
            attempt=self._board.attempts(key) + 1,
            waited_seconds=round(waited, 3),
            worker=worker_name(),
            process=process_token(),
            plan=take.plan,
            place=take.place,
        )
        attributes.write_user(self._study, trial_id, attributes.CLAIM, claim.to_json())
        with self._lock:
            self._refresh()
            beaten = trial.number not in self._board.open or self._board.rivals(trial.number)
        if beaten:
            attributes.write_user(self._study, trial_id, attributes.CLAIM, None)
        else:
            # So that the objective, too, finds it in `trial.user_attrs`.
            trial.user_attrs[attributes.CLAIM] = claim.to_json()
        return not beaten

    def _make_plan(self, trial: FrozenTrial, number: int) -> None:
        """Become the leader of a plan, make it and write it on this trial."""
        trial_id = attributes.trial_key(trial)
        lead = {**self._signature(), "plan": number}
        attributes.write_trial(self._study, trial_id, attributes.LEAD, lead)
        if self._look(trial.number) != MakePlan(number):
            attributes.write_trial(self._study, trial_id, attributes.LEAD, None)
            time.sleep(random.uniform(0.0, 0.05))
            return
        with self._lock:
            upcoming = self._board.next_level
            observations = self._board.observations()
            plans = self._board.plans
            fenced = self._board.fallen_leaders(number)
        assert upcoming is not None
        settings = self._settings
        if settings["seed"] is None:
            settings = {**settings, "seed": random.SystemRandom().randrange(2**31)}
        if upcoming[0] >= 2:
            _logger.info(f"Trial {trial.number} plans level {upcoming[0]}.")
        plan = self._planner.plan(*upcoming, observations, plans, seed=settings["seed"])
        data: dict[str, Any] = {
            "version": attributes.VERSION,
            "plan": plan.to_json(self._space),
            "fenced": fenced,
        }
        if number == 0:
            data["setup"] = setup_to_json(self._space, settings)
        attributes.write_trial(self._study, trial_id, f"{attributes.PLAN}{number}", data)

    def _end(self, trial: FrozenTrial, reason: str) -> None:
        """End a trial for which there is no cell, and this thread's ``optimize``."""
        trial_id = attributes.trial_key(trial)
        attributes.write_trial(self._study, trial_id, attributes.SURPLUS, reason)
        if attributes.in_optimize(self._study):
            # A pruned trial without parameters would hide those of all others in a dashboard.
            blocks = cell_distributions(self._space)[BLOCKS]
            attributes.write_param(self._study, trial_id, BLOCKS, 0, blocks)
            self._study.stop()
        else:
            attributes.finish_trial(self._study, trial_id, TrialState.FAIL)
            self.end(trial)
        raise SearchEnded(reason)

    def _withdraw(self, trial: FrozenTrial) -> None:
        """Make nobody wait for a trial that stops asking."""
        for key in (attributes.LEAD, attributes.WAIT):
            try:
                attributes.write_trial(self._study, attributes.trial_key(trial), key, None)
            except Exception as error:
                _logger.debug(f"Trial {trial.number} could not withdraw {key}: {error!r}")

    def _signature(self) -> dict[str, Any]:
        return {
            "version": attributes.VERSION,
            "worker": worker_name(),
            "process": process_token(),
        }

    def _tell_of_wait(self, trial: FrozenTrial, move: Wait) -> None:
        """Say once, to the user and to the other workers, that this trial waits."""
        trial_id = attributes.trial_key(trial)
        attributes.write_trial(self._study, trial_id, attributes.WAIT, self._signature())
        _logger.info(f"Trial {trial.number} waits: {move.reason}.")

    # Waiting ---------------------------------------------------------------------------------

    def _must_stop(self) -> str | None:
        """Return why this thread is to wait no longer, or None."""
        if not attributes.in_optimize(self._study):
            return None
        if attributes.stop_requested(self._study):
            return "The worker was stopped while it waited for a cell."
        deadline = attributes.running_call().deadline
        if deadline is not None and datetime.now() >= deadline:
            return "The worker's timeout passed while it waited for a cell."
        return None

    def _check_stop(self, trial: FrozenTrial) -> None:
        reason = self._must_stop()
        if reason is not None:
            self._end(trial, reason)

    def _check_own_thread(self, trial: FrozenTrial) -> None:
        """Raise if this thread would wait for itself."""
        if attributes.in_optimize(self._study):
            return
        with self._lock:
            board = self._board
            blocking = {n for take in board.unsettled() for n in board.holders(take)}
            blocking |= set(board.leaders(len(board.plans))) - {trial.number}
        mine = set(self._held_by_this_thread())
        if blocking and blocking <= mine:
            level = board.plans[-1].level
            shown = ", ".join(map(str, sorted(blocking)[:5]))
            raise RuntimeError(
                f"Trial {trial.number} must wait until level {level} is complete, but the trials "
                f"that are left ({shown}) were asked for by this very thread. "
                "Tell their results before you suggest a cell for another trial."
            )

    def _bury(self, running: list[FrozenTrial]) -> bool:
        """Finish the trials of dead workers; return whether there were any."""
        buried = False
        for trial in running:
            if self._in_memory or trial.number in self._mine:
                continue
            if process_of(trial) is None and trial.params:
                continue  # another sampler's
            why = self._watch.death(trial, self._silence[trial.number])
            if why is None:
                continue
            result = trial.system_attrs.get(attributes.RESULT)
            trial_id = attributes.trial_key(trial)
            if result is not None:
                buried |= attributes.finish_trial(
                    self._study, trial_id, TrialState.COMPLETE, values=result["values"]
                )
            elif attributes.finish_trial(
                self._study, trial_id, TrialState.FAIL, reason=f"{DEAD}: {why}"
            ):
                buried = True
                _logger.warning(f"Trial {trial.number} was {DEAD}: {why}.")
        return buried

    def _is_silent_stranger(self, trial: FrozenTrial) -> bool:
        """Whether to disregard a running trial: another sampler's, and perhaps dead."""
        lease = self._watch.lease
        return (
            lease is not None
            and trial.state == TrialState.RUNNING
            and trial.number not in self._mine
            and process_of(trial) is None
            and self._silence[trial.number] > lease
        )

    def _mind_the_dead(self) -> None:
        """Do what Optuna does before each trial, as nobody asks while all wait."""
        now = time.monotonic()
        if now < self._heartbeats_due:
            return
        self._heartbeats_due = now + _HEARTBEATS
        attributes.fail_stale_trials(self._study)
        # Clones that retry callbacks have enqueued: nobody would take them while all wait, and
        # their cells are tried again anyway.
        for trial in attributes.read_trials(self._study):
            if trial.state == TrialState.WAITING and attributes.RETRY_OF in trial.system_attrs:
                attributes.finish_trial(
                    self._study,
                    attributes.trial_key(trial),
                    TrialState.FAIL,
                    reason=f"{INTERRUPTED}: the sampler itself tries the cell again",
                )


class _Pause:
    """Pauses that grow while nothing happens, with some chance so that workers spread out."""

    def __init__(self, in_memory: bool) -> None:
        self.shortest = 0.002 if in_memory else 0.03
        self._longest = 0.05 if in_memory else 1.0
        self._seconds = self.shortest
        self._conflicts = 0

    def sleep(self) -> None:
        """Wait a little longer than the last time."""
        time.sleep(self._seconds * random.uniform(0.75, 1.25))
        self._seconds = min(self._seconds * 1.3, self._longest)

    def after_conflict(self) -> None:
        """Wait for a moment that is different for each worker."""
        self._conflicts += 1
        time.sleep(random.uniform(0.0, 0.02 * min(self._conflicts, 10)))


class _Outage:
    """Patience with a storage that is away: restarted, locked or out of reach."""

    def __init__(self) -> None:
        self._since: float | None = None

    def clear(self) -> None:
        self._since = None

    def is_too_long(self) -> bool:
        return self._since is not None and time.monotonic() - self._since > _PATIENCE

    def sleep(self, error: Exception) -> None:
        if self._since is None:
            self._since = time.monotonic()
            _logger.warning(
                f"The storage does not answer; trying again for up to {_PATIENCE:g} s. {error!r}"
            )
        time.sleep(random.uniform(0.2, 1.0))
