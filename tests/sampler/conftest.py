from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
import sqlite3
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.storages import InMemoryStorage
from optuna.storages import JournalStorage
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileBackend
import pytest
import sqlalchemy

from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from tests.sampler.toys import sampler_options


#: Opens the same storage again, as another process would.
Opener = Callable[[], BaseStorage]
#: Creates or loads a study with a sampler of these options.
Make = Callable[..., optuna.Study]


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(level)


@pytest.fixture
def space() -> SearchSpace:
    """36 one-block cells."""
    return SearchSpace(["identity", "3x3 conv", "3x3 dconv", "2x2 maxpool"], max_blocks=3)


@pytest.fixture(params=["memory", "sqlite", "journal"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    opened: list[BaseStorage] = []
    memory = InMemoryStorage()

    def open_storage() -> BaseStorage:
        if request.param == "memory":
            return memory
        if request.param == "journal":
            return JournalStorage(JournalFileBackend(f"{tmp_path}/study.log"))
        storage = open_rdb(f"sqlite:///{tmp_path}/study.db")
        opened.append(storage)
        return storage

    yield open_storage
    for storage in opened:
        storage.remove_session()
        storage.engine.dispose()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


def open_rdb(url: str, **options: Any) -> RDBStorage:
    """Open a database that does not wait for the disk."""
    storage = RDBStorage(url, **options)
    hurry(storage)
    return storage


def hurry(storage: RDBStorage) -> None:
    """Let SQLite not wait for the disk: tests kill no machine."""

    @sqlalchemy.event.listens_for(storage.engine, "connect")
    def connect(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA journal_mode = MEMORY")

    storage.engine.dispose()


@pytest.fixture
def make_study(space: SearchSpace) -> Make:
    """Return a function that creates or loads a study with a sampler of these options."""

    def make(
        storage: BaseStorage | None = None,
        *,
        directions: tuple[str, ...] = ("maximize", "minimize"),
        space: SearchSpace = space,
        **options: object,
    ) -> optuna.Study:
        if options.get("mode", "popnas") == "popnas":
            options = {"max_exploration_children": 3, **options}
        options = {"max_children": 8, **options}
        return optuna.create_study(
            study_name="study",
            storage=storage,
            load_if_exists=True,
            directions=list(directions),
            sampler=POPNASSampler(space, **sampler_options(**options)),
        )

    return make
