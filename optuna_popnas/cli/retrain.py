"""``optuna-popnas retrain``: train a cell of a study to convergence."""

from __future__ import annotations

import argparse
from dataclasses import replace
import json
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING

from optuna_popnas.cli.config import flag_values
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.draw import find_cell
from optuna_popnas.cli.options import ConfigError
from optuna_popnas.cli.schema import add_section_options
from optuna_popnas.cli.storages import add_study_arguments
from optuna_popnas.cli.storages import load_study
from optuna_popnas.space import Cell


if TYPE_CHECKING:
    import optuna

    from optuna_popnas.training import TrainedModel


#: Where a model's folder says which data it was trained on.
DATA_FILE = "data.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.usage = "optuna-popnas retrain [OPTION ...]"
    parser.description = (
        "Train a cell to convergence (Sec. 6.3: 254 epochs, T0 = 2) and test it. Data and network "
        "are those of the study where no flag says otherwise. The same command goes on after an "
        "interruption."
    )
    add_study_arguments(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "--select",
        default="knee",
        metavar="RULE",
        help="knee (best bargain), accuracy or fastest [knee]",
    )
    which.add_argument("--trial", metavar="NUMBER", help="the cell of this trial")
    which.add_argument("--cell", metavar="CELL", help="this cell; needs no study, but --data")
    parser.add_argument(
        "--limits",
        metavar="NAME=X,...",
        help="select among trials within limits, such as parameters=1e6,seconds=30",
    )
    parser.add_argument(
        "--parameters",
        metavar="LOW,HIGH",
        help="choose filters and normal cells so that the network has so many parameters",
    )
    parser.add_argument("-o", "--output", default="model", metavar="FOLDER", help="[model]")
    parser.add_argument("--all-images", action="store_true", help="train on validation images too")
    parser.add_argument(
        "--restart", action="store_true", help="begin again, whatever checkpoint is in the folder"
    )
    parser.add_argument("--device", metavar="TEXT", help="such as cpu or cuda [the fastest one]")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="[0]")
    parser.add_argument("--json", action="store_true", help="print the model's card as JSON")
    add_section_options(parser, ("data", "network", "training"))


def run(arguments: argparse.Namespace) -> int:
    """Train; returns the exit code."""
    study = None
    if arguments.cell is None:
        study = load_study(arguments.storage, arguments.study)
    cell = choose_cell(study, arguments)
    settings = final_settings(study, arguments)

    from optuna_popnas.cli.work import load_data
    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.training import retrain
    from optuna_popnas.training.retraining import FINAL_TRAINING

    training = settings.build("training", lambda **values: replace(FINAL_TRAINING, **values))
    data = load_data(settings)
    bar = _Bar(training.epochs)
    try:
        model = retrain(
            cell,
            data,
            network=settings.build("network", NetworkConfig),
            training=training,
            parameters=_range(arguments.parameters),
            folder=arguments.output,
            resume=not arguments.restart,
            seed=arguments.seed,
            device=arguments.device,
            all_images=arguments.all_images,
            on_epoch=bar.update,
        )
    finally:
        bar.close()
    # What `export` checks its files on, later and perhaps elsewhere.
    source = {"data": settings.to_json().get("data", {}), "seed": settings.study.seed}
    (Path(arguments.output) / DATA_FILE).write_text(json.dumps(source, indent=2) + "\n")
    print(json.dumps(model.card(), indent=2) if arguments.json else describe(model))
    if not arguments.json:
        print(f"Written to {arguments.output}. Export it: optuna-popnas export {arguments.output}")
    return 0


def choose_cell(study: optuna.Study | None, arguments: argparse.Namespace) -> Cell:
    """Return the cell that the arguments name.

    Raises:
        ConfigError: There is none.
    """
    if study is None:
        try:
            return Cell.parse(arguments.cell)
        except ValueError as error:
            raise ConfigError(str(error)) from None
    if arguments.trial is not None:
        return find_cell(study, arguments.trial)
    from optuna_popnas.study import select

    try:
        chosen = select(study, arguments.select, limits=_limits(arguments.limits))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if chosen.cell is None:
        raise ConfigError(f"Trial {chosen.number} has no cell.")
    seconds = "" if chosen.seconds is None else f", {chosen.seconds:.3g} s"
    print(
        f"Trial {chosen.number}: accuracy {chosen.accuracy:.4f}{seconds}: {chosen.cell}",
        file=sys.stderr,
    )
    return chosen.cell


def final_settings(study: optuna.Study | None, arguments: argparse.Namespace) -> SearchSettings:
    """Return data and network of the study, under the flags; trainings begin from Sec. 6.3."""
    stored: dict[str, Any] = {} if study is None else dict(study.user_attrs.get("settings", {}))
    values: dict[str, dict[str, Any]] = {
        section: dict(stored.get(section, {})) for section in ("data", "network")
    }
    values["study"] = {"seed": int(stored.get("seed", arguments.seed))}
    for section, table in flag_values(arguments).items():
        if section == "data" and "source" in table:
            values["data"] = {}
        values.setdefault(section, {}).update(table)
    if "source" not in values["data"]:
        raise ConfigError(
            "The study does not say which data it used. Name them: --data NAME or FOLDER."
        )
    return SearchSettings(values, source="the command line")


def describe(model: TrainedModel) -> str:
    """Return what came of a training in plain words."""
    card = model.card()
    lines = [f"Cell {card['cell']}", f"{card.get('parameters', 0):,} parameters"]
    for key, words in (
        ("validation_accuracy", "validation accuracy"),
        ("test_accuracy", "test accuracy"),
        ("train_seconds", "seconds of training"),
    ):
        value = model.figures.get(key)
        if value is not None:
            lines.append(f"{words}: {value:.4f}" if "accuracy" in key else f"{words}: {value:.1f}")
    return "\n".join(lines)


class _Bar:
    """One line of progress; silent where the output is no terminal."""

    def __init__(self, epochs: int) -> None:
        from tqdm import tqdm

        self._bar: Any = tqdm(total=epochs, disable=None, unit="epoch", file=sys.stderr)

    def update(self, epoch: Any) -> None:
        self._bar.n = epoch.epoch
        self._bar.set_postfix_str(
            f"loss {epoch.loss:.4f}" + ("" if epoch.best is None else f", best {epoch.best:.4f}")
        )

    def close(self) -> None:
        self._bar.close()


def _limits(text: str | None) -> dict[str, float] | None:
    if text is None:
        return None
    try:
        pairs = [item.split("=") for item in text.split(",")]
        return {name.strip(): float(value) for name, value in pairs}
    except ValueError:
        raise ConfigError(
            f"`--limits` must be pairs like parameters=1e6,seconds=30, but got {text!r}."
        ) from None


def _range(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    try:
        low, high = (int(float(part)) for part in text.split(","))
    except ValueError:
        raise ConfigError(
            f"`--parameters` must be two numbers like 400000,600000, but got {text!r}."
        ) from None
    return low, high
