"""Augmentation against a plain one, image by image and pixel by pixel."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from optuna_popnas.training.augment import Augmenter
from optuna_popnas.training.augment import DRAWS
from optuna_popnas.training.config import TrainingConfig


PLAIN: dict[str, Any] = {"flip": False, "translation": 0.0}


def random_images(
    count: int = 20, height: int = 6, width: int = 9, channels: int = 2
) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (count, height, width, channels), dtype=np.uint8))


def one_by_one(
    image: npt.NDArray[np.uint8], draws: npt.NDArray[np.float32], config: TrainingConfig
) -> npt.NDArray[np.uint8]:
    """Flip, translate, crop and cut out one ``(H, W, C)`` image."""
    height, width, _ = image.shape
    if config.flip and draws[0] < 0.5:
        image = image[:, ::-1]
    down = int(np.rint((2 * draws[1] - 1) * config.translation * height))
    right = int(np.rint((2 * draws[2] - 1) * config.translation * width))
    padded = np.pad(image, ((height, height), (width, width), (0, 0)), mode="symmetric")
    image = padded[height - down : 2 * height - down, width - right : 2 * width - right]
    if config.crop:
        border = (config.crop, config.crop)
        top = int(draws[3] * (2 * config.crop + 1))
        left = int(draws[4] * (2 * config.crop + 1))
        image = np.pad(image, (border, border, (0, 0)))
        image = image[top : top + height, left : left + width]
    image = image.copy()
    if config.cutout:
        top = int(draws[5] * height) - config.cutout // 2
        left = int(draws[6] * width) - config.cutout // 2
        image[
            max(top, 0) : max(top + config.cutout, 0), max(left, 0) : max(left + config.cutout, 0)
        ] = 0
    return image


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"flip": False},
        {"flip": True, "translation": 0.0},
        {"translation": 0.5},
        {"flip": False, "translation": 0.0, "crop": 2},
        {"flip": False, "translation": 0.2, "crop": 1},
        {"flip": False, "translation": 0.0, "cutout": 3},
        {"flip": False, "crop": 2, "cutout": 4},
    ],
)
def test_against_one_image_at_a_time(settings: dict[str, Any]) -> None:
    config = TrainingConfig(**settings)
    images = random_images()
    before = images.clone()
    indices = torch.tensor([3, 0, 19, 3, 7, 8, 9, 10])
    augmenter = Augmenter(config, (6, 9))
    draws = augmenter.draw(len(indices), torch.Generator().manual_seed(1))
    assert draws is not None and draws.shape == (8, DRAWS)
    result = augmenter(images, indices, draws)
    assert result.shape == (8, 6, 9, 2) and result.dtype == torch.float32
    for row, index in enumerate(indices.tolist()):
        expected = one_by_one(images[index].numpy(), draws[row].numpy(), config)
        np.testing.assert_allclose(result[row] * 255, expected, atol=1e-3)
    assert torch.equal(images, before)


def test_without_augmentation_images_are_only_scaled() -> None:
    augmenter = Augmenter(TrainingConfig(**PLAIN), (6, 9))
    assert augmenter.draw(3, torch.Generator()) is None
    images = random_images()
    result = augmenter(images, torch.tensor([2, 5]), None)
    torch.testing.assert_close(result, images[[2, 5]] / 255)
    assert result.max() <= 1


def test_translation_reaches_an_eighth_and_flips_half() -> None:
    """Sec. 6.1: shifts of up to 1/8 of each side, half of the images mirrored."""
    count = 4000
    ramp = torch.arange(16, dtype=torch.uint8).view(1, 1, 16, 1).expand(1, 16, 16, 1)
    augmenter = Augmenter(TrainingConfig(flip=True), (16, 16))
    draws = augmenter.draw(count, torch.Generator().manual_seed(0))
    result = augmenter(ramp.contiguous(), torch.zeros(count, dtype=torch.int64), draws)
    row = (result[:, 0, :, 0] * 255).round()
    mirrored = row[:, 8] < row[:, 7]
    assert mirrored.float().mean() == pytest.approx(0.5, abs=0.03)
    shift = row[~mirrored, 8] - 8
    assert set(shift.tolist()) == {-2, -1, 0, 1, 2}
    assert (shift == 0).float().mean() == pytest.approx(0.25, abs=0.04)
    assert (shift == 2).float().mean() == pytest.approx(0.125, abs=0.03)


def test_rand_augment_varies_each_image() -> None:
    images = random_images()[..., :1]
    augmenter = Augmenter(TrainingConfig(**PLAIN, rand_augment=2), (6, 9))
    indices = torch.zeros(12, dtype=torch.int64)
    torch.manual_seed(0)
    result = augmenter(images, indices, augmenter.draw(12, torch.Generator()))
    assert result.shape == (12, 6, 9, 1)
    assert 0 <= result.min() and result.max() <= 1
    assert len({tuple(image.flatten().tolist()) for image in result}) > 6
    torch.manual_seed(0)
    again = augmenter(images, indices, augmenter.draw(12, torch.Generator()))
    assert torch.equal(result, again)
