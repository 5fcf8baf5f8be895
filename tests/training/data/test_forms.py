"""What users hand over as data, in the forms that other libraries give it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
import pytest
import torch
from torch.utils.data import random_split
from torch.utils.data import TensorDataset

from optuna_popnas.training.data.load import load_dataset


X = np.random.default_rng(0).integers(0, 255, (20, 6, 5), dtype=np.uint8)
Y = np.arange(20) % 2
DATASET = TensorDataset(torch.from_numpy(X)[:, None], torch.from_numpy(Y))


def test_one_hot_labels() -> None:
    """Keras' ``to_categorical`` was refused."""
    for labels in (np.eye(2)[Y], np.eye(2, dtype=bool)[Y], torch.eye(2)[torch.from_numpy(Y)]):
        np.testing.assert_array_equal(load_dataset((X, labels)).labels, Y)
    with pytest.raises(ValueError, match=r"Labels must be one number .* of shape \(20, 2\)"):
        load_dataset((X, np.ones((20, 2))))


def test_labels_of_bytes_are_text() -> None:
    """Classes were called "b'cat'"."""
    assert load_dataset((X, np.where(Y, b"cat", b"dog"))).class_names == ("cat", "dog")


def test_pairs_of_lists_are_pairs_of_images_and_labels() -> None:
    """Keras' pairs as lists were taken for images and labels of two images."""
    lists = [[X[:16].tolist(), Y[:16].tolist()], [X[16:].tolist(), Y[16:].tolist()]]
    pictures = [([Image.fromarray(x) for x in X], Y.tolist())] * 2
    for source, sizes in ((lists, (16, 4)), (pictures, (20, 20))):
        data = load_dataset(source)
        assert data.test_labels is not None
        assert (len(data.labels), len(data.test_labels)) == sizes
    two = load_dataset(([X[0].tolist(), X[1].tolist()] * 2, [0, 1, 0, 1]))
    assert two.images.shape == (4, 1, 6, 5)


@pytest.mark.parametrize(
    "source, text",
    [
        ({"X": X, "y": Y}, "`source` must be a name, .* but got dict"),
        (random_split(DATASET, [16, 4]), "must be one data set, but got 2 of them. .*`test=`"),
        ([{"image": X[0], "label": 0}] * 5, "item 0 is a dictionary of image, label"),
        ([(X[0], 0, "a.png")] * 5, "pairs .*, but item 0 is tuple of 3"),
    ],
)
def test_what_is_no_data_is_named(source: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        load_dataset(source)


@pytest.mark.parametrize(
    "options, text",
    [
        ({"memory_limit": "1GB"}, "`memory_limit` must be a number of bytes .* Write 2e9"),
        ({"memory_limit": -1}, "`memory_limit` must be a number of bytes"),
        ({"seed": -1}, "`seed` must be at least 0"),
        ({"seed": 0.5}, "`seed` must be an integer"),
    ],
)
def test_numbers_that_are_none(options: dict[str, Any], text: str) -> None:
    """They were compared with bytes, or given to numpy, whose words came through."""
    with pytest.raises(ValueError, match=text):
        load_dataset((X, Y), **options)


def test_names_are_known_in_other_spellings(tmp_path: Path) -> None:
    assert load_dataset("Digits").name == "digits"
    with pytest.raises(ValueError, match="Data set 'fashion-mnist'|'cifar10' is not below"):
        load_dataset("CIFAR-10", root=tmp_path)
