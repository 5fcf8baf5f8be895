"""Plans as they are stored and read."""

import json

import numpy as np
import pytest

from optuna_popnas import Cell
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas import SearchSpace
from optuna_popnas.search import decode_cell
from optuna_popnas.search import encode_cell
from optuna_popnas.search import Plan
from optuna_popnas.search import plan_level
from optuna_popnas.search import PlannedCell
from optuna_popnas.search import PlanReport
from optuna_popnas.search import Probe
from optuna_popnas.search import SearchConfig


def test_stored_plans_of_other_versions_and_spaces_are_refused() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    rng = np.random.default_rng(0)
    data = plan_level(space, 1, [], SearchConfig(), rng=rng).to_json(space)
    with pytest.raises(ValueError, match="must have version 1 to 2, but got 99"):
        Plan.from_json({**data, "version": 99}, space)
    other = SearchSpace(PAPER_OPERATORS, max_blocks=3)
    with pytest.raises(ValueError, match="must be of this search space"):
        Plan.from_json(data, other)


def test_plans_of_version_1_are_read() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=2)
    cell = space.first_level()[7]
    data = {
        "version": 1,
        "space": space.fingerprint,
        "level": 2,
        "wave": 0,
        "cells": [encode_cell(cell, space)],
        "roles": ["front"],
        "accuracy": [0.5],
        "seconds": [2.0],
        "facts": {
            "candidates": 9,
            "already_trained": 3,
            "plan_seconds": 1.5,
            "fit_time_seconds": 0.1,
            "sample": [[0.5, 2.0]],
            "probes": [[encode_cell(cell, space), 4.0]],
            "exploration_inputs": [-2],
        },
    }
    plan = Plan.from_json(data, space)
    assert plan.cells == (PlannedCell(cell, "front", 0.5, 2.0),)
    assert plan.report == PlanReport(
        candidates=9, known=3, seconds=1.5, sample=((0.5, 2.0),), probes=(Probe(cell, 4.0),)
    )


def test_reports_are_stored_whole() -> None:
    space = SearchSpace(PAPER_OPERATORS[:4], max_blocks=3)
    full = PlanReport(
        message="so",
        parents=1,
        encodings=2,
        merged=0,
        known=0,
        candidates=3,
        over_limit=0,
        equivalents=4,
        sample=((0.25, 1.0),),
        probes=(Probe(space.first_level()[3], 2.5),),
        seconds=0.5,
        expected_gain=0.125,
        budget_left=60.0,
    )
    for report in (full, PlanReport()):
        plan = Plan(2, 0, (), report)
        assert Plan.from_json(json.loads(json.dumps(plan.to_json(space))), space) == plan


def test_cells_as_integers_round_trip() -> None:
    space = SearchSpace(PAPER_OPERATORS, max_blocks=3)
    for cell in [Cell(), *space.expand(space.first_level())[:20]]:
        assert decode_cell(encode_cell(cell, space), space) == cell
