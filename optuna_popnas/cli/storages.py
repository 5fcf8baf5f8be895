"""From what a user types to an open study."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import re
from typing import TYPE_CHECKING

from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.errors import nearest


if TYPE_CHECKING:
    import optuna

DEFAULT_STORAGE = "sqlite:///popnas.db"


def open_storage(url: str, *, must_exist: bool = False) -> optuna.storages.BaseStorage:
    """Return the storage of a URL.

    Args:
        url: ``sqlite:///FILE``, ``postgresql://...``, ``mysql://...``, ``journal:///FILE`` or
            ``grpc://HOST:PORT``.
        must_exist: Refuse to make a new file.

    Raises:
        ConfigError: There is no such storage, or it cannot be opened.
    """
    import optuna

    scheme, _, rest = url.partition("://")
    if not rest or not scheme:
        raise ConfigError(
            f"`storage` must be a URL like {DEFAULT_STORAGE}, but got {mask_password(url)!r}."
        )
    file = rest.lstrip("/") if rest.startswith("/") and not rest.startswith("//") else rest[1:]
    if scheme in ("sqlite", "journal") and file and must_exist and not Path(file).exists():
        raise ConfigError(f"There is no file {file!r}. Begin a search, or name its --storage.")
    try:
        if scheme == "journal":
            from optuna.storages.journal import JournalFileBackend

            return optuna.storages.JournalStorage(JournalFileBackend(file))
        if scheme == "grpc":
            from optuna.storages import GrpcStorageProxy

            host, _, port = rest.partition(":")
            return GrpcStorageProxy(host=host, port=int(port or 13000))
        return optuna.storages.get_storage(url)
    except ConfigError:
        raise
    except ImportError as error:
        raise ConfigError(
            f"The storage {mask_password(url)!r} needs a package that is not installed: {error}. "
            "Run `pip install optuna-popnas[workers]`."
        ) from None
    except Exception as error:  # drivers have their own exceptions
        text = str(error).strip().splitlines()
        raise ConfigError(
            f"The storage {mask_password(url)!r} cannot be opened: "
            f"{mask_password(text[0]) if text else type(error).__name__}."
        ) from None


def load_study(url: str, name: str | None = None) -> optuna.Study:
    """Return a study; its name may be left out where there is only one.

    Raises:
        ConfigError: There is no such study, or several and none was named.
    """
    import optuna

    storage = open_storage(url, must_exist=True)
    names = [study.study_name for study in storage.get_all_studies()]
    where = mask_password(url)
    if name is None:
        if not names:
            raise ConfigError(f"There is no study in {where}. Begin one: optuna-popnas search.")
        if len(names) > 1:
            raise ConfigError(
                f"There are {len(names)} studies in {where}: {', '.join(sorted(names))}. "
                "Choose one with --study."
            )
        name = names[0]
    if name not in names:
        raise ConfigError(f"There is no study {name!r} in {where}. {nearest(name, sorted(names))}")
    with quiet_optuna():
        return optuna.load_study(study_name=name, storage=storage)


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
    """Return a URL that can be shown: its password, if there is one, replaced by ``***``."""
    return re.sub(r"(://[^:/@\s]*):[^@/\s]*@", r"\1:***@", url)
