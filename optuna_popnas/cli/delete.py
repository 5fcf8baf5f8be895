"""``optuna-popnas delete``: remove a study and all its trials."""

from __future__ import annotations

import sys

from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.storages import load_study
from optuna_popnas.cli.storages import LOOK
from optuna_popnas.cli.storages import mask_password
from optuna_popnas.cli.storages import patiently
from optuna_popnas.cli.storages import storage_url
from optuna_popnas.study import summarize


def run(*, study: str | None = None, storage: str | None = None, yes: bool = False) -> int:
    """Delete a study and all its trials.

    It asks before; what was deleted cannot be had back. Models and reports are files of their own
    and stay.

    Args:
        yes: Do not ask.

    Examples:
        optuna-popnas delete --study digits
    """
    import optuna

    from optuna_popnas.sampler import optuna_internals as internals

    url = storage_url(storage)
    found = load_study(url, study)
    summary = patiently(lambda: summarize(found), url, LOOK)
    what = f"the study {found.study_name!r} in {mask_password(url)}"
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"To delete {what}, give --yes: nobody can be asked here.")
        print(f"{found.study_name}: {summary.sentence}")
        if input(f"Delete {what}? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing was deleted.")
            return 1
    store = internals.storage_of(found)
    patiently(lambda: optuna.delete_study(study_name=found.study_name, storage=store), url, LOOK)
    print(f"Deleted: {what}, with {summary.complete} trained cells.")
    return 0
