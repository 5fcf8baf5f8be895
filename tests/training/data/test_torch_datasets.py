"""Data sets of PyTorch, wrapped or not."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image
import pytest
import torch
from torch.utils.data import ConcatDataset
from torch.utils.data import Dataset
from torch.utils.data import Subset
from torch.utils.data import TensorDataset

from optuna_popnas.training.data.load import load_dataset


def test_single_arrays_of_data_sets_follow_the_same_rule() -> None:
    class Items(Dataset[Any]):
        def __init__(self, item: Any) -> None:
            self.item = item

        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> Any:
            return self.item, index % 2

    assert load_dataset(Items(np.zeros((9, 9, 6), np.uint8))).in_channels == 6
    assert load_dataset(Items(torch.zeros(6, 9, 8))).in_channels == 6
    with pytest.raises(ValueError, match="`image 0` must have a dimension that is plainly"):
        load_dataset(Items(np.zeros((9, 8, 6), np.uint8)))


class Named(Dataset[Any]):
    """Has its labels in a list; items must not be asked for."""

    classes = ["cat", "dog", "fox"]

    def __init__(self, labels: Any) -> None:
        self.targets = labels

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Any:
        return np.full((4, 4), index, np.uint8), self.targets[index]


def test_wrapped_data_sets_keep_their_class_names() -> None:
    """Subsets had the classes "0" and "1"."""
    inner = Named([0, 1, 2] * 6)
    whole = load_dataset(Subset(inner, range(18)))
    assert whole.class_names == ("cat", "dog", "fox") and whole.name == "Named"
    part = load_dataset(Subset(Subset(inner, range(12)), [1, 2, 4, 5, 7, 8]))
    assert part.class_names == ("dog", "fox") and part.labels.tolist() == [0, 1] * 3
    assert np.asarray(part.images)[:, 0, 0, 0].tolist() == [1, 2, 4, 5, 7, 8]
    both = load_dataset(ConcatDataset([inner, Named([1, 1])]), memory_limit=10)
    assert both.class_names == ("cat", "dog", "fox") and len(both.labels) == 20


class Pictures(Dataset[Any]):
    """Items are PIL images, with a class name list but no other attribute."""

    classes = ["zero", "one"]

    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> Any:
        if index >= 8:
            raise IndexError(index)
        return Image.new("RGB", (4 + index % 2, 4), (index, 0, 0)), index % 2


def test_torch_dataset_of_pictures() -> None:
    with pytest.raises(ValueError, match=r"size \(4, 4\) of the first one, but image 1 has"):
        load_dataset(Pictures())
    data = load_dataset(Pictures(), image_size=4)
    assert isinstance(data.images, np.ndarray)
    assert data.images[:, 0, 0, 0].tolist() == list(range(8))
    assert data.class_names == ("zero", "one")


def test_torch_dataset_of_tensors() -> None:
    images = torch.rand(10, 3, 4, 4)
    data = load_dataset(TensorDataset(images, torch.arange(10) % 2))
    np.testing.assert_allclose(np.asarray(data.images) / 255, images, atol=0.5 / 255 + 1e-6)
    with pytest.raises(ValueError, match="Leave normalisation out"):
        load_dataset(TensorDataset(images - 1, torch.arange(10) % 2))
    with pytest.raises(ValueError, match="must be pairs .* Labels are needed"):
        load_dataset(TensorDataset(images))
    with pytest.raises(ValueError, match="length 0"):
        load_dataset(TensorDataset(images[:0], torch.arange(0)))


class Failing(Pictures):
    def __getitem__(self, index: int) -> Any:
        if index == 3:
            raise OSError("disk error")
        return super().__getitem__(index - index % 2)


def test_torch_dataset_that_fails() -> None:
    with pytest.raises(ValueError, match=r"1 of 8 images cannot be read: no. 3 \(disk error\)"):
        load_dataset(Failing())
