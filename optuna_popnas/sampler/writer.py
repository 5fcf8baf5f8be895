"""What a worker writes, on its own trials and on those of the dead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_popnas.sampler import facts
from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.liveness import Me
from optuna_popnas.sampler.parameters import BLOCKS
from optuna_popnas.sampler.parameters import cell_distributions
from optuna_popnas.sampler.plan_text import split_plan
from optuna_popnas.sampler.plan_text import VERSION
from optuna_popnas.sampler.setup import Setup
from optuna_popnas.sampler.setup import setup_to_json
from optuna_popnas.search import Plan
from optuna_popnas.space import SearchSpace


_logger = optuna.logging.get_logger(f"optuna.{__name__}")


class Writer:
    """Writes on trials; all raise ``UpdateFinishedTrialError`` where the trial has finished.

    Args:
        study: The study.
        space: The search space.
        me: Who writes.
    """

    def __init__(self, study: optuna.Study, space: SearchSpace, me: Me) -> None:
        self.me = me
        self._study = study
        self._space = space

    def own(self, trial: FrozenTrial) -> None:
        """Say who runs a trial."""
        self._write(trial, facts.OWNER, self._mark(trial))

    def detach(self, trial: FrozenTrial, stale_after: float | None) -> None:
        """Say that any process may go on with a trial."""
        mark = {**self._mark(trial), "process": "", "stale_after": stale_after}
        self._write(trial, facts.OWNER, mark)

    def wait(self, trial: FrozenTrial) -> None:
        """Say that a trial waits for a cell."""
        self._write(trial, facts.WAIT, self._mark(trial))

    def claim(self, trial: FrozenTrial, claim: facts.Claim | None) -> None:
        """Claim a cell, or none any more."""
        value = None if claim is None else claim.to_json()
        internals.write_user(self._study, internals.trial_key(trial), facts.CLAIM, value)

    def lead(self, trial: FrozenTrial, plan: int | None) -> None:
        """Say that a trial makes this plan, or none any more."""
        mark = None if plan is None else {**self._mark(trial), "plan": plan}
        self._write(trial, facts.LEAD, mark)

    def plan(
        self,
        trial: FrozenTrial,
        number: int,
        plan: Plan,
        fenced: Sequence[int],
        setup: Setup | None,
    ) -> None:
        """Commit a plan; with the last write it holds.

        Args:
            trial: The trial that carries it.
            number: Number of the plan.
            plan: The plan.
            fenced: Trials whose plan of this number does not hold.
            setup: With what the search begins or goes on, None if that is known.
        """
        data: dict[str, Any] = {
            "version": VERSION,
            "plan": plan.to_json(self._space),
            "fenced": list(fenced),
            "trial": trial.number,
        }
        if setup is not None:
            data["setup"] = setup_to_json(*setup)
        for key, value in split_plan(data, number):
            self._write(trial, key, value)

    def withdraw(self, trial: FrozenTrial) -> None:
        """Make nobody wait for a trial that stops asking."""
        try:
            self.claim(trial, None)
            for key in (facts.LEAD, facts.WAIT):
                self._write(trial, key, None)
        except Exception as error:
            _logger.debug(f"Trial {trial.number} could not withdraw: {error!r}")

    def finish_without_cell(self, trial: FrozenTrial, reason: str) -> None:
        """End a trial for which there is no cell, and this thread's ``optimize``."""
        trial_id = internals.trial_key(trial)
        self._write(trial, facts.SURPLUS, reason)
        if not internals.in_optimize(self._study):
            internals.finish_trial(self._study, trial_id, TrialState.FAIL)
            return
        if BLOCKS not in trial.params:
            # A pruned trial without parameters would hide those of all others in a dashboard.
            blocks = cell_distributions(self._space)[BLOCKS]
            internals.write_param(self._study, trial_id, BLOCKS, 0, blocks)
        self._study.stop()

    def bury(
        self,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
        reason: str | None,
    ) -> bool:
        """Finish a trial of a worker that will not; return False if it had finished."""
        try:
            if reason is not None:
                self._write(trial, facts.REASON, reason)
        except UpdateFinishedTrialError:
            return False
        return internals.finish_trial(self._study, internals.trial_key(trial), state, values)

    def bury_clones(
        self, trials: Iterable[FrozenTrial], is_taken: Callable[[facts.Fact], bool]
    ) -> None:
        """Fail the trials that retry callbacks have enqueued of cells that are trained anyway.

        Nobody would take them while all wait.
        """
        for trial in trials:
            clone = internals.RETRY_OF in trial.system_attrs
            if trial.state == TrialState.WAITING and clone and is_taken(facts.read_fact(trial)):
                reason = f"{facts.INTERRUPTED}: the sampler itself tries the cell again"
                self.bury(trial, TrialState.FAIL, None, reason)

    def _mark(self, trial: FrozenTrial) -> dict[str, Any]:
        return {"version": VERSION, "trial": trial.number, **self.me._asdict()}

    def _write(self, trial: FrozenTrial, key: str, value: Any) -> None:
        internals.write_trial(self._study, internals.trial_key(trial), key, value)
