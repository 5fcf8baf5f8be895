"""``optuna-popnas predict``: what a trained model sees on images."""

from __future__ import annotations

from json import dumps
from pathlib import Path

import numpy as np

from optuna_popnas.cli.errors import ConfigError
from optuna_popnas.cli.export import find_model
from optuna_popnas.cli.text import table


_AT_ONCE = 256


def run(
    images: tuple[str, ...],
    /,
    *,
    model: str = "model",
    top: int = 1,
    device: str | None = None,
    json: bool = False,
) -> int:
    """Say which class each image is of, and how sure the model is.

    Args:
        images: Image files, or folders of them.
        model: The folder that retrain wrote.
        top: The most likely so many classes of each image.
        device: Such as cpu or cuda; the fastest one if left out.

    Examples:
        optuna-popnas predict cat.jpg dog.jpg --model model
    """
    from optuna_popnas.training.data.files import image_files

    if top < 1:
        raise ConfigError(f"`top` must be at least 1, but got {top}.")
    _, trained = find_model(model, device)
    files = _files(images)
    try:
        source = image_files(files, trained.network.in_channels, trained.image_size)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    rows = []
    for start in range(0, len(files), _AT_ONCE):
        places = range(start, min(start + _AT_ONCE, len(files)))
        logits = trained.predict(np.stack([source.read(place) for place in places]))
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        odds /= odds.sum(axis=1, keepdims=True)
        for place, row in zip(places, odds, strict=True):
            best = np.argsort(-row)[:top]
            likely = [(trained.class_names[k], float(row[k])) for k in best]
            rows.append((str(files[place]), likely))
    if json:
        print(dumps([{"image": name, "classes": dict(likely)} for name, likely in rows], indent=2))
        return 0
    words = [(name, ", ".join(f"{k} {p:.1%}" for k, p in likely)) for name, likely in rows]
    print(table(("image", "class"), words))
    return 0


def _files(names: tuple[str, ...]) -> list[Path]:
    """Return the files, and the images in the folders, in order.

    Raises:
        ConfigError: There is no such file, or no image in a folder.
    """
    from optuna_popnas.training.data.files import extensions

    files: list[Path] = []
    for name in names:
        path = Path(name)
        if not path.exists():
            raise ConfigError(f"There is no {name!r}.")
        inside = [path]
        if path.is_dir():
            inside = sorted(p for p in path.rglob("*") if p.suffix.lower() in extensions())
        if not inside:
            raise ConfigError(f"There is no image in {name!r}.")
        files += inside
    return files
