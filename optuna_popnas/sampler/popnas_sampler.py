"""The sampler's face to Optuna: settings are checked here, hooks hand over."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import os
import threading
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.trial import FrozenTrial
from optuna.trial import TrialState

from optuna_popnas.sampler import optuna_internals as internals
from optuna_popnas.sampler.arguments import check_limits
from optuna_popnas.sampler.arguments import check_options
from optuna_popnas.sampler.desk import Desk
from optuna_popnas.sampler.facts import direction_problem
from optuna_popnas.sampler.facts import NO_CELL
from optuna_popnas.sampler.facts import REASON
from optuna_popnas.sampler.facts import value_problem
from optuna_popnas.sampler.parameters import BLOCKS
from optuna_popnas.sampler.parameters import cell_distributions
from optuna_popnas.sampler.patience import make_patient
from optuna_popnas.sampler.planner import Planner
from optuna_popnas.sampler.predictor_choice import PredictorSpec
from optuna_popnas.sampler.warm_start import known_cells
from optuna_popnas.search import SearchConfig
from optuna_popnas.search.models import CostFunction
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

_SPECULATION = 256  # cells in reserve where idle workers train them


class POPNASSampler(BaseSampler):
    """Searches cells block by block, in small waves or as POPNASv2 does (Algorithm 4.1).

    The study needs the directions ``["maximize", "minimize"]``, accuracy and seconds, or
    ``["maximize"]``, accuracy alone. The objective gets its cell from
    :meth:`SearchSpace.suggest <optuna_popnas.SearchSpace.suggest>`. ``study.optimize`` ends by
    itself when the budget is spent, when nothing promises more, or after the last level. Any
    number of processes and threads may work on one study; the same lines resume it.

    Args:
        space: The search space.
        max_children: At most so many cells of the Pareto front are trained per level (K); of
            the thesis' modes, as are ``pilot``, ``optimism`` and
            ``max_candidates``.
        beam: Which K cells of a longer front are kept: ``"hypervolume"``, those that lose least
            of it, or ``"accuracy"``, the most accurate ones; that of the mode if left out.
        max_exploration_children: At most so many more by the exploration step (J).
        time_limit: Cells that are predicted to train longer are left out, seconds (T).
        mode: ``"adaptive"`` (small waves of cells of any depth, chosen by what they are worth),
            ``"popnas"`` (the thesis), ``"pnas"`` (accuracy alone) or ``"popnas-v1"``.
        accuracy_predictor: An object with ``fit`` and ``predict``, or a callable
            ``(space, *, seed)`` that makes one, such as a class of
            :mod:`optuna_popnas.predictors`. That of the mode if left out.
        time_predictor: Likewise.
        time_probe: A cheap estimate of a cell's training time, ``cell -> seconds``.
        budget_seconds: Seconds of training that the search spends (mode ``"adaptive"``); without
            it, the search ends when further cells promise little.
        time_range: Seconds of a training, from and to: the part of the front that matters (mode
            ``"adaptive"``).
        warm_start: Searches to start from (mode ``"adaptive"``): studies whose first value is an
            accuracy, their storages as text, or ``"corpus"``, the cells that ship with the
            library, which are taken if left out; ``"nothing"`` starts from nothing. Other data,
            operators and lookbacks are allowed; they count as far as own cells agree with them.
        first_cells: Cells that mode ``"adaptive"`` trains before it learns from them.
        wave_size: Cells that mode ``"adaptive"`` chooses at a time; more with many workers.
        stale_after: Seconds of silence after which a trial counts as dead and its cell is
            trained by another. 120 if left out, or the storage's heartbeats' if that is more.
        independent_sampler: Samples all other parameters. A random sampler if left out.
        seed: Makes the search reproducible. The study's if left out, drawn for a new study.
        max_tries: A cell whose trials failed so often is left out.
        idle: What a worker does that would have to wait at the end of a level: ``"wait"``
            (the thesis) or ``"speculate"``: train the level's next-best cells.
        reserve: So many next-best cells per level for ``idle="speculate"``.
        pilot: So many spread cells are trained before each level is planned.
        probes: So many spread cells are timed by ``time_probe`` before a level is planned.
        optimism: Accuracy is judged at its prediction plus so many standard deviations.
        limits: Upper bounds of computed costs or objectives, such as ``{"parameters": 1e6}``.
        objectives: Names of the objectives after accuracy and seconds. Those that ``cost`` does
            not compute, such as ``"latency"``, are learnt from what the trials report.
        cost: Computes costs, ``CellBatch -> {name: (n,) array}``.
        total_cells: Cells of a network that reads lookback -1, ``NetworkConfig.total_cells``, for
            time predictors. Left out: what the objective writes on its trials as
            ``total_cells``; 8, those of the thesis, where it writes nothing.
        max_candidates: A level with more candidates is sampled down to this number.

    Raises:
        ValueError: A setting is out of range.
    """

    #: Read by :meth:`SearchSpace.suggest`: a trial's blocks are known before their parameters.
    plans_cells = True

    def __init__(
        self,
        space: SearchSpace,
        *,
        max_children: int = 128,
        beam: str | None = None,
        max_exploration_children: int = 16,
        time_limit: float | None = None,
        mode: str = "adaptive",
        accuracy_predictor: PredictorSpec | None = None,
        time_predictor: PredictorSpec | None = None,
        time_probe: Callable[[Cell], float] | None = None,
        budget_seconds: float | None = None,
        time_range: tuple[float, float] | None = None,
        warm_start: str | Sequence[Any] | None = None,
        first_cells: int = 8,
        wave_size: int = 8,
        stale_after: float | None = None,
        independent_sampler: BaseSampler | None = None,
        seed: int | None = None,
        max_tries: int = 3,
        idle: Literal["wait", "speculate"] = "wait",
        reserve: int | None = None,
        pilot: int = 0,
        probes: int = 24,
        optimism: float = 0.0,
        limits: Mapping[str, float] | None = None,
        objectives: Sequence[str] = (),
        cost: CostFunction | None = None,
        total_cells: int | None = None,
        max_candidates: int = 4_000_000,
    ) -> None:
        check_options(space, idle=idle, max_tries=max_tries, stale_after=stale_after)
        check_limits(limits or {}, objectives, cost)
        config = SearchConfig(
            mode=mode,
            max_children=max_children,
            beam=beam,
            max_exploration_children=max_exploration_children,
            time_limit=time_limit,
            limits=dict(limits or {}),
            objectives=tuple(objectives),
            reserve=(_SPECULATION if idle == "speculate" else 0) if reserve is None else reserve,
            pilot=pilot,
            probes=probes,
            optimism=optimism,
            max_candidates=max_candidates,
            total_cells=total_cells,
            budget_seconds=budget_seconds,
            time_range=time_range,
            first_cells=first_cells,
            wave_size=wave_size,
        )
        config.check_space(space)
        self._space = space
        self._planner = Planner(
            space,
            config,
            accuracy_predictor,
            time_predictor,
            time_probe,
            cost,
            None if warm_start is None else known_cells(warm_start),
        )
        self._settings = {**self._planner.settings(), "max_tries": max_tries, "seed": seed}
        self._speculate = idle == "speculate"
        self._stale_after = stale_after
        self._independent_sampler = independent_sampler or RandomSampler(seed=seed)
        self._lock = threading.Lock()
        self._desks: dict[tuple[int, ...], Desk] = {}
        self._told: set[str] = set()
        self._cells: dict[tuple[int, ...], dict[str, Any]] = {}  # by study and trial

    @property
    def space(self) -> SearchSpace:
        """The search space."""
        return self._space

    @property
    def settings(self) -> dict[str, Any]:
        """What all workers of a study must agree on, as JSON values."""
        return dict(self._settings)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_lock": None, "_desks": {}, "_cells": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def reseed_rng(self) -> None:
        """Reseed the independent sampler; the search itself goes by the study's seed."""
        self._independent_sampler.reseed_rng()

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return nothing: a trial that never asks for a cell must not get one."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return nothing, see :meth:`infer_relative_search_space`."""
        return {}

    def check(self, study: optuna.Study) -> None:
        """Raise ValueError if this sampler cannot go on with a study."""
        problem = direction_problem(study.directions, self._planner.config.objectives)
        if problem is not None:
            raise ValueError(problem)
        self._desk(study).check()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Take note of the trial; never wait here, as no heartbeat would be seen."""
        self._independent_sampler.before_trial(study, trial)
        if direction_problem(study.directions, self._planner.config.objectives) is None:
            self._desk(study).begin(trial)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a parameter of the trial's cell; get the cell first if it has none."""
        expected = cell_distributions(self._space).get(param_name)
        if expected is None:
            return self._independent_sampler.sample_independent(
                study, trial, param_name, param_distribution
            )
        self._check_suggestion(study, param_name, param_distribution, expected)
        key = (*internals.study_key(study), trial.number)
        if param_name == BLOCKS:
            blocks = self._enqueued_blocks(trial)
            if blocks is not None:
                return blocks
            self._cells[key] = self._desk(study).acquire(trial).params()
        params = self._cells.get(key, {})
        if param_name not in params:  # a user fixed some parameters of the cell
            return self._independent_sampler.sample_independent(
                study, trial, param_name, param_distribution
            )
        return params[param_name]

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Say why a trial failed, as far as that is known; end with the search."""
        self._independent_sampler.after_trial(study, trial, state, values)
        self._cells.pop((*internals.study_key(study), trial.number), None)
        desk = self._desks.get(self._desk_key(study))
        if desk is None:
            return
        if state == TrialState.FAIL and REASON not in trial.system_attrs:
            reason = "the objective raised an error or returned no valid values"
            internals.write_trial(study, internals.trial_key(trial), REASON, reason)
        if state == TrialState.COMPLETE and values is not None:
            problem = value_problem(values) if BLOCKS in trial.params else NO_CELL
            if problem is not None and problem not in self._told:
                _logger.warning(f"Trial {trial.number}: {problem}")
                self._told |= {problem} & {NO_CELL}
        desk.end(trial, state, values)

    def _check_suggestion(
        self,
        study: optuna.Study,
        name: str,
        distribution: BaseDistribution,
        expected: BaseDistribution,
    ) -> None:
        """Raise ValueError if a cell cannot be suggested in this way."""
        problem = direction_problem(study.directions, self._planner.config.objectives)
        if problem is not None:
            raise ValueError(problem)
        if distribution != expected:
            raise ValueError(
                f"`{name}` must have the distribution {expected} of the sampler's space, "
                f"but got {distribution}. Suggest cells with the space that the sampler has."
            )
        fixed = set(internals.params_fixed_by(study.sampler))
        fixed &= set(cell_distributions(self._space))
        if fixed:
            raise ValueError(
                f"`fixed_params` must hold no parameter of a cell, but got {sorted(fixed)}: cells "
                "are planned as a whole. Leave the operator out of the search space instead."
            )

    def _enqueued_blocks(self, trial: FrozenTrial) -> int | None:
        """Return the blocks of an enqueued cell of which some parameters are given."""
        fixed = trial.system_attrs.get(internals.FIXED_PARAMS) or {}
        given = [name for name in fixed if name in cell_distributions(self._space)]
        if not given:
            return None
        return 1 + max(int(name[1:].partition("_")[0]) for name in given)

    def _desk_key(self, study: optuna.Study) -> tuple[int, ...]:
        return os.getpid(), *internals.study_key(study)

    def _desk(self, study: optuna.Study) -> Desk:
        key = self._desk_key(study)
        with self._lock:
            make_patient(study)
            if key not in self._desks:
                self._desks[key] = Desk(
                    study,
                    self._planner,
                    self._settings,
                    speculate=self._speculate,
                    stale_after=self._stale_after,
                )
            return self._desks[key]


def detach(trial: optuna.Trial, *, stale_after: float | None = None) -> None:
    """Say that another process will tell this trial's result, when it has its cell.

    For job submitters that ask for a trial in one process, which ends, and tell it in another:
    the trial is not declared dead because the process that asked for it is gone.

    Args:
        trial: A trial that has its cell, of a study with a :class:`POPNASSampler`.
        stale_after: Seconds after which the trial counts as dead, if nothing has been written on
            it; never if left out.

    Raises:
        ValueError: The study's sampler is another one.
    """
    sampler = trial.study.sampler
    if not isinstance(sampler, POPNASSampler):
        raise ValueError(f"`sampler` must be a POPNASSampler, but got {sampler!r}.")
    sampler._desk(trial.study).detach(internals.frozen(trial), stale_after)
