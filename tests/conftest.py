"""Settings of all tests."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import settings
import optuna
import pytest


# Time limits for one example say more about the machine than about the code.
settings.register_profile("here", deadline=None)
settings.load_profile("here")


@pytest.fixture(autouse=True)
def verbosity() -> Iterator[None]:
    """Leave Optuna's verbosity as it was: what one test silences, the next one may listen to."""
    level = optuna.logging.get_verbosity()
    yield
    optuna.logging.set_verbosity(level)
