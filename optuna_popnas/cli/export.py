"""``optuna-popnas export``: a trained model as files that load without this package."""

from __future__ import annotations

from json import dumps
from json import loads
from pathlib import Path
from typing import Any, TYPE_CHECKING

from optuna_popnas.cli.config import SearchSettings
from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.flags import Values
from optuna_popnas.cli.retrain import DATA_FILE


if TYPE_CHECKING:
    from optuna_popnas.training import TrainedModel

SECTIONS = ("data",)


def run(
    model: str,
    /,
    *,
    output: str | None = None,
    formats: tuple[str, ...] = ("safetensors", "pt2", "onnx"),
    name: str = "model",
    json: bool = False,
    flags: Values,
) -> int:
    """Write a trained model as safetensors with a card, torch.export program and ONNX file.

    Each file is read back and compared with PyTorch on real images.

    Args:
        model: The folder that retrain wrote.
        output: Where the files go; the model's folder if left out.
        formats: What to write.
        name: Name of the files.
        json: Print the files as JSON.

    Examples:
        optuna-popnas export model -o exported
    """
    source = Path(model)
    if not source.exists():
        raise ConfigError(f"There is no {str(source)!r}. Train a model: optuna-popnas retrain.")
    from optuna_popnas.cli.work import load_data
    from optuna_popnas.training import export
    from optuna_popnas.training import load_model

    folder = source if source.is_dir() else source.parent
    try:
        trained = load_model(source)
        written = export(
            trained,
            output or folder,
            images=load_data(data_settings(folder, trained, flags)),
            formats=formats,
            name=name,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if json:
        facts = {
            "files": {name: str(path) for name, path in written.files.items()},
            "checked_images": written.checked,
            "largest_difference": written.difference,
        }
        print(dumps(facts, indent=2))
        return 0
    for form, path in written.files.items():
        gap = written.difference.get(form)
        note = "" if gap is None else f"  (differs from PyTorch by at most {gap:.1e})"
        print(f"{path}{note}")
    print(f"Checked on {written.checked} real images.")
    return 0


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
