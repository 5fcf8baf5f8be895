"""``optuna-popnas export``: a trained model as files that load without this package."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any, TYPE_CHECKING

from optuna_popnas.cli.config import flag_values
from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.options import ConfigError
from optuna_popnas.cli.retrain import DATA_FILE
from optuna_popnas.cli.schema import add_section_options


if TYPE_CHECKING:
    from optuna_popnas.training import TrainedModel


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.description = (
        "Write a trained model as safetensors with a card, as torch.export program and as ONNX "
        "file. Each file is read back and compared with PyTorch on real images."
    )
    parser.add_argument("model", metavar="MODEL", help="the folder that retrain wrote")
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="where the files go [the model's folder]"
    )
    parser.add_argument(
        "--formats",
        default="safetensors,pt2,onnx",
        metavar="A,B,...",
        help="[safetensors,pt2,onnx]",
    )
    parser.add_argument("--name", default="model", help="name of the files [model]")
    parser.add_argument("--json", action="store_true", help="print the files as JSON")
    add_section_options(parser, ("data",))


def run(arguments: argparse.Namespace) -> int:
    """Export; returns the exit code."""
    source = Path(arguments.model)
    if not source.exists():
        raise ConfigError(f"There is no {str(source)!r}. Train a model: optuna-popnas retrain.")
    from optuna_popnas.cli.work import load_data
    from optuna_popnas.training import export
    from optuna_popnas.training import load_model

    folder = source if source.is_dir() else source.parent
    formats = [part.strip() for part in arguments.formats.split(",") if part.strip()]
    try:
        model = load_model(source)
        written = export(
            model,
            arguments.output or folder,
            images=load_data(data_settings(folder, model, arguments)),
            formats=formats,
            name=arguments.name,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if arguments.json:
        facts = {
            "files": {name: str(path) for name, path in written.files.items()},
            "checked_images": written.checked,
            "largest_difference": written.difference,
        }
        print(json.dumps(facts, indent=2))
        return 0
    for name, path in written.files.items():
        gap = written.difference.get(name)
        note = "" if gap is None else f"  (differs from PyTorch by at most {gap:.1e})"
        print(f"{path}{note}")
    print(f"Checked on {written.checked} real images.")
    return 0


def data_settings(
    folder: Path, model: TrainedModel, arguments: argparse.Namespace
) -> SearchSettings:
    """Return which images to check on: flags, what `retrain` noted, or the name of the data.

    Raises:
        ConfigError: A setting is wrong.
    """
    noted: dict[str, Any] = {}
    if (folder / DATA_FILE).exists():
        noted = json.loads((folder / DATA_FILE).read_text())
    values: dict[str, Any] = dict(noted.get("data", {}))
    values.setdefault("source", model.data["name"])
    flags = flag_values(arguments).get("data", {})
    if "source" in flags:
        values = {}
    values |= flags
    values["image_size"] = list(model.image_size)
    return SearchSettings(
        {"data": values, "study": {"seed": int(noted.get("seed", 0))}}, source=DATA_FILE
    )
