"""Batches: complete, of one size, the same for the same seeds, wherever the images are."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from optuna_popnas.training.feed import Feed
from optuna_popnas.training.feed import ValidationFeed
from tests.training.configs import configs


CPU = torch.device("cpu")


class Lazy:
    """Images of an array that look as if they were read one by one."""

    def __init__(self, images: npt.NDArray[np.uint8]) -> None:
        self._images = images

    @property
    def shape(self) -> tuple[int, ...]:
        return self._images.shape

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        return self._images[index]


def make_feed(
    count: int = 50, *, seeds: tuple[int, ...] = (0,), lazy: bool = False, **settings: Any
) -> Feed:
    """Return batches of every other of ``2 * count`` images, whose first pixel is their index."""
    images = np.random.default_rng(0).integers(0, 256, (2 * count, 3, 4, 5), dtype=np.uint8)
    images[:, 0, 0, 0] = np.arange(2 * count)
    labels = np.arange(2 * count, dtype=np.int64) % 7
    config, machine = configs(batch_size=16, **settings)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    source: Any = Lazy(images) if lazy else images
    return Feed(source, labels, np.arange(0, 2 * count, 2), config, machine, CPU, generators)


def test_every_image_is_seen_and_batches_are_equal() -> None:
    feed = make_feed(50, flip=False, translation=0.0)
    assert (feed.steps, feed.batch) == (4, 13)
    batches = list(feed.epoch())
    assert [images.shape for images, _ in batches] == [(13, 3, 4, 5)] * 4
    first = torch.cat([images[:, 0, 0, 0] for images, _ in batches]) * 255
    indices = first.round().to(torch.int64).tolist()
    assert set(indices) == set(range(0, 100, 2))
    # 4 * 13 places for 50 images: the last batch is filled up with the first two.
    assert indices[50:] == indices[:2]
    labels = torch.cat([labels for _, labels in batches])
    assert labels.shape == (52, 1)
    assert labels[:, 0].tolist() == [index % 7 for index in indices]
    assert indices != [
        int(v) for images, _ in feed.epoch() for v in (images[:, 0, 0, 0] * 255).round()
    ]


def test_few_images_make_one_batch() -> None:
    feed = make_feed(5)
    assert (feed.steps, feed.batch) == (1, 5)


@pytest.mark.parametrize("lazy", [False, True])
def test_stacked_networks_see_what_they_would_see_alone(lazy: bool) -> None:
    alone = [list(make_feed(seeds=(seed,)).epoch()) for seed in (3, 4)]
    together = list(make_feed(seeds=(3, 4), lazy=lazy, readers=0).epoch())
    for step, (images, labels) in enumerate(together):
        assert images.shape == (13, 6, 4, 5)
        for network in (0, 1):
            own, own_labels = alone[network][step]
            torch.testing.assert_close(images[:, 3 * network : 3 * network + 3], own)
            assert torch.equal(labels[:, network], own_labels[:, 0])


@pytest.mark.parametrize("readers", [0, 1])
def test_larger_than_memory_gives_the_same_batches(readers: int) -> None:
    whole = make_feed(cutout=2)
    lazy = make_feed(cutout=2, lazy=True, readers=readers)
    for _ in range(2):  # processes live on from epoch to epoch
        pairs = list(zip(whole.epoch(), lazy.epoch()))
        assert len(pairs) == 4
        for (images, labels), (read_images, read_labels) in pairs:
            torch.testing.assert_close(images, read_images)
            assert torch.equal(labels, read_labels)


@pytest.mark.parametrize("layout", ["auto", "contiguous"])
def test_memory_layout(layout: str) -> None:
    feed = make_feed(layout=layout)
    for images in (next(feed.epoch())[0], feed.first_batch()[0]):
        assert images.is_contiguous(
            memory_format=torch.contiguous_format
            if layout == "contiguous"
            else torch.channels_last
        )


def test_first_batch_draws_nothing() -> None:
    feed, other = make_feed(), make_feed()
    feed.first_batch()
    for (images, _), (expected, _) in zip(feed.epoch(), other.epoch()):
        assert torch.equal(images, expected)


@pytest.mark.parametrize("lazy", [False, True])
def test_validation_images_come_in_order(lazy: bool) -> None:
    images = np.random.default_rng(0).integers(0, 256, (23, 3, 4, 5), dtype=np.uint8)
    indices = np.array([1, 5, 6, 20, 22])
    source: Any = Lazy(images) if lazy else images
    feed = ValidationFeed(source, indices, CPU, 2, 0, True)
    for _ in range(2):
        batches = list(feed)
        assert [len(batch) for batch in batches] == [2, 2, 1]
        torch.testing.assert_close(torch.cat(batches), torch.from_numpy(images[indices]) / 255)
