"""``optuna-popnas search``: search cells on a data set, with any number of workers."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
from json import loads
import signal
import sys
from typing import Any, TYPE_CHECKING

from optuna_popnas.cli.config import planned_limits
from optuna_popnas.cli.config import read_settings
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.storages import mask_password
from optuna_popnas.cli.storages import open_storage
from optuna_popnas.cli.storages import quiet_optuna


if TYPE_CHECKING:
    import optuna

    from optuna_popnas.study import StudyView

# Settings that may differ between machines and runs of one study: they change no result.
_MACHINE = {
    "data": ("root", "memory_limit"),
}


SECTIONS = (
    "study", "data", "space", "search", "network", "training", "machine", "lstm", "catboost"
)  # fmt: skip
COMMON = (
    "study.storage", "study.name", "study.workers", "data.source", "data.image_size",
    "space.operators", "space.max_blocks", "search.max_children", "network.filters",
    "training.epochs",
)  # fmt: skip
HIDDEN = ("as_worker",)


def run(
    config: str | None = None,
    /,
    *,
    check: bool = False,
    slurm: int | None = None,
    json: bool = False,
    as_worker: bool = False,
    flags: Values,
) -> int:
    """Search cells on a data set.

    Settings come from a TOML file and from flags, which win. The same command resumes a search
    that was interrupted; on another machine, with the same storage, it joins.

    Args:
        config: Settings, a TOML file.
        check: Check the settings, print them, and end.
        slurm: Print a SLURM array script of so many workers with this command, and end.
        json: Print the result as JSON.
        as_worker: Be a worker of a search.

    Examples:
        optuna-popnas search examples/digits.toml
        optuna-popnas search --data photos/ --image-size 32 --max-blocks 3 --epochs 9
    """
    settings = read_settings(config, flags)
    if check:
        print(dumps(full_settings(settings), indent=2))
        return 0
    if slurm is not None:
        print(slurm_text(sys.argv[1:], slurm, settings), end="")
        return 0
    study = open_study(settings)
    if as_worker:
        from optuna_popnas.cli.work import TooManyFailures
        from optuna_popnas.cli.work import work

        # Shells start background jobs with this signal ignored; it is how workers are ended.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return work(study, settings)
        except TooManyFailures as error:
            # As hopeless as a wrong setting: it must not be started again.
            raise ConfigError(str(error)) from None
    from optuna_popnas.cli.progress import watch
    from optuna_popnas.cli.work import refresh_dashboard
    from optuna_popnas.study import summarize
    from optuna_popnas.study import view_study

    before = view_study(study)
    check_setup(before, settings)
    if before.done:
        print(f"{summarize(before).sentence} Nothing is left to do.", file=sys.stderr)
        code = 0
    else:
        code = watch(study, worker_command(sys.argv[1:]), settings.study.workers)
        if settings.study.dashboard:
            refresh_dashboard(study, settings.study.artifacts)
    return finish(study, settings, code, as_json=json)


def worker_command(argv: Sequence[str]) -> list[str]:
    """Return the command of one worker: this one, marked."""
    return [sys.executable, "-m", "optuna_popnas", *argv, "--as-worker"]


def slurm_text(argv: Sequence[str], workers: int, settings: SearchSettings) -> str:
    """Return the SLURM script of a search.

    Raises:
        ConfigError: There is no worker, or the storage is a file of this machine.
    """
    from optuna_popnas.cli.launch import slurm_script

    if workers < 1:
        raise ConfigError(f"`--slurm` must be at least 1, but got {workers}.")
    if settings.study.storage.startswith("sqlite"):
        raise ConfigError(
            "Workers on several machines need a storage that all of them reach, but got "
            f"{settings.study.storage!r}. Use postgresql://... or a journal on a shared disk."
        )
    words = [word for word in argv if not word.startswith("--slurm=")]
    if "--slurm" in words:
        at = words.index("--slurm")
        del words[at : at + 2]
    command = ["optuna-popnas", *words, "--workers", "1"]
    cpu = settings.study.device == "cpu"
    return slurm_script(command, workers, name=settings.study_name, gpus=0 if cpu else 1)


def open_study(settings: SearchSettings) -> optuna.Study:
    """Create or load the study and keep the settings on it.

    Raises:
        ConfigError: The study was begun with other settings; the text names the difference.
    """
    import optuna

    extra = settings.values["search"].get("objectives", ())
    directions: list[Any] = ["maximize", "minimize", *("minimize" for _ in extra)]
    storage = open_storage(settings.study.storage)
    with quiet_optuna():
        try:
            study = optuna.create_study(
                study_name=settings.study_name,
                storage=storage,
                directions=directions,
                load_if_exists=True,
            )
        except Exception as error:
            where = mask_password(settings.study.storage)
            raise ConfigError(f"The study cannot be opened in {where!r}: {error}") from None
    if [direction.name.lower() for direction in study.directions] != directions:
        raise ConfigError(
            f"The study {study.study_name!r} has {len(study.directions)} objectives, but these "
            f"settings have {len(directions)}. Use another name: --study."
        )
    ours = full_settings(settings)
    theirs = study.user_attrs.get("settings")
    if theirs is None:
        study.set_user_attr("settings", ours)
    else:
        check_same(study.study_name, theirs, ours)
    return study


def full_settings(settings: SearchSettings) -> dict[str, Any]:
    """Return what the trainings of a study have in common, defaults included, as JSON values."""
    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.training import TrainingConfig

    values: dict[str, Any] = {
        "data": {"source": settings.data_source, **settings.to_json().get("data", {})},
        "network": settings.build("network", NetworkConfig).to_dict(),
        "training": settings.build("training", TrainingConfig).to_dict(),
        "seed": settings.study.seed,
    }
    for section in ("space", "search", "lstm", "catboost"):
        if section in settings.to_json():
            values[section] = settings.to_json()[section]
    plain: dict[str, Any] = loads(dumps(values))
    return plain


def check_same(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Raise ConfigError if trainings with these settings must not be mixed.

    Space and search settings are checked by the sampler, against those that it stored.
    """
    from optuna_popnas.training import TrainingConfig

    # What older versions stored beside or without today's settings.
    trained = TrainingConfig.from_dict(theirs.get("training", {})).to_dict()
    theirs = {**theirs, "training": trained}
    for section in ("data", "network", "training"):
        old, new = theirs.get(section, {}), ours.get(section, {})
        for key in sorted(set(old) | set(new)):
            if key in _MACHINE.get(section, ()):
                continue
            if old.get(key) != new.get(key):
                raise ConfigError(
                    f"`{section}.{key}` must be {old.get(key)!r}, with which the study {name!r} "
                    f"was begun, but got {new.get(key)!r}. Use the value of the study, or another "
                    "study: --study."
                )
    if theirs.get("seed") != ours.get("seed"):
        raise ConfigError(
            f"`study.seed` must be {theirs.get('seed')}, with which the study {name!r} was begun, "
            f"but got {ours.get('seed')}. Use the value of the study, or another study: --study."
        )


def check_setup(view: StudyView, settings: SearchSettings) -> None:
    """Raise ConfigError if the study was begun with another space or other search settings.

    Workers check it, too; here it is told once, and also of a search that has ended.
    """
    from optuna_popnas.sampler.setup import setup_problem
    from optuna_popnas.sampler.stored_plans import Setup
    from optuna_popnas.space import SearchSpace

    if view.stored_space is None:
        return
    given = settings.to_json().get("search", {})
    given |= planned_limits(given)
    ours = {name: value for name, value in given.items() if name in view.settings}
    for name in ("accuracy_predictor", "time_predictor"):
        ours.pop(name, None)  # stored by the name of their class
    space = settings.build("space", SearchSpace)
    problem = setup_problem(Setup(view.stored_space, view.settings), space, ours)
    if problem is not None:
        raise ConfigError(problem)


def finish(study: optuna.Study, settings: SearchSettings, code: int, *, as_json: bool) -> int:
    """Tell what was found; returns the exit code."""
    from optuna_popnas.cli.text import CELL_LEGEND
    from optuna_popnas.cli.text import front_table
    from optuna_popnas.study import summarize
    from optuna_popnas.study import view_study

    view = view_study(study)
    summary = summarize(view)
    if as_json:
        print(dumps(summary.to_json(), indent=2))
    elif summary.front:
        where = mask_password(settings.study.storage)
        artifacts = settings.study.artifacts
        files = f" --artifact-dir {artifacts}" if artifacts else ""
        print(f"\n{summary.sentence}")
        print(f"Pareto front, {len(summary.front)} cells that no other cell beats:\n")
        print(front_table(summary.front, view.metric_names))
        print(f"\n{CELL_LEGEND}\n")
        print(f"See it in the browser:  optuna-dashboard {where}{files}")
        print(f"The story as a page:    optuna-popnas report --storage {where}")
        print(f"Train a cell for good:  optuna-popnas retrain --storage {where}")
    if code == 0 and not view.done:
        if settings.study.timeout is None:
            print("The search has not ended; the same command goes on.", file=sys.stderr)
            return 1
        print("The time is up; the same command goes on.", file=sys.stderr)
    return code
