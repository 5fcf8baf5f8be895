"""Settings of all tests."""

from __future__ import annotations

from collections.abc import Iterator
import gc
import sys
import warnings

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


@pytest.fixture(autouse=True)
def connections() -> Iterator[None]:
    """Drop the databases of a test: Python 3.13 warns of connections that nobody has closed.

    Optuna and SQLAlchemy leave those of a storage to the garbage collector.
    """
    yield
    if sys.version_info >= (3, 13):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
