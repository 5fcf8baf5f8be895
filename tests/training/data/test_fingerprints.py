"""Data are known by what they are, wherever they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from optuna_popnas.training.data.image_data import difference
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.load import load_dataset
from tests.training.data.pictures import fill
from tests.training.data.pictures import put
from tests.training.data.test_torch_datasets import Named


LABELS = np.arange(40) % 2


def test_data_are_known_by_content(tmp_path: Path) -> None:
    """Data were known by the spelling of their path: changed images resumed, links did not."""
    fill(tmp_path / "photos", count=6)
    (tmp_path / "mount").symlink_to(tmp_path / "photos")
    before = load_dataset(tmp_path / "photos")
    for other in (tmp_path / "mount", f"{tmp_path}/./photos/"):
        assert difference(before.fingerprint, load_dataset(other)) is None
    lazy = load_dataset(tmp_path / "mount", memory_limit=10)
    assert difference(before.fingerprint, lazy) is None
    put(tmp_path / "photos" / "a" / "0.png", np.zeros((6, 6, 3), np.uint8))
    said = difference(before.fingerprint, load_dataset(tmp_path / "photos"))
    assert said == "had other images, of the same number"
    (tmp_path / "photos" / "a" / "1.png").unlink()
    said = difference(before.fingerprint, load_dataset(tmp_path / "photos"))
    assert said == "had 6 images of 'a', now 5"
    fill(tmp_path / "photos", classes="c")
    said = difference(before.fingerprint, load_dataset(tmp_path / "photos"))
    assert said == "had 2 classes, now 3 ('c')"


def test_arrays_are_known_by_content_and_random_items_by_their_labels() -> None:
    images = np.random.default_rng(0).integers(0, 255, (40, 4, 4), dtype=np.uint8)
    data = load_dataset((images, LABELS))
    assert data.fingerprint == load_dataset((images.copy(), LABELS.tolist())).fingerprint
    changed = images.copy()
    changed[39, 3, 3] ^= 1
    assert data.fingerprint != load_dataset((changed, LABELS)).fingerprint
    names = data.class_names
    assert ImageData("x", images[:, None], LABELS, names).fingerprint["hash"]

    class Augmented(Named):
        def __getitem__(self, index: int) -> Any:
            return np.random.randint(0, 255, (4, 4), dtype=np.uint8), self.targets[index]

    for limit in (None, 10):
        data = load_dataset(Augmented([0, 1, 2] * 4), memory_limit=limit)
        again = load_dataset(Augmented([0, 1, 2] * 4))
        assert difference(data.fingerprint, again) is None
