"""``optuna-popnas evaluate``: a trained model on images that it has not seen."""

from __future__ import annotations

from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING

from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.export import data_settings
from optuna_popnas.cli.export import find_model
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.text import table
from optuna_popnas.cli.text import terminal_width


if TYPE_CHECKING:
    from optuna_popnas.training.evaluation import Evaluation

SECTIONS = ("data",)
COMMON = ("data.root",)
DEFAULTS = {"data": "those it was trained on"}
_MOST_CLASSES = 12  # whose confusion fits a terminal


def run(
    data: str | None = None,
    /,
    *,
    model: str = "model",
    device: str | None = None,
    json: bool = False,
    flags: Values,
) -> int:
    """Test a trained model: accuracy, top 5, confusion.

    On the test set of the data, or on all their images if they have none.

    Args:
        data: A folder with one folder per class, or the name of a data set; the test set of the
            data it was trained on if left out.
        model: The folder that retrain wrote.
        device: Such as cpu or cuda; the fastest one if left out.

    Examples:
        optuna-popnas evaluate new-photos/ --model model
    """
    if data is not None and (Path(data) / "model.json").exists():
        model, data = data, None  # the model's own folder was named
    from optuna_popnas.cli.work import load_data
    from optuna_popnas.training.evaluation import evaluate

    folder, trained = find_model(model, device)
    if data is not None:
        flags = {"data": {**flags.get("data", {}), "source": data}}
    images = load_data(data_settings(folder, trained, flags))
    if images.test_images is None and data is None:
        raise ConfigError(
            "The data that the model was trained on have no test set, and on the images that it "
            "has seen it would look too good. Name images that it has not seen."
        )
    try:
        found = evaluate(trained, images)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if json:
        values = {**found._asdict(), "confusion": found.confusion.tolist()}
        print(dumps(values, indent=2))
    else:
        print(evaluation_text(found))
    return 0


def evaluation_text(found: Evaluation) -> str:
    """Return what a model got right, in words and as a table that fits the terminal."""
    width = terminal_width()
    lines = [f"accuracy {found.accuracy:.4f} +- {found.deviation:.4f} on {found.images:,} images"]
    if found.top5 is not None:
        lines.append(f"among the five most likely {found.top5:.4f}")
    lines.append(f"macro F1 {found.macro_f1:.4f}")
    names, confusion = found.class_names, found.confusion
    if len(names) <= _MOST_CLASSES:
        heads, words = [name[:10] for name in names], [*names]
        if max(map(len, (*words, "true / found"))) + sum(len(h) + 2 for h in heads) >= width:
            heads = [str(number) for number in range(len(names))]
            words = [f"{number} {name}" for number, name in enumerate(names)]
        rows = [(name, *map(str, row), "") for name, row in zip(words, confusion.tolist())]
        return "\n".join([*lines, "", table(("true / found", *heads, ""), rows)])
    wrong = [
        (int(confusion[i, j]), names[i], names[j])
        for i in range(len(names))
        for j in range(len(names))
        if i != j and confusion[i, j]
    ]
    worst = sorted(wrong, reverse=True)[:10]
    return "\n".join([*lines, "", *(f"{count} of {a} taken for {b}" for count, a, b in worst)])
