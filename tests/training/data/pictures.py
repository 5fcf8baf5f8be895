"""Small image files for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def put(path: Path, array: Any = None, **options: Any) -> Path:
    """Write an image file, of random colours if no array is given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if array is None:
        rng = np.random.default_rng(abs(hash(path.name)) % 1000)
        array = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
    Image.fromarray(array).save(path, **options)
    return path


def fill(folder: Path, classes: str = "ab", count: int = 4, ending: str = ".png") -> Path:
    """Write ``count`` images per class, whose names are single letters."""
    for name in classes:
        for index in range(count):
            put(folder / name / f"{index}{ending}")
    return folder
