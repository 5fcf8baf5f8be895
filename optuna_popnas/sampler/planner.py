"""From a board to the next plan: the settings, the predictors and the seed come together here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from functools import partial
import json
import math
import time
from typing import Any, NamedTuple

import numpy as np
import optuna

from optuna_popnas.predictors.guide import KnownCells
from optuna_popnas.predictors.size_aware import SizeAwarePredictor
from optuna_popnas.sampler.board import Board
from optuna_popnas.sampler.board import Upcoming
from optuna_popnas.sampler.predictor_choice import PredictorChoice
from optuna_popnas.sampler.predictor_choice import PredictorSpec
from optuna_popnas.sampler.warm_start import CORPUS
from optuna_popnas.sampler.warm_start import described
from optuna_popnas.sampler.warm_start import known_cells
from optuna_popnas.search import Observation
from optuna_popnas.search import Plan
from optuna_popnas.search import plan_level
from optuna_popnas.search import plan_wave
from optuna_popnas.search import PlannedCell
from optuna_popnas.search import Predictors
from optuna_popnas.search import Probe
from optuna_popnas.search import Running
from optuna_popnas.search import SearchConfig
from optuna_popnas.search.models import CostFunction
from optuna_popnas.space import Cell
from optuna_popnas.space import SearchSpace


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

# Streams of random numbers of one planning step; further objectives come after them.
_CHOICES, _ACCURACY, _SECONDS, _OTHERS = range(4)

# Cells of the thesis' networks, where neither settings nor trials say how many there are.
_TOTAL_CELLS = 8

_SLOW = 60.0  # seconds of planning that are told


class Knowledge(NamedTuple):
    """What a search knows when it plans.

    Attributes:
        observations: Every finished cell.
        running: The cells that are planned and not measured.
        plans: The plans so far, which hold the earlier probes.
        spent: Seconds of training so far, failed ones included.
        planned: Cells of the front that an earlier, narrower plan of the level had.
        left_out: Cells that could not be trained.
        total_cells: Cells of the networks.
    """

    observations: Sequence[Observation]
    running: Sequence[Running]
    plans: Sequence[Plan]
    spent: float = 0.0
    planned: int = 0
    left_out: Sequence[Cell] = ()
    total_cells: int = _TOTAL_CELLS


@dataclass(frozen=True)
class Planner:
    """Makes plans, as a pure function of finished cells and the study's seed.

    Args:
        space: The search space.
        config: The settings of the search.
        accuracy: The accuracy predictor; that of the mode if None.
        seconds: The time predictor; that of the mode if None.
        probe: A cheap estimate of a cell's training time. One that raises is no probe.
        cost: Computed costs of cells.
        known: Cells of earlier searches; those that ship with the library if None, where the mode
            and the accuracy predictor use them.

    Raises:
        ValueError: The mode, or the accuracy predictor, does not use the known cells.
    """

    space: SearchSpace
    config: SearchConfig
    accuracy: PredictorSpec | None = None
    seconds: PredictorSpec | None = None
    probe: Callable[[Cell], float] | None = None
    cost: CostFunction | None = None
    known: tuple[KnownCells, ...] | None = ()
    _choice: PredictorChoice = field(init=False, repr=False)

    def __post_init__(self) -> None:
        choice = PredictorChoice(self.space, self.config.mode, self.accuracy, self.seconds)
        object.__setattr__(self, "_choice", choice)
        adaptive = self.config.mode == "adaptive"
        if self.known is None:
            usual = known_cells(CORPUS) if adaptive and choice.knows_size() else ()
            object.__setattr__(self, "known", usual)
        elif self.known and not adaptive:
            mode = f"mode {self.config.mode!r}, which starts from nothing. 'adaptive' has one."
            raise ValueError(f"`warm_start` must be left out in {mode}")
        elif self.known and not choice.knows_size():
            raise ValueError(
                "`accuracy_predictor` must be left out or be one that knows size where there is a "
                f"`warm_start`, but got {choice.name('accuracy')}."
            )

    def knowledge(self, board: Board) -> Knowledge:
        """Return what planning goes by, of the state of a search."""
        level = -1 if board.upcoming is None else board.upcoming.level
        planned = sum(
            item.role == "front"
            for plan in board.plans
            if plan.level == level
            for item in plan.cells
        )
        return Knowledge(
            board.observations(),
            board.running(),
            board.plans,
            board.spent,
            planned,
            board.left_out(),
            self._total_cells(board.total_cells),
        )

    def _total_cells(self, told: Collection[int]) -> int:
        """Return the cells of the networks: as given, or as trials say.

        Raises:
            ValueError: They disagree.
        """
        given = self.config.total_cells
        if len({*told, *([] if given is None else [given])}) > 1:
            theirs = " and ".join(map(str, sorted(told)))
            raise ValueError(
                f"`total_cells` must be that of the networks of all trials, but got {given} and "
                f"trials with {theirs}. Leave it out, and train networks of the same size."
            )
        return given or next(iter(told), _TOTAL_CELLS)

    def settings(self) -> dict[str, Any]:
        """Return what workers must agree on, but for the seed, as JSON values."""
        settings = {
            **asdict(self.config),
            "accuracy_predictor": self._choice.name("accuracy"),
            "time_predictor": self._choice.name("seconds"),
            "warm_start": described(self.known or ()),
        }
        plain: dict[str, Any] = json.loads(json.dumps(settings, default=lambda v: v.item()))
        return plain

    def plan(self, upcoming: Upcoming, known: Knowledge, *, seed: int) -> Plan:
        """Return the next plan.

        Args:
            upcoming: Level and wave.
            known: What the search knows.
            seed: Seed of the study.

        Raises:
            MemoryError: There is not enough for all candidates.
            ValueError: A predictor of the user's own returned something else than predictions.
        """
        started = time.monotonic()
        fewer = "Smaller `max_candidates`, `max_children` or `max_blocks` give less to predict."
        try:
            plan = self._plan(upcoming, known, seed=seed)
        except MemoryError as error:
            raise MemoryError(f"Planning {upcoming} found no memory. {fewer}") from error
        seconds = time.monotonic() - started
        if seconds > _SLOW:
            _logger.warning(f"Planning {upcoming} took {seconds:.0f} s. {fewer}")
        return plan

    def _plan(self, upcoming: Upcoming, known: Knowledge, *, seed: int) -> Plan:
        total_cells = self.config.total_cells or known.total_cells
        config = replace(self.config, total_cells=total_cells)
        level, wave = upcoming
        stream = [seed, max(level, 0), wave]
        rng = np.random.default_rng([*stream, _CHOICES])
        if config.mode == "adaptive":
            return plan_wave(
                self.space,
                known.observations,
                known.running,
                config,
                self._predictors(True, total_cells, partial(_seed, *stream)),
                wave=wave,
                spent=known.spent,
                probes=stored_probes(known.plans),
                left_out=known.left_out,
                rng=rng,
            )
        # A training that was stopped early says nothing that the thesis' models could use.
        observations = [item for item in known.observations if not item.curve]
        timed = all(item.seconds is not None for item in observations)
        predictors = None
        if known.planned:  # wider than it was: what was planned before is part of it
            config = replace(config, max_children=max(1, config.max_children - known.planned))
        if not timed and config.mode == "popnas" and not config.objectives:
            # Accuracy is the only objective: of what this mode has no use for, nothing is left.
            config = replace(
                config, mode="pnas", beam=None, max_exploration_children=0, time_limit=None
            )
        if level >= 2:
            predictors = self._predictors(timed, total_cells, partial(_seed, *stream))
        plan = plan_level(
            self.space,
            level,
            observations,
            config,
            predictors,
            wave=wave,
            probes=stored_probes(known.plans),
            rng=rng,
        )
        return self._with_reserve(plan, rng) if level == 1 else plan

    def _with_reserve(self, plan: Plan, rng: np.random.Generator) -> Plan:
        """Add two-block cells at random for idle workers; first predictions learn from them."""
        if self.config.reserve == 0 or self.space.max_blocks < 2:
            return plan
        v1 = self.config.mode == "popnas-v1"  # flat cells, each encoding its own (Sec. 3.4)
        parents = [planned.cell for planned in plan.cells]
        cells = self.space.expand(parents, flat=v1, merge_equivalent=not v1)
        rows = rng.permutation(len(cells))[: self.config.reserve]
        spare = tuple(PlannedCell(cell, "reserve") for cell in cells.take(rows))
        return replace(plan, cells=(*plan.cells, *spare))

    def _predictors(self, timed: bool, total_cells: int, seed: Callable[[int], int]) -> Predictors:
        model = self._choice.make_accuracy(seed=seed(_ACCURACY))
        if isinstance(model, SizeAwarePredictor):
            model.learn_from(self.known or ())
        needs_time = timed and self.config.mode != "pnas"
        return Predictors(
            accuracy=model,
            seconds=self._choice.make_seconds(total_cells=total_cells, seed=seed(_SECONDS))
            if needs_time
            else None,
            probe=None if self.probe is None else self._probe,
            cost=self.cost,
            other=lambda number: self._choice.make_other(
                total_cells=total_cells, seed=seed(_OTHERS + number)
            ),
        )

    def _probe(self, cell: Cell) -> float:
        """Estimate a cell's training time; NaN where the probe fails."""
        assert self.probe is not None
        try:
            return float(self.probe(cell))
        except Exception as error:
            text = (str(error).strip() or repr(error)).splitlines()[0]
            _logger.warning(f"The time of {cell} could not be probed: {text}")
            return math.nan


def stored_probes(plans: Sequence[Plan]) -> list[Probe]:
    """Return the probes that were made for earlier plans."""
    return [probe for plan in plans for probe in plan.report.probes]


def _seed(*entropy: int) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
