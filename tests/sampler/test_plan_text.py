"""Plans as attributes of trials."""

from __future__ import annotations

import json

from optuna_popnas.sampler.plan_text import join_plan
from optuna_popnas.sampler.plan_text import split_plan


def test_large_plans_are_stored_in_parts() -> None:
    """A plan of some 460 cells of five blocks did not fit into a value of MySQL."""
    plan = {"version": 2, "cells": [[-2, 11, -1, 10] * 5] * 1500}
    data = {"plan": plan, "fenced": [], "setup": {"a": '"'}}
    written = split_plan(data, 4)
    assert all(len(json.dumps(value).encode()) < 65_535 for _, value in written)
    attrs = dict(written)
    assert join_plan(attrs["popnas:plan:4"], 4, attrs) == data
    incomplete = dict(written[1:])
    assert join_plan(incomplete["popnas:plan:4"], 4, incomplete) is None
    small = {"plan": {"version": 2}, "fenced": []}
    assert split_plan(small, 1) == [("popnas:plan:1", small)]
