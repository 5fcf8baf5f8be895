"""One process's part in a study: it reads, moves as the protocol says, and writes."""

from __future__ import annotations

from collections.abc import Sequence
import random
import time
from typing import Any

import optuna
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_popnas.sampler import attributes
from optuna_popnas.sampler.facts import Claim
from optuna_popnas.sampler.liveness import process_token
from optuna_popnas.sampler.liveness import worker_name
from optuna_popnas.sampler.parameters import BLOCKS
from optuna_popnas.sampler.parameters import cell_distributions
from optuna_popnas.sampler.planner import Planner
from optuna_popnas.sampler.protocol import DEAD
from optuna_popnas.sampler.protocol import Finish
from optuna_popnas.sampler.protocol import MakePlan
from optuna_popnas.sampler.protocol import Move
from optuna_popnas.sampler.protocol import next_move
from optuna_popnas.sampler.protocol import Take
from optuna_popnas.sampler.protocol import Wait
from optuna_popnas.sampler.setup import setup_to_json
from optuna_popnas.sampler.study_view import StudyView
from optuna_popnas.sampler.waiting import Outage
from optuna_popnas.sampler.waiting import Pause
from optuna_popnas.sampler.waiting import stop_reason
from optuna_popnas.space import Cell


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

_TELL = 0.5  # seconds after which a wait is worth telling


class SearchEnded(optuna.TrialPruned):
    """There is no cell for this trial: the search has ended, or its worker is to stop.

    ``study.optimize`` takes it for a pruned trial and ends. With ask and tell it can be caught;
    the trial has been failed and must not be told.
    """


class TrialLost(RuntimeError):
    """Another worker declared this trial dead while it was asking for a cell."""


class Worker:
    """Gets cells for the trials of this process, on one study.

    Args:
        view: What this process sees of the study.
        planner: Makes plans when this process has to.
        speculate: Whether to train cells of the reserve instead of waiting.
    """

    def __init__(
        self,
        view: StudyView,
        planner: Planner,
        *,
        speculate: bool,
    ) -> None:
        self._view = view
        self._study = view.study
        self._planner = planner
        self._speculate = speculate

    # What Optuna's hooks call ----------------------------------------------------------------

    def begin(self, trial: FrozenTrial) -> None:
        """Take note of a trial that this process has asked for."""
        self._view.begin(trial)
        if trial.system_attrs.get(attributes.FIXED_PARAMS):
            # It may never ask for a cell, so this is the only place to say whose it is.
            attributes.write_trial(
                self._study, attributes.trial_key(trial), attributes.OWNER, _signature()
            )

    def acquire(self, trial: FrozenTrial) -> Cell:
        """Get a cell for a trial; wait for it, or make the next plan, if need be.

        Raises:
            SearchEnded: There is none.
            RuntimeError: Only this thread could finish what the trial would have to wait for.
            ValueError: The study was begun with another setup.
        """
        started = time.monotonic()
        pause, away = Pause(self._view.in_memory), Outage()
        told = False
        self._view.asking.add(trial.number)
        self._view.hold(trial)
        try:
            while True:
                try:
                    move = self._look(trial.number)
                    if isinstance(move, Take):
                        if self._claim(trial, move, time.monotonic() - started if told else 0.0):
                            return self._view.board.cell(move)
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
                        self._view.mind_the_dead()
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
            self._view.asking.discard(trial.number)

    def linger(self, trial: FrozenTrial, values: Sequence[float]) -> None:
        """At the very end of a search, wait for the others with the result already on record.

        A worker that asked for another trial instead would leave a trial without a cell behind;
        one that left would not be there to train the cells of workers that die.
        """
        if not attributes.in_optimize(self._study) or self._view.board.next_level is not None:
            return
        trial_id = attributes.trial_key(trial)
        pause = Pause(self._view.in_memory)
        recorded = False
        spare_since: float | None = None
        while stop_reason(self._study) is None:
            with self._view.lock:
                self._view.refresh()
                left, spare, contested = self._view.prospects(
                    trial.number, speculate=self._speculate
                )
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
            self._view.mind_the_dead()
            pause.sleep()

    def end(self, trial: FrozenTrial) -> None:
        """Forget a trial of this process that is about to finish."""
        self._view.end(trial)

    # Reading ---------------------------------------------------------------------------------

    def _look(self, number: int) -> Move:
        """Read the study and decide."""
        with self._view.lock:
            self._view.refresh()
            fact = self._view.board.open.get(number)
            if fact is not None and fact.claim is not None:
                # The storage went away between this claim and its check. Left standing, it
                # would have this trial wait for itself.
                trial_id = self._view.mine[number].trial_id
                attributes.write_user(self._study, trial_id, attributes.CLAIM, None)
                self._view.refresh()
                fact = self._view.board.open.get(number)
            if fact is None:
                raise TrialLost(
                    f"Trial {number} was {DEAD} by another worker, as it had shown no sign of "
                    "life. Its cell is trained by another trial."
                )
            return next_move(
                self._view.board, number, absent=self._view.absent(), speculate=self._speculate
            )

    # Writing ---------------------------------------------------------------------------------

    def _claim(self, trial: FrozenTrial, take: Take, waited: float) -> bool:
        """Claim a cell; withdraw if another trial has it, too."""
        trial_id = attributes.trial_key(trial)
        cell = self._view.board.cell(take)
        key = self._view.board.key(cell)
        plan = self._view.board.plans[take.plan]
        planned = plan.cells[take.place]
        claim = Claim(
            cell=cell,
            level=plan.level,
            wave=plan.wave,
            role=planned.role,
            predicted_accuracy=planned.accuracy,
            predicted_seconds=planned.seconds,
            attempt=self._view.board.attempts(key) + 1,
            waited_seconds=round(waited, 3),
            worker=worker_name(),
            process=process_token(),
            plan=take.plan,
            place=take.place,
        )
        attributes.write_user(self._study, trial_id, attributes.CLAIM, claim.to_json())
        with self._view.lock:
            self._view.refresh()
            beaten = trial.number not in self._view.board.open or self._view.board.rivals(
                trial.number
            )
        if beaten:
            attributes.write_user(self._study, trial_id, attributes.CLAIM, None)
        else:
            # So that the objective, too, finds it in `trial.user_attrs`.
            trial.user_attrs[attributes.CLAIM] = claim.to_json()
        return not beaten

    def _make_plan(self, trial: FrozenTrial, number: int) -> None:
        """Become the leader of a plan, make it and write it on this trial."""
        trial_id = attributes.trial_key(trial)
        lead = {**_signature(), "plan": number}
        attributes.write_trial(self._study, trial_id, attributes.LEAD, lead)
        if self._look(trial.number) != MakePlan(number):
            attributes.write_trial(self._study, trial_id, attributes.LEAD, None)
            time.sleep(random.uniform(0.0, 0.05))
            return
        with self._view.lock:
            upcoming = self._view.board.next_level
            observations = self._view.board.observations()
            plans = self._view.board.plans
            fenced = self._view.board.fallen_leaders(number)
        assert upcoming is not None
        settings = self._view.settings
        if settings["seed"] is None:
            settings = {**settings, "seed": random.SystemRandom().randrange(2**31)}
        if upcoming[0] >= 2:
            _logger.info(f"Trial {trial.number} plans level {upcoming[0]}.")
            self._view.warn_of_mixed_devices()
        plan = self._planner.plan(*upcoming, observations, plans, seed=settings["seed"])
        data: dict[str, Any] = {
            "version": attributes.VERSION,
            "plan": plan.to_json(self._view.space),
            "fenced": fenced,
        }
        if number == 0:
            data["setup"] = setup_to_json(self._view.space, settings)
        attributes.write_trial(self._study, trial_id, f"{attributes.PLAN}{number}", data)

    def _end(self, trial: FrozenTrial, reason: str) -> None:
        """End a trial for which there is no cell, and this thread's ``optimize``."""
        trial_id = attributes.trial_key(trial)
        attributes.write_trial(self._study, trial_id, attributes.SURPLUS, reason)
        if attributes.in_optimize(self._study):
            # A pruned trial without parameters would hide those of all others in a dashboard.
            blocks = cell_distributions(self._view.space)[BLOCKS]
            attributes.write_param(self._study, trial_id, BLOCKS, 0, blocks)
            self._study.stop()
        else:
            attributes.finish_trial(self._study, trial_id, TrialState.FAIL)
            self.end(trial)
        raise SearchEnded(reason)

    def _withdraw(self, trial: FrozenTrial) -> None:
        """Make nobody wait for a trial that stops asking."""
        trial_id = attributes.trial_key(trial)
        try:
            attributes.write_user(self._study, trial_id, attributes.CLAIM, None)
            for key in (attributes.LEAD, attributes.WAIT):
                attributes.write_trial(self._study, trial_id, key, None)
        except Exception as error:
            _logger.debug(f"Trial {trial.number} could not withdraw: {error!r}")

    def _tell_of_wait(self, trial: FrozenTrial, move: Wait) -> None:
        """Say once, to the user and to the other workers, that this trial waits."""
        trial_id = attributes.trial_key(trial)
        attributes.write_trial(self._study, trial_id, attributes.WAIT, _signature())
        _logger.info(f"Trial {trial.number} waits: {move.reason}.")

    # Waiting ---------------------------------------------------------------------------------

    def _check_stop(self, trial: FrozenTrial) -> None:
        reason = stop_reason(self._study)
        if reason is not None:
            self._end(trial, reason)

    def _check_own_thread(self, trial: FrozenTrial) -> None:
        """Raise if this thread would wait for itself."""
        if attributes.in_optimize(self._study):
            return
        with self._view.lock:
            board = self._view.board
            blocking = {n for take in board.unsettled() for n in board.holders(take)}
            blocking |= set(board.leaders(len(board.plans))) - {trial.number}
        mine = set(self._view.held_by_this_thread())
        if blocking and blocking <= mine:
            level = board.plans[-1].level
            shown = ", ".join(map(str, sorted(blocking)[:5]))
            raise RuntimeError(
                f"Trial {trial.number} must wait until level {level} is complete, but the trials "
                f"that are left ({shown}) were asked for by this very thread. "
                "Tell their results before you suggest a cell for another trial."
            )


def _signature() -> dict[str, Any]:
    """Return who writes."""
    return {
        "version": attributes.VERSION,
        "worker": worker_name(),
        "process": process_token(),
    }
