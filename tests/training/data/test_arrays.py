"""Arrays and lists of images, of any layout and range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from optuna_popnas.training.data.load import load_dataset


LABELS = np.arange(40) % 2


@pytest.mark.parametrize(
    "shape, channels",
    [
        ((40, 64, 64, 13), 13),  # EuroSAT, all bands
        ((40, 13, 64, 64), 13),
        ((40, 5, 5, 103), 103),  # patches of hyperspectral images
        ((40, 4, 4, 3), 3),
        ((40, 3, 4, 4), 3),
        ((40, 24, 20, 3), 3),
        ((40, 1, 24, 20), 1),
    ],
)
def test_channels_of_arrays_are_recognised(shape: tuple[int, ...], channels: int) -> None:
    """(N, 64, 64, 13) was taken for 64 channels of 64 x 13 pixels."""
    data = load_dataset((np.zeros(shape, np.uint8), LABELS))
    assert data.in_channels == channels


@pytest.mark.parametrize("shape", [(40, 64, 48, 13), (40, 3, 3, 13), (40, 4, 4, 4), (40, 3, 5, 4)])
def test_channels_that_cannot_be_told_are_asked_for(shape: tuple[int, ...]) -> None:
    images = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match="`X` must have a dimension that is plainly .*Pass `chan"):
        load_dataset((images, LABELS))
    assert load_dataset((images, LABELS), channels_last=True).in_channels == shape[3]
    assert load_dataset((images, LABELS), channels_last=False).in_channels == shape[1]


def test_keras_tuples() -> None:
    """numpy's own words about inhomogeneous shapes came through."""
    x = np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8)
    data = load_dataset(((x, LABELS), (x[:10], LABELS[:10])))
    assert data.test_images is not None and data.test_images.shape == (10, 1, 8, 8)
    data = load_dataset(((x, LABELS), (x[:10], LABELS[:10]), (x[:4], LABELS[:4])))
    assert len(data.validation_indices) == 10 and data.test_labels is not None


def test_lists_of_images_of_different_sizes() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (8 + i % 2, 8, 3), dtype=np.uint8) for i in range(20)]
    objects = np.empty(20, dtype=object)
    objects[:] = images
    for given in (images, objects):
        with pytest.raises(ValueError, match=r"size \(8, 8\) of the first one, .* `image_size`"):
            load_dataset((given, LABELS[:20]))
        data = load_dataset((given, LABELS[:20]), image_size=8)
        np.testing.assert_array_equal(data.images[0], images[0].transpose(2, 0, 1))
    with pytest.raises(ValueError, match="Labels must be one number or text per image"):
        load_dataset((np.zeros((2, 4, 4)), [[0], [0, 1]]))


def test_test_images_of_another_range_are_not_taken_for_black() -> None:
    """Test images in [0, 1] beside bytes to train on became black, bytes beside [0, 1] white."""
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    for train, test in ((images, images / 255.0), (images / 255.0, images)):
        data = load_dataset((train, LABELS), test=(test, LABELS))
        np.testing.assert_array_equal(data.images, data.test_images)
    with pytest.raises(ValueError, match="`X_test` must hold numbers from 0 to 1 as the training"):
        load_dataset((images / 255.0, LABELS), test=(images.astype(float), LABELS))


@pytest.mark.parametrize("layout", ["NHW", "NCHW", "NHWC"])
def test_arrays_of_any_layout(layout: str) -> None:
    rng = np.random.default_rng(0)
    channels = 1 if layout == "NHW" else 3
    images = rng.integers(0, 256, (20, channels, 6, 5), dtype=np.uint8)
    given = {"NHW": images[:, 0], "NCHW": images, "NHWC": images.transpose(0, 2, 3, 1)}[layout]
    data = load_dataset((given, ["b", "a"] * 10))
    np.testing.assert_array_equal(data.images, images)
    assert data.class_names == ("a", "b")
    np.testing.assert_array_equal(data.labels, [1, 0] * 10)


@pytest.mark.parametrize(
    "images, largest",
    [
        (np.linspace(0, 1, 320).reshape(20, 4, 4), 255),
        (np.linspace(0, 0.5, 320, dtype=np.float32).reshape(20, 4, 4), 128),
        (np.arange(320).reshape(20, 4, 4) % 17, 255),
        (np.arange(320, dtype=np.uint8).reshape(20, 4, 4) % 17, 16),
        (torch.linspace(0, 1, 320).view(20, 4, 4), 255),
        (np.arange(320).reshape(20, 4, 4) * 200.0, 255),
    ],
)
def test_numbers_become_bytes(images: Any, largest: int) -> None:
    data = load_dataset((images, np.arange(20) % 2), test=(images[:4] * 2, np.zeros(4)))
    assert isinstance(data.images, np.ndarray) and isinstance(data.test_images, np.ndarray)
    assert data.images.max() == largest
    # The test images are scaled as the training images are.
    expected = np.minimum(2.0 * data.images[:4], 255)
    np.testing.assert_allclose(data.test_images, expected, atol=1.5)


@pytest.mark.parametrize(
    "source, text",
    [
        ((np.zeros((4, 3)), [0, 1, 0, 1]), "`X` must have the shape"),
        ((-np.ones((4, 3, 3)), [0, 1, 0, 1]), "`X` must hold numbers >= 0, but got -1 to"),
        ((np.full((4, 3, 3), np.nan), [0, 1, 0, 1]), "`X` must hold finite numbers"),
        ((np.full((4, 3, 3), "a"), [0, 1, 0, 1]), "`X` must hold numbers"),
        ((np.zeros((4, 3, 3)), [0, 1, 0]), "one label per image, but 'arrays' has 4 images"),
        ((np.zeros((4, 3, 3)), [0, 1, None, 1]), "must have a label, but 'arrays' has 1 without"),
        ((np.zeros((4, 3, 3)), [0, 1, np.nan, 1]), "must have a label, but 'arrays' has 1"),
        ((np.zeros((4, 3, 3)), [0, 1, 0.5, 1]), "Labels must be classes, .* such as 0.5"),
        ((np.zeros((4, 3, 3)), np.zeros((4, 2))), "one number or text per image"),
        ((np.zeros((4, 3, 3)), [1, 1, 1, 1]), "at least 2 classes, but 'arrays' has 1"),
        ((np.zeros((4, 3, 3)), [0, 1, 2, 3]), "at least 2 images to train and"),
    ],
)
def test_unusable_arrays(source: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text) as error:
        load_dataset(source)
    assert "\n" not in str(error.value)


def test_test_set_of_other_channels_or_classes() -> None:
    train = (np.zeros((4, 3, 3)), [0, 1, 0, 1])
    with pytest.raises(ValueError, match="same number of channels, but 'arrays' has 1 and 4"):
        load_dataset(train, test=(np.zeros((2, 4, 3, 3)), [0, 1]))
    with pytest.raises(ValueError, match=r"among those of the training images, .* has '2'"):
        load_dataset(train, test=(np.zeros((2, 3, 3)), [0, 2]))
