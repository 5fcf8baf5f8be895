"""``optuna-popnas export``: a trained model as files that load without this package."""

from __future__ import annotations

from json import dumps
from json import loads
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING
import warnings

import numpy as np
import numpy.typing as npt

from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.retrain import DATA_FILE
from optuna_popnas.cli.shell import command


if TYPE_CHECKING:
    from optuna_popnas.training import ImageData
    from optuna_popnas.training import TrainedModel

SECTIONS = ("data",)


def run(
    model: str,
    /,
    *,
    output: str | None = None,
    formats: tuple[str, ...] | None = None,
    name: str = "model",
    check: bool = True,
    json: bool = False,
    flags: Values,
) -> int:
    """Write a trained model as safetensors with a card, torch.export program and ONNX file.

    Each file is read back and compared with PyTorch on images of the data set; where the data are
    not at hand, ``--no-check`` takes random ones.

    Args:
        model: The folder that retrain wrote.
        output: Where the files go; the model's folder if left out.
        formats: What to write: safetensors,pt2,onnx if left out.
        name: Name of the files.
        check: Compare on images of the data set; with ``--no-check``, on random ones.
        json: Print the files as JSON.

    Examples:
        optuna-popnas export model -o exported
    """
    from optuna_popnas.cli.work import load_data
    from optuna_popnas.training import export

    folder, trained = find_model(model)
    shape = (16, trained.network.in_channels, *trained.image_size)
    images: ImageData | npt.NDArray[np.uint8]
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    if check:
        images = load_data(data_settings(folder, trained, flags))
    try:
        with warnings.catch_warnings(record=True) as notes:
            written = export(trained, output or folder, images=images, formats=formats, name=name)
        print(*(f"{note.message}\n" for note in notes), sep="", end="", file=sys.stderr)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if json:
        values = {
            "files": {name: str(path) for name, path in written.files.items()},
            "checked_images": written.checked,
            "largest_difference": written.difference,
        }
        print(dumps(values, indent=2))
        return 0
    for form, path in written.files.items():
        gap = written.difference.get(form)
        note = "" if gap is None else f"  (differs from PyTorch by at most {gap:.1e})"
        print(f"{path}{note}")
    print(f"Checked on {written.checked} {'real' if check else 'random'} images.")
    return 0


def find_model(name: str, device: str | None = None) -> tuple[Path, TrainedModel]:
    """Return a trained model and its folder.

    Raises:
        ConfigError: There is none, or no such device.
    """
    source = Path(name)
    if not source.exists():
        raise ConfigError(
            f"There is no {name!r}. Train a model: {command('retrain')}, or name its folder."
        )
    from optuna_popnas.training import load_model
    from optuna_popnas.training.device import resolve_device

    try:
        model = load_model(source)
        if device is not None:
            model.network.to(resolve_device(device))
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return source if source.is_dir() else source.parent, model


def data_settings(folder: Path, model: TrainedModel, flags: Values) -> SearchSettings:
    """Return which images to check on: flags, what `retrain` noted, or the name of the data.

    Raises:
        ConfigError: A setting is wrong.
    """
    noted: dict[str, Any] = {}
    if (folder / DATA_FILE).exists():
        noted = loads((folder / DATA_FILE).read_text())
    values: dict[str, Any] = dict(noted.get("data", {}))
    values.setdefault("source", model.data["name"])
    if "source" in flags.get("data", {}):
        values = {}
    values |= flags.get("data", {})
    values["image_size"] = list(model.image_size)
    return SearchSettings(
        {"data": values, "study": {"seed": int(noted.get("seed", 0))}}, source=DATA_FILE
    )
