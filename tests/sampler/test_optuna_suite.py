"""Optuna's own tests of samplers."""

from __future__ import annotations

from collections.abc import Callable

from optuna.samplers import BaseSampler
from optuna.testing.pytest_samplers import BasicSamplerTestCase
from optuna.testing.pytest_samplers import MultiObjectiveSamplerTestCase
import pytest

from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace


class TestPOPNASSampler(BasicSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture
    def sampler(self) -> Callable[[], BaseSampler]:
        return lambda: POPNASSampler(SearchSpace())
