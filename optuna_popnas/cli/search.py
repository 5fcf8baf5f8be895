"""``optuna-popnas search``: search cells on a data set, with any number of workers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from importlib.util import find_spec
from json import dumps
import sys
import time
from typing import TYPE_CHECKING

from optuna_popnas.cli.budget import settings_for
from optuna_popnas.cli.config import merge
from optuna_popnas.cli.config import read_settings
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.launch import obey_keeper
from optuna_popnas.cli.launch import visible_gpus
from optuna_popnas.cli.outlook import outlook_text
from optuna_popnas.cli.outlook import worker_count
from optuna_popnas.cli.presence import AtWork
from optuna_popnas.cli.presence import only_keeper
from optuna_popnas.cli.progress import only_watch
from optuna_popnas.cli.progress import watch
from optuna_popnas.cli.schema import ALL_SECTIONS
from optuna_popnas.cli.shell import command
from optuna_popnas.cli.shell import study_words
from optuna_popnas.cli.storages import LOOK
from optuna_popnas.cli.storages import mask_password
from optuna_popnas.cli.storages import open_storage
from optuna_popnas.cli.storages import patiently
from optuna_popnas.cli.storages import study_names
from optuna_popnas.cli.storages import WORK
from optuna_popnas.cli.studies import check_setup
from optuna_popnas.cli.studies import find_study
from optuna_popnas.cli.studies import full_settings
from optuna_popnas.cli.studies import open_study
from optuna_popnas.cli.text import CELL_LEGEND
from optuna_popnas.cli.text import front_table
from optuna_popnas.cli.text import wrapped
from optuna_popnas.cli.work import artifact_store
from optuna_popnas.cli.work import GAVE_UP
from optuna_popnas.cli.work import prepare
from optuna_popnas.cli.work import refresh_dashboard
from optuna_popnas.cli.work import TooManyFailures
from optuna_popnas.cli.work import work
from optuna_popnas.study import summarize
from optuna_popnas.study import view_study


if TYPE_CHECKING:
    import optuna

    from optuna_popnas.objective.ray_workers import Room

SECTIONS = ALL_SECTIONS
COMMON = (
    "study.storage", "study.name", "study.workers", "data.source", "data.image_size",
    "space.operators", "space.max_blocks", "training.epochs",
)  # fmt: skip
HIDDEN = ("as_worker",)


def run(
    source: str | None = None,
    /,
    *,
    hours: float | None = None,
    check: bool = False,
    join: bool = False,
    ray: str | None = None,
    slurm: int | None = None,
    kubernetes: int | None = None,
    json: bool = False,
    as_worker: bool = False,
    flags: Values,
    words: Sequence[str],
) -> int:
    """Search cells on a data set.

    Settings come from a TOML file and from flags, which win. The same command resumes a search
    that was interrupted; on another machine, with the same storage, it joins.

    Args:
        source: Settings, a TOML file; or the data: a folder with one folder per class, a name, or
            an npz file.
        hours: Choose sizes, epochs and the number of trainings for so many hours.
        check: Check settings, data and storage, print the settings, and end.
        join: Start more workers on this machine.
        ray: Start the workers on the Ray cluster at this address; on that of this machine, which
            is started if need be, if no address follows.
        slurm: Print a SLURM script of so many workers, and end.
        kubernetes: Print a Kubernetes Job of so many workers, and end.
        json: Print the result as JSON.
        as_worker: Be a worker of a search.

    Examples:
        optuna-popnas search photos/ --hours 2
        optuna-popnas search examples/digits.toml --max-blocks 4
    """
    begin = time.monotonic()
    settings = read_source(source, flags)
    if hours is not None:
        settings, reasons = settings_for(settings, hours)
        for line in reasons:
            print(wrapped(line), file=sys.stderr)
    if slurm is not None:
        print(slurm_text(words, slurm, settings), end="")
        return 0
    if kubernetes is not None:
        print(kubernetes_text(words, kubernetes, settings), end="")
        return 0
    if as_worker:
        return _be_worker(settings)
    if check:
        print(dumps(full_settings(settings), indent=2), flush=True)
        study = find_study(settings)
        if study is None:
            print(wrapped(outlook_text(settings, *prepare(settings))), file=sys.stderr)
        else:
            check_setup(view_study(study), settings)
        return 0
    room = None
    if ray is not None:  # before anything is stored
        from optuna_popnas.cli.rays import join_cluster

        room = join_cluster(settings, None if ray == "any" else ray)
    study = find_study(settings)
    if study is None:
        prepared = prepare(settings)
        if hours is None:  # which has said it
            print(wrapped(outlook_text(settings, *prepared)), file=sys.stderr)
        print("Ctrl-C ends it and nothing is lost; the same command goes on.", file=sys.stderr)
        artifact_store(settings)
        study = open_study(settings)
    before = view_study(study)
    if not check_setup(before, settings) and before.done:
        print(wrapped(f"{summarize(before).sentence} Nothing is left to do."), file=sys.stderr)
        code = 0
    else:
        worker, ends = worker_command(words), None
        if settings.study.timeout is not None:  # what was done here was part of it
            ends = begin + settings.study.timeout
            worker += ["--timeout", f"{max(ends - time.monotonic(), 1.0):.0f}"]
        code = _keep(study, settings, worker, join=join, room=room, ends=ends)
    return finish(study, settings, code, as_json=json)


def read_source(source: str | None, flags: Values) -> SearchSettings:
    """Return the settings of a file and of flags, or of flags and the data that were named.

    Raises:
        ConfigError: A setting is wrong.
    """
    if source is None or source.endswith(".toml"):
        return read_settings(source, flags)
    return read_settings(None, merge({"data": {"source": source}}, flags))


def _be_worker(settings: SearchSettings) -> int:
    """Train cells until the search ends; returns the exit code."""
    obey_keeper()
    study = open_study(settings, patience=WORK)
    try:
        return work(study, settings)
    except TooManyFailures as error:
        print(f"optuna-popnas search: {error}", file=sys.stderr)
        return GAVE_UP


def _keep(
    study: optuna.Study,
    settings: SearchSettings,
    command: Sequence[str],
    *,
    join: bool,
    room: Room | None,
    ends: float | None,
) -> int:
    """Start the workers and watch over them; returns the exit code."""
    if room is not None:
        from optuna_popnas.cli.rays import watch_on_ray

        return watch_on_ray(study, settings, room)
    gpus = [] if settings.study.device == "cpu" else visible_gpus()
    workers = worker_count(settings)
    try:
        with nullcontext() if join else only_keeper(settings.storage, study.study_name):
            code = watch(study, command, workers, gpus, ends=ends)
    except AtWork as error:
        print(
            f"Workers are at work on this search here already (process {error.process}). This "
            "command shows how far they are; with --join it starts more.",
            file=sys.stderr,
        )
        return only_watch(study, error.process)
    if settings.study.dashboard:
        refresh_dashboard(study)
    return code


def worker_command(words: Sequence[str]) -> list[str]:
    """Return the command of one worker: this one, marked."""
    return [sys.executable, "-m", "optuna_popnas", "search", *words, "--as-worker"]


def slurm_text(argv: Sequence[str], workers: int, settings: SearchSettings) -> str:
    """Return the SLURM script of a search.

    Raises:
        ConfigError: There is no worker, or the storage is a file of this machine.
    """
    from optuna_popnas.cli.clusters import slurm_script

    if workers < 1:
        raise ConfigError(f"`--slurm` must be at least 1, but got {workers}.")
    if settings.storage.startswith("sqlite"):
        raise ConfigError(
            "Workers on several machines need a storage that all of them reach, but got "
            f"{settings.storage!r}. Use postgresql://... or a journal on a shared disk."
        )
    command = ["optuna-popnas", "search", *without(argv, "--slurm"), "--workers", "1"]
    cpu = settings.study.device == "cpu"
    return slurm_script(command, workers, name=settings.study_name, gpus=0 if cpu else 1)


def kubernetes_text(argv: Sequence[str], workers: int, settings: SearchSettings) -> str:
    """Return the Kubernetes Job of a search.

    Raises:
        ConfigError: There is no worker.
    """
    from optuna_popnas.cli.clusters import kubernetes_job

    if workers < 1:
        raise ConfigError(f"`--kubernetes` must be at least 1, but got {workers}.")
    words = without(without(argv, "--kubernetes"), "--storage")
    command = ["optuna-popnas", "search", *words, "--workers", "1"]
    cpu = settings.study.device == "cpu"
    return kubernetes_job(command, workers, name=settings.study_name, gpus=0 if cpu else 1)


def without(words: Sequence[str], flag: str) -> list[str]:
    """Return the words of a command without a flag and its value."""
    kept = [word for word in words if not word.startswith(f"{flag}=")]
    if flag in kept:
        at = kept.index(flag)
        del kept[at : at + 2]
    return kept


def finish(study: optuna.Study, settings: SearchSettings, code: int, *, as_json: bool) -> int:
    """Tell what was found; returns the exit code."""
    url = settings.storage
    view = patiently(lambda: view_study(study), url, LOOK)
    summary = summarize(view)
    time_is_up = code == 0 and not view.done and settings.study.timeout is not None
    if time_is_up:
        print("\nThe time is up; the same command goes on.", file=sys.stderr)
    if as_json:
        print(dumps(summary.to_json(), indent=2))
    elif summary.front:
        print(wrapped(f"{summary.trained}." if time_is_up else f"\n{summary.sentence}"))
        print(f"Pareto front, {len(summary.front)} cells that no other cell beats:\n")
        print(front_table(summary.front, view.metric_names))
        print(f"\n{CELL_LEGEND}\n")
        print(next_steps(settings, study))
    if code == 0 and not view.done and not time_is_up:
        print("The search has not ended; the same command goes on.", file=sys.stderr)
        return 1
    return code


def next_steps(settings: SearchSettings, study: optuna.Study) -> str:
    """Return the commands that come next, as they can be typed into this shell."""
    url, artifacts = settings.storage, settings.study.artifacts
    storage = open_storage(url)
    alone = len(study_names(storage, url)) == 1
    words = study_words(url, None if alone else study.study_name)
    rows = [
        ("The story as a page", command("report", *words)),
        ("Train a cell for good", command("retrain", *words)),
    ]
    if find_spec("optuna_dashboard") is not None:
        files = ["--artifact-dir", artifacts] if artifacts and settings.study.dashboard else []
        board = command(mask_password(url), *files, program="optuna-dashboard")
        rows.insert(0, ("See it in the browser", board))
    text = "\n".join(f"{what + ':':<23} {line}" for what, line in rows)
    hidden = "\n*** stands for the password." if "***" in text else ""
    return text + hidden
