"""From what a user types to an open study."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
import logging
import os
from pathlib import Path
import re
from typing import TYPE_CHECKING, TypeVar
import warnings

from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.errors import nearest


if TYPE_CHECKING:
    import optuna

Result = TypeVar("Result")

DEFAULT_STORAGE = "sqlite:///popnas.db"
#: Variable of the environment with the URL, where it has a password that nobody need see.
STORAGE_VARIABLE = "POPNAS_STORAGE"
#: Seconds that somebody at a terminal waits for a storage that does not answer.
LOOK, WORK = 10.0, 300.0
#: Drivers by the names of their modules -> what installs them.
_DRIVERS = {
    "psycopg": 'pip install "psycopg[binary]"',
    "psycopg2": "pip install psycopg2-binary",
    "pymysql": "pip install pymysql",
    "MySQLdb": "pip install pymysql, and write mysql+pymysql://",
    "grpc": "pip install grpcio protobuf",
}


class StorageError(RuntimeError):
    """A storage that does not answer, or refuses what it is asked; no wrong usage."""


def storage_url(given: str | None) -> str:
    """Return the URL of the storage: that which was given, or ``$POPNAS_STORAGE``, or a file."""
    return given or os.environ.get(STORAGE_VARIABLE) or DEFAULT_STORAGE


def open_storage(
    url: str, *, must_exist: bool = False, patience: float = LOOK
) -> optuna.storages.BaseStorage:
    """Return the storage of a URL.

    Args:
        url: ``sqlite:///FILE``, ``postgresql://...``, ``mysql://...``, ``journal:///FILE`` or
            ``grpc://HOST:PORT``.
        must_exist: Refuse to make a new file.
        patience: Seconds that the storage may be away.

    Raises:
        ConfigError: There is no such storage.
        StorageError: It does not answer.
    """
    import optuna

    scheme, _, rest = url.partition("://")
    if not rest or not scheme:
        raise ConfigError(
            f"`storage` must be a URL like {DEFAULT_STORAGE}, but got {mask_password(url)!r}."
        )
    file = storage_file(url)
    if file is not None and must_exist and not file.exists():
        raise ConfigError(
            f"There is no file {str(file)!r}. Begin a search, or name its --storage."
        )
    if file is not None and not file.parent.is_dir():
        raise ConfigError(f"There is no folder {str(file.parent)!r} for the storage. Make it.")

    def call() -> optuna.storages.BaseStorage:
        if scheme == "journal":
            from optuna_popnas.sampler.journal import SoundJournalFile

            return optuna.storages.JournalStorage(SoundJournalFile(str(file)))
        if scheme == "grpc":
            from optuna.storages import GrpcStorageProxy

            host, _, port = rest.partition(":")
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                return GrpcStorageProxy(host=host, port=int(port or 13000))
        # It logs a traceback for each connection that it gives up; who waits for it is told.
        logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL)
        return optuna.storages.get_storage(url)

    return patiently(call, url, patience)


def storage_file(url: str) -> Path | None:
    """Return the file of a storage that is one."""
    scheme, _, path = url.partition(":///")
    if scheme.partition("+")[0] not in ("sqlite", "journal") or not path or path == ":memory:":
        return None
    return Path(path.partition("?")[0].removeprefix("file:"))


def patiently(call: Callable[[], Result], url: str, patience: float) -> Result:
    """Call what uses a storage, again while it is away.

    Raises:
        ConfigError: The URL is none that a driver understands.
        StorageError: The storage does not answer, or refuses.
    """
    from optuna_popnas.sampler.patience import try_steadily

    where = mask_password(url)
    try:
        return try_steadily(call, patience=patience, opening=True)
    except ConfigError:
        raise
    except ImportError as error:
        cause: BaseException = error
        while cause.__context__ is not None:
            cause = cause.__context__
        module = str(getattr(cause, "name", "") or "").partition(".")[0]
        advice = _DRIVERS.get(module, f"pip install {module}" if module else str(cause))
        raise ConfigError(
            f"The storage {where!r} needs a package that is not installed: {advice}."
        ) from None
    except Exception as error:  # drivers have their own exceptions
        sentence = storage_problem(error, url)
        if sentence is not None:
            raise StorageError(sentence) from None
        text = _first_line(error, url)
        hint = " Write postgresql://." if url.startswith("postgres:") else ""
        raise ConfigError(f"The storage {where!r} cannot be opened: {text}.{hint}") from None


def storage_problem(error: BaseException, url: str | None = None) -> str | None:
    """Return in a sentence what is wrong with a storage; None if the error is of another kind."""
    from optuna_popnas.sampler.patience import is_storage_failure

    cause: BaseException | None = error
    while cause is not None and not (is_storage_failure(cause) or isinstance(cause, OSError)):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return None
    where = "The storage" if url is None else f"The storage {mask_password(url)!r}"
    text = _first_line(cause, url)
    if re.search(r"read-?only", text):
        return f"{where} can only be read, but must be written: {text}."
    if re.search("not a database|malformed|password|denied|does not exist", text):
        return f"{where} cannot be used: {text}."
    return f"{where} does not answer: {text}. Is it running, and can this machine reach it?"


def _first_line(error: BaseException, url: str | None) -> str:
    """Return what an error says in one line, without the password."""
    cause = error
    while cause.__cause__ is not None and not str(cause.__cause__).isspace():
        cause = cause.__cause__
    details = getattr(cause, "details", None)  # gRPC's errors have their text there
    text = str(details() if callable(details) else cause).strip()
    line = (text.splitlines() or [type(cause).__name__])[0].strip().rstrip(".")
    return line if url is None else line.replace(url, mask_password(url))


def load_study(
    url: str | None,
    name: str | None = None,
    *,
    patience: float = LOOK,
    choice: str = "with --study",
) -> optuna.Study:
    """Return a study; its name may be left out where there is only one.

    Args:
        url: See :func:`storage_url`.
        name: Name of the study.
        patience: Seconds that the storage may be away, now and in all that is done with the study.
        choice: How a study is chosen where there are several, for the error.

    Raises:
        ConfigError: There is no such study, or several and none was named.
        StorageError: The storage does not answer.
    """
    import optuna

    from optuna_popnas.sampler.patience import make_patient

    url = storage_url(url)
    storage = open_storage(url, must_exist=True, patience=patience)
    names = study_names(storage, url, patience=patience)
    where = mask_password(url)
    if name is None:
        if not names:
            raise ConfigError(f"There is no study in {where}. Begin one with the command search.")
        if len(names) > 1:
            raise ConfigError(
                f"There are {len(names)} studies in {where}: {', '.join(names)}. "
                f"Choose one {choice}."
            )
        name = names[0]
    if name not in names:
        raise ConfigError(f"There is no study {name!r} in {where}. {nearest(name, names)}")
    chosen = name
    with quiet_optuna():
        study = patiently(
            lambda: optuna.load_study(study_name=chosen, storage=storage), url, patience
        )
    make_patient(study, patience)
    return study


def begun_study(url: str, name: str) -> optuna.Study | None:
    """Return a study if there is one of this name; no file is made to look for it.

    Raises:
        ConfigError: The URL names no storage.
        StorageError: The storage does not answer.
    """
    file = storage_file(url)
    if file is not None and not file.exists():
        return None
    if name not in study_names(open_storage(url), url):
        return None
    return load_study(url, name)


def study_names(
    storage: optuna.storages.BaseStorage, url: str, *, patience: float = LOOK
) -> list[str]:
    """Return the names of all studies, in order.

    Raises:
        StorageError: The storage does not answer.
    """
    return sorted(s.study_name for s in patiently(storage.get_all_studies, url, patience))


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Keep Optuna from telling that it made or found a study."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def mask_password(url: str) -> str:
    """Return a URL that can be shown: passwords replaced by ``***``, as SQLAlchemy reads them."""
    if "@" not in url and "?" not in url:
        return url
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        # No URL: whatever stands before the machine may be a password.
        return f"***@{url.rpartition('@')[2]}" if "@" in url else f"{url.partition('?')[0]}?***"
    secret = [key for key in parsed.query if re.search("pass|pwd|secret|token|key", key.lower())]
    if not secret and parsed.password is None:
        return url
    hidden = parsed.update_query_dict(dict.fromkeys(secret, "***"))
    return hidden.render_as_string(hide_password=True).replace("%2A%2A%2A", "***")
