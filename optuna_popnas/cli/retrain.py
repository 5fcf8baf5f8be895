"""``optuna-popnas retrain``: train a cell of a study to convergence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from json import dumps
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING

from optuna_popnas.cli.config import merge
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.draw import find_cell
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.shell import command
from optuna_popnas.cli.storages import load_study
from optuna_popnas.space import Cell


if TYPE_CHECKING:
    import optuna

    from optuna_popnas.study.tables import TextTable
    from optuna_popnas.training import ImageData
    from optuna_popnas.training import TrainedModel


#: Where a model's folder says which data it was trained on.
DATA_FILE = "data.json"
SECTIONS = ("data", "network", "training", "machine")
COMMON = ("data.source", "training.epochs")
DEFAULTS = {
    "data": "the study's",
    "network": "the study's",
    "training.epochs": "254",
    "training.restart_epochs": "2",
    "training": "the study's",
    "machine.threads": "1 or all cores, the faster",
}


def run(
    *,
    select: str = "accuracy",
    trial: int | None = None,
    cell: str | None = None,
    limits: dict[str, float] | None = None,
    parameters: tuple[int, int] | None = None,
    candidates: int = 1,
    top: int = 1,
    hours: float | None = None,
    output: str = "model",
    all_images: bool = False,
    restart: bool = False,
    device: str | None = None,
    seed: int = 0,
    json: bool = False,
    storage: str | None = None,
    study: str | None = None,
    flags: Values,
) -> int:
    """Train a cell of a study to convergence (Sec. 6.3: 254 epochs, T0 = 2) and test it.

    Data, network and training are those of the study where no flag says otherwise; only epochs
    and the first cosine period are others. The same command goes on after an interruption.

    Args:
        select: Which cell: accuracy (the best), knee (the best bargain) or fastest.
        trial: The cell of the trial with this number.
        cell: This cell; needs no study, but ``--data``.
        limits: Select among trials within limits, such as parameters=1e6,seconds=30.
        parameters: Choose filters and normal cells so that the network has LOW,HIGH parameters.
        candidates: Train so many of the study's most accurate cells briefly, and the best one to
            the end.
        top: Train so many of the study's most accurate cells to the end, each into a folder of
            its own, and print the thesis's Table 6.5 of them.
        hours: Take the most epochs that this time allows, estimated from a few steps; what was
            begun in the folder keeps its epochs.
        output: Folder of the model.
        all_images: Train on validation images too.
        restart: Begin again, whatever checkpoint is in the folder.
        device: Such as cpu or cuda; the fastest one if left out.
        seed: Seed of the training.
        json: Print the model's card as JSON.

    Examples:
        optuna-popnas retrain -o model
        optuna-popnas retrain --trial 312 --epochs 62 -o model
        optuna-popnas retrain --candidates 5 --hours 2
    """
    for name, number in (("candidates", candidates), ("top", top)):
        if number < 1:
            raise ConfigError(f"`--{name}` must be at least 1, but got {number}.")
    if top > 1 and candidates > 1:
        raise ConfigError("`--top` and `--candidates` must not both be given. Choose one.")
    found = load_study(storage, study) if cell is None else None
    chosen = choose_cell(found, select=select, trial=trial, cell=cell, limits=limits)
    settings = final_settings(found, flags, seed=seed)

    from optuna_popnas.cli.work import load_data
    from optuna_popnas.objective.final import candidate_cells
    from optuna_popnas.training.candidates import affordable_epochs

    count = max(top, candidates)
    cells = [chosen] if found is None else candidate_cells(found, chosen, count)
    data = load_data(settings)
    options = {**_built(settings), "device": device}
    if hours is not None:
        folder = None if restart else Path(output, "top1") if top > 1 else output
        try:
            epochs = affordable_epochs(
                chosen, data, hours / top, candidates=candidates, folder=folder, **options
            )
        except ValueError as error:
            raise ConfigError(str(error)) from None
        options["training"] = replace(options["training"], epochs=epochs)
    print(f"Training: {options['training'].describe()}", file=sys.stderr)
    options |= {"seed": seed, "parameters": parameters, "all_images": all_images}
    options["resume"] = not restart
    # What `export` checks its files on, later and perhaps elsewhere.
    source = {"data": settings.to_json().get("data", {}), "seed": settings.study.seed}
    if top == 1:
        models = [_train(cells, data, Path(output), source, options)]
    else:
        models = [
            _train([one], data, Path(output) / f"top{rank}", source, options)
            for rank, one in enumerate(cells, start=1)
        ]
    if json:
        cards = [model.card() for model in models]
        print(dumps(cards[0] if top == 1 else cards, indent=2))
    elif top > 1:
        print(final_table(models).to_markdown())
    else:
        print(describe(models[0]))
        print(f"Written to {output}. Export it: {command('export', output)}")
    return 0


def _built(settings: SearchSettings) -> dict[str, Any]:
    """Return what the network is, how it is trained, and with what."""
    from optuna_popnas.networks import NetworkConfig
    from optuna_popnas.training import MachineConfig
    from optuna_popnas.training import TrainingConfig

    return {
        "network": settings.build("network", NetworkConfig),
        "training": settings.build("training", TrainingConfig),
        "machine": settings.build("machine", partial(MachineConfig, threads=None)),
    }


def _train(
    cells: Sequence[Cell],
    data: ImageData,
    folder: Path,
    source: Mapping[str, Any],
    options: Mapping[str, Any],
) -> TrainedModel:
    """Train the best of some cells under a bar of progress."""
    from optuna_popnas.objective.progress import Bar
    from optuna_popnas.training.candidates import brief_epochs
    from optuna_popnas.training.candidates import retrain_best

    epochs, brief = options["training"].epochs, brief_epochs(options["training"])
    others = len(cells) - 1
    if others:
        print(
            f"It and {others} other{'s' if others > 1 else ''} are trained for {brief} epochs; "
            f"the best of them goes on to {epochs}.",
            file=sys.stderr,
        )
    bar = Bar(epochs, brief, candidates=len(cells))
    try:
        model = retrain_best(cells, data, folder=folder, on_epoch=bar.update, **options)
    finally:
        bar.close()
    (folder / DATA_FILE).write_text(dumps(source, indent=2) + "\n")
    return model


def final_table(models: Sequence[TrainedModel]) -> TextTable:
    """Return the thesis's Table 6.5 of final trainings, the first cell of the search first."""
    from optuna_popnas.study.tables import TextTable

    rows = []
    for rank, model in enumerate(models, start=1):
        card, figures = model.card(), model.figures
        measured = figures.get("test_accuracy", figures.get("validation_accuracy"))
        rows.append(
            [
                str(rank),
                str(len(model.cell)),
                f"{card['parameters']:,}",
                "-" if measured is None else f"{measured:.4f}",
                f"{figures['train_seconds']:.1f}",
                str(model.cell),
            ]
        )
    head = ("rank", "blocks", "parameters", "accuracy", "seconds", "cell")
    tested = all("test_accuracy" in model.figures for model in models)
    note = f"Accuracy on {'test' if tested else 'validation'} images."
    return TextTable("Table 6.5: the best cells, trained to convergence", head, rows, note)


def choose_cell(
    study: optuna.Study | None,
    *,
    select: str,
    trial: int | None,
    cell: str | None,
    limits: dict[str, float] | None,
) -> Cell:
    """Return the cell that the arguments name.

    Raises:
        ConfigError: There is none, or it is named twice.
    """
    if trial is not None and cell is not None:
        raise ConfigError("`--trial` and `--cell` must not both be given. Choose one.")
    if study is None:
        try:
            return Cell.parse(cell or "")
        except ValueError as error:
            raise ConfigError(str(error)) from None
    if trial is not None:
        return find_cell(study, str(trial))
    from optuna_popnas.study import select as select_trial
    from optuna_popnas.study import view_study
    from optuna_popnas.study.selection import trade

    try:
        chosen = select_trial(study, select, limits=limits)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if chosen.cell is None:
        raise ConfigError(f"Trial {chosen.number} has no cell.")
    seconds = "" if chosen.seconds is None else f", {chosen.seconds:.3g} s"
    view = view_study(study)
    best, highest = select_trial(view), view.front[0]
    words = "" if chosen == best else f" ({trade(view, chosen, best)} than trial {best.number})"
    if chosen == best and limits is None and (highest.accuracy or 0.0) > (best.accuracy or 0.0):
        words = f" (more is to be expected of it than of trial {highest.number}, "
        words += f"whose one training had {highest.accuracy:.4f})"
    print(
        f"Trial {chosen.number}: accuracy {chosen.accuracy:.4f}{seconds}{words}: {chosen.cell}",
        file=sys.stderr,
    )
    return chosen.cell


def final_settings(study: optuna.Study | None, flags: Values, *, seed: int) -> SearchSettings:
    """Return the settings of the study, with E and T0 of Sec. 6.3, under the flags."""
    from optuna_popnas.training import TrainingConfig
    from optuna_popnas.training.retraining import final_training

    stored: dict[str, Any] = {} if study is None else dict(study.user_attrs.get("settings", {}))
    values: Values = {section: dict(stored.get(section, {})) for section in ("data", "network")}
    if "source" in flags.get("data", {}):
        values["data"] = {}
    searched = TrainingConfig.from_dict(stored.get("training", {}))
    values["training"] = final_training(searched).to_dict()
    values = merge(values, flags)
    values["study"] = {"seed": int(stored.get("seed", seed))}
    if "source" not in values["data"]:
        raise ConfigError(
            "The study does not say which data it used. Name them: --data NAME or FOLDER."
        )
    return SearchSettings(values, source="the command line")


def describe(model: TrainedModel) -> str:
    """Return what came of a training in plain words."""
    card = model.card()
    lines = [
        f"candidate: {row['accuracy']:.4f} {row['cell']}"
        for row in model.figures.get("candidates", ())
    ]
    lines += [f"Cell {card['cell']}", f"{card.get('parameters', 0):,} parameters"]
    for key, words in (
        ("validation_accuracy", "validation accuracy"),
        ("test_accuracy", "test accuracy"),
        ("train_seconds", "seconds of training"),
    ):
        value = model.figures.get(key)
        if value is not None:
            lines.append(f"{words}: {value:.4f}" if "accuracy" in key else f"{words}: {value:.1f}")
    return "\n".join(lines)
