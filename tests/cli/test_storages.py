from __future__ import annotations

import logging
from pathlib import Path
import sqlite3
import threading

import optuna
import pytest

from optuna_popnas.cli import main
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.storages import load_study
from optuna_popnas.cli.storages import mask_password
from optuna_popnas.cli.storages import open_storage
from optuna_popnas.cli.storages import StorageError
from optuna_popnas.cli.storages import study_names


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql+psycopg://u:pa/ssw0rd@h/db", "postgresql+psycopg://u:***@h/db"),
        ("postgresql+psycopg://u:pass w0rd@h/db", "postgresql+psycopg://u:***@h/db"),
        ("mysql+pymysql://u:a:b/c%21d@h:3306/db", "mysql+pymysql://u:***@h:3306/db"),
        (
            "postgresql+psycopg://h/db?user=u&password=s3cret",
            "postgresql+psycopg://h/db?password=***&user=u",
        ),
        ("postgresql//u:s3cret@h", "***@h"),  # no URL
        ("sqlite:///popnas.db", "sqlite:///popnas.db"),
        ("journal:///a b.log", "journal:///a b.log"),
        ("grpc://host:13000", "grpc://host:13000"),
    ],
)
def test_passwords_are_hidden_as_sqlalchemy_reads_them(url: str, shown: str) -> None:
    """A pattern of its own showed those with a slash, a space or among the query's fields."""
    assert mask_password(url) == shown


def test_a_storage_that_is_away_is_no_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("optuna_popnas.cli.storages.LOOK", 0.0)
    with pytest.raises(StorageError, match=r"'postgresql\+psycopg://u:\*\*\*@127.0.0.1:1/db'"):
        open_storage("postgresql+psycopg://u:s3cret@127.0.0.1:1/db", patience=0.0)
    with pytest.raises(StorageError, match="does not answer: .*Is it running"):
        study_names(
            open_storage("grpc://127.0.0.1:1", patience=0.0), "grpc://127.0.0.1:1", patience=0.0
        )


def test_a_missing_driver_is_named_with_what_installs_it() -> None:
    with pytest.raises(ConfigError, match="not installed: pip install pymysql, and write mysql"):
        open_storage("mysql://user@host/db")


def test_no_database(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "popnas.db"
    path.write_text("This is no database. " * 100)
    with pytest.raises(StorageError, match="cannot be used: .*not a database"):
        open_storage(f"sqlite:///{path}", patience=0.0)
    with pytest.raises(ConfigError, match="There is no folder"):
        open_storage(f"sqlite:///{tmp_path}/no/popnas.db")


def test_the_storage_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"journal:///{tmp_path}/journal"
    optuna.create_study(study_name="mine", storage=open_storage(url))
    monkeypatch.setenv("POPNAS_STORAGE", url)
    assert main(["status"]) == 0
    assert capsys.readouterr().out.startswith("mine: Nothing has been trained")


def test_studies_of_commands_wait_for_their_storage(tmp_path: Path) -> None:
    """A worker read its study once before it was patient, and ended if the storage was away."""
    url = f"sqlite:///{tmp_path}/popnas.db?timeout=0.1"
    optuna.create_study(storage=url, study_name="s")
    study = load_study(url, "s")
    lock = sqlite3.connect(tmp_path / "popnas.db", check_same_thread=False)
    lock.execute("BEGIN EXCLUSIVE")
    timer = threading.Timer(1.0, lock.rollback)
    timer.start()
    study.set_user_attr("written", True)
    assert study.user_attrs == {"written": True}
    timer.join()
    lock.close()


def test_connections_that_are_given_up_log_no_traceback(tmp_path: Path) -> None:
    """SQLAlchemy logged one on the terminal when the database went away."""
    open_storage(f"sqlite:///{tmp_path}/popnas.db")
    assert not logging.getLogger("sqlalchemy.pool.impl.QueuePool").isEnabledFor(logging.ERROR)
