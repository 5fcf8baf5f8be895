"""What one process sees of a study: the board, kept up to date, and who is alive."""

from __future__ import annotations

import threading
import time
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_popnas.sampler import attributes
from optuna_popnas.sampler.facts import Fact
from optuna_popnas.sampler.facts import read_fact
from optuna_popnas.sampler.liveness import Beats
from optuna_popnas.sampler.liveness import process_of
from optuna_popnas.sampler.liveness import Watch
from optuna_popnas.sampler.protocol import Board
from optuna_popnas.sampler.protocol import DEAD
from optuna_popnas.sampler.protocol import INTERRUPTED
from optuna_popnas.sampler.setup import setup_problem
from optuna_popnas.sampler.stored_plans import find_setup
from optuna_popnas.space import SearchSpace


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

_GRACE = 5.0  # a trial that has not asked for a cell for so many seconds is not expected to
_HEARTBEATS = 5.0  # seconds between two looks for stale heartbeats


class Held(NamedTuple):
    """A trial of this process and the thread that asked for it."""

    thread: int
    trial_id: int
    in_optimize: bool


class StudyView:
    """A study as one process sees it. Hold :attr:`lock` around what belongs together.

    Args:
        study: The study.
        space: The search space.
        settings: What all workers must agree on; a seed of None agrees with any.
        beats: Shows signs of life.
        lease: Seconds of silence after which a trial of another process counts as dead.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: SearchSpace,
        settings: dict[str, Any],
        *,
        beats: Beats,
        lease: float | None,
    ) -> None:
        self.study = study
        self.space = space
        self.settings = settings
        self.in_memory = attributes.is_in_memory(study)
        self.board = Board.of(space, settings)
        self.lock = threading.RLock()
        self.mine: dict[int, Held] = {}  # by trial number
        self.asking: set[int] = set()
        self._left_behind: set[int] = set()
        self._beats = beats
        self._watch = Watch(None if self.in_memory else lease)
        self._unfinished: list[int] = []
        self._trials_seen = 0
        self._silence: dict[int, float] = {}
        self._checked = False
        self._heartbeats_due = time.monotonic() + _HEARTBEATS

    # Trials of this process --------------------------------------------------------------

    def begin(self, trial: FrozenTrial) -> None:
        """Take note of a trial that this process has asked for."""
        if attributes.in_optimize(self.study):
            # A thread of `optimize` has one trial at a time. Its earlier ones have finished, or
            # their results could not be stored.
            earlier = self.held_by_this_thread()
            self._left_behind.update(n for n in earlier if self.mine[n].in_optimize)
        self.hold(trial)
        self._beats.hold(self.study, attributes.trial_key(trial))

    def end(self, trial: FrozenTrial) -> None:
        """Show no more signs of life on a trial that is about to finish."""
        self._beats.release(attributes.trial_key(trial))

    def hold(self, trial: FrozenTrial) -> None:
        self.mine[trial.number] = Held(
            threading.get_ident(),
            attributes.trial_key(trial),
            attributes.in_optimize(self.study),
        )

    def held_by_this_thread(self) -> list[int]:
        this = threading.get_ident()
        return [number for number, held in list(self.mine.items()) if held.thread == this]

    # Reading ---------------------------------------------------------------------------

    def refresh(self) -> None:
        """Fold what is new in the study into the board; bury the dead."""
        trials = attributes.read_trials(self.study)
        running = self._take_in(trials)
        if self._bury(running):
            running = self._take_in(attributes.read_trials(self.study))

    def _take_in(self, trials: list[FrozenTrial]) -> list[FrozenTrial]:
        changing = [*self._unfinished, *range(self._trials_seen, len(trials))]
        self._trials_seen = len(trials)
        self._unfinished = [n for n in changing if not trials[n].state.is_finished()]
        for number in set(changing).difference(self._unfinished):
            self.mine.pop(number, None)
            self._left_behind.discard(number)
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
        self.board.update(facts)
        return running

    def _check_setup(self, facts: list[Fact]) -> None:
        stored = find_setup(facts)
        if stored is None:
            return
        problem = setup_problem(stored, self.space, self.settings)
        if problem is not None:
            self._trials_seen = 0
            self._unfinished = []
            raise ValueError(problem)
        self.settings = {**self.settings, "seed": stored.settings["seed"]}
        self._checked = True

    def absent(self) -> set[int]:
        """Trials without a cell that do not ask for one: foreign, or asked but not begun."""
        absent = set()
        for number, fact in self.board.open.items():
            if fact.cell is None and number not in self.asking:
                mine = number in self.mine
                if mine or (not fact.waits and self._silence.get(number, 0.0) > _GRACE):
                    absent.add(number)
        return absent

    def prospects(self, number: int, *, speculate: bool) -> tuple[bool, bool, bool]:
        """Look ahead from the end of a trial.

        Returns:
            Whether cells are left, whether there is a free one for this worker, and whether
            other workers may want it.
        """
        board = self.board
        if board.next_level is not None:
            return True, True, False
        lingering = {other for other, fact in board.open.items() if fact.result}
        lingering.add(number)
        left = [take for take in board.unsettled() if not board.holders(take) & lingering]
        free = sum(not board.is_held(take) for take in left)
        asking = sum(fact.cell is None for fact in board.open.values()) - len(self.absent())
        ahead = asking + sum(other < number for other in lingering)
        if speculate and board.free(ahead, reserve=True) is not None:
            return bool(left), True, False
        return bool(left), ahead < free, free < 2 * len(board.open)

    def warn_of_mixed_devices(self) -> None:
        """Warn if the seconds of the study come from devices that are not comparable."""
        devices = {
            str(trial.user_attrs[attributes.DEVICE])
            for trial in attributes.read_trials(self.study)
            if trial.state == TrialState.COMPLETE
            and attributes.DEVICE in trial.user_attrs
            and attributes.CALIBRATION not in trial.user_attrs
        }
        if len(devices) > 1 and len(self.study.directions) > 1:
            _logger.warning(
                f"The seconds of this study were measured on {len(devices)} kinds of devices "
                f"({', '.join(sorted(devices))}) and are compared as they are. Use equal "
                "devices, or let the objective convert its seconds."
            )

    # The dead ----------------------------------------------------------------------------

    def _bury(self, running: list[FrozenTrial]) -> bool:
        """Finish the trials of dead workers; return whether there were any."""
        buried = False
        for trial in running:
            why = self._death(trial)
            if why is None:
                continue
            result = trial.system_attrs.get(attributes.RESULT)
            trial_id = attributes.trial_key(trial)
            if result is not None:
                buried |= attributes.finish_trial(
                    self.study, trial_id, TrialState.COMPLETE, values=result["values"]
                )
            elif attributes.finish_trial(
                self.study, trial_id, TrialState.FAIL, reason=f"{DEAD}: {why}"
            ):
                buried = True
                _logger.warning(f"Trial {trial.number} was {DEAD}: {why}.")
        return buried

    def _death(self, trial: FrozenTrial) -> str | None:
        """Return why a running trial counts as dead, or None."""
        if trial.number in self._left_behind:
            self._beats.release(attributes.trial_key(trial))
            return "its result could not be stored"
        if self.in_memory or trial.number in self.mine:
            return None
        if process_of(trial) is None and trial.params:
            return None  # another sampler's
        return self._watch.death(trial, self._silence[trial.number])

    def _is_silent_stranger(self, trial: FrozenTrial) -> bool:
        """Whether to disregard a running trial: another sampler's, and perhaps dead."""
        lease = self._watch.lease
        return (
            lease is not None
            and trial.state == TrialState.RUNNING
            and trial.number not in self.mine
            and process_of(trial) is None
            and self._silence[trial.number] > lease
        )

    def mind_the_dead(self) -> None:
        """Do what Optuna does before each trial, as nobody asks while all wait."""
        now = time.monotonic()
        if now < self._heartbeats_due:
            return
        self._heartbeats_due = now + _HEARTBEATS
        attributes.fail_stale_trials(self.study)
        # Clones that retry callbacks have enqueued: nobody would take them while all wait, and
        # their cells are tried again anyway.
        for trial in attributes.read_trials(self.study):
            if trial.state == TrialState.WAITING and attributes.RETRY_OF in trial.system_attrs:
                attributes.finish_trial(
                    self.study,
                    attributes.trial_key(trial),
                    TrialState.FAIL,
                    reason=f"{INTERRUPTED}: the sampler itself tries the cell again",
                )
