"""Commands as they can be typed into this shell."""

from __future__ import annotations

import os
from pathlib import Path
import shlex
import shutil
import sys

from optuna_popnas.cli.storages import DEFAULT_STORAGE
from optuna_popnas.cli.storages import mask_password
from optuna_popnas.cli.storages import STORAGE_VARIABLE


def command(*words: str, program: str = "optuna-popnas") -> str:
    """Return a command of this package, or of a program beside it, for this shell."""
    return shlex.join([*_call(program), *words])


def _call(program: str) -> list[str]:
    """Return how a program is called here: by its name if it is on the path, else by its file."""
    beside = Path(sys.executable).parent / program
    found = shutil.which(program)
    if found is not None and (not beside.exists() or os.path.samefile(found, beside)):
        return [program]
    if beside.exists():
        return [_short(str(beside))]
    if program == "optuna-popnas":
        return [_short(sys.executable), "-m", "optuna_popnas"]
    return [program]


def _short(path: str) -> str:
    """Return a path relative to the folder where the user is, if it is below it."""
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def study_words(url: str, study: str | None = None) -> list[str]:
    """Return the flags that lead another command to a study; the name is None if it is alone."""
    words: list[str] = []
    if os.environ.get(STORAGE_VARIABLE) != url and url != DEFAULT_STORAGE:
        words += ["--storage", mask_password(url)]
    return words if study is None else [*words, "--study", study]
