"""Augmentation of whole batches by gathering pixels on the device (Sec. 6.1).

Flips, translations and crops only move pixels: together they are one gather per batch. No image
is handled alone, but for RandAugment, and nothing is copied between host and device.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from optuna_popnas.training.config import TrainingConfig


#: Random numbers that one image needs: flip, two translations, two crops, two cutout positions.
DRAWS = 7


class Augmenter:
    """Flip, translation, crop, cutout and RandAugment of many images at once.

    A translation moves an image by a whole number of pixels and mirrors it at the border it
    leaves, as Keras does; a crop fills with zeros.

    Args:
        config: Settings; those of a training without augmentation only pick images.
        size: Height and width of the images.

    Raises:
        ValueError: A crop or cutout leaves nothing of an image.
    """

    def __init__(self, config: TrainingConfig, size: tuple[int, int]) -> None:
        for name in ("crop", "cutout"):
            if getattr(config, name) >= min(size):
                raise ValueError(
                    f"`{name}` must be less than the height and width of the images, {size}, but "
                    f"got {getattr(config, name)}."
                )
        self._flip = bool(config.flip)
        self._translation = config.translation
        self._crop = config.crop
        self._cutout = config.cutout
        self._size = size
        self.moves = bool(self._flip or self._translation or self._crop)
        self._policy: Any = None
        if config.rand_augment:
            from torchvision.transforms.v2 import RandAugment

            self._policy = RandAugment(config.rand_augment)
        self.active = bool(self.moves or self._cutout or self._policy)

    def draw(self, count: int, generator: torch.Generator) -> Tensor | None:
        """Draw what happens to ``count`` images: ``(count, DRAWS)`` numbers in [0, 1).

        Returns:
            The numbers on the generator's device, or None if there is nothing to draw.
        """
        if not self.active:
            return None
        return torch.rand((count, DRAWS), generator=generator, device=generator.device)

    def __call__(self, images: Tensor, indices: Tensor, draws: Tensor | None) -> Tensor:
        """Return augmented images.

        Args:
            images: ``(N, H, W, C)`` uint8, on the device.
            indices: ``(n,)`` which of them.
            draws: ``(n, DRAWS)`` from :meth:`draw`.

        Returns:
            ``(n, H, W, C)`` float32 in [0, 1].
        """
        if draws is None:
            return images.index_select(0, indices).to(torch.float32).mul_(1.0 / 255.0)
        count, (height, width) = len(indices), self._size
        keep = None
        if self.moves:
            rows, keep_rows = self._source(height, draws[:, 1], draws[:, 3])
            columns, keep_columns = self._source(width, draws[:, 2], draws[:, 4])
            if self._flip:
                mirrored = draws[:, :1] < 0.5
                columns = torch.where(mirrored, width - 1 - columns, columns)
            places = (indices[:, None] * height + rows)[:, :, None] * width + columns[:, None, :]
            flat = images.reshape(-1, images.shape[3])
            batch = flat.index_select(0, places.view(-1)).view(count, height, width, -1)
            if keep_rows is not None and keep_columns is not None:
                keep = keep_rows[:, :, None] & keep_columns[:, None, :]
        else:
            batch = images.index_select(0, indices)
        result = batch.to(torch.float32).mul_(1.0 / 255.0)
        if self._cutout:
            inside = (
                self._window(height, draws[:, 5])[:, :, None]
                & self._window(width, draws[:, 6])[:, None, :]
            )
            keep = ~inside if keep is None else keep & ~inside
        if keep is not None:
            result.mul_(keep[..., None])
        if self._policy is None:
            return result
        # Every image draws operations of its own, from PyTorch's global generator.
        varied = [self._policy(image) for image in result.permute(0, 3, 1, 2)]
        return torch.stack(varied).permute(0, 2, 3, 1)

    def _source(self, size: int, shift: Tensor, crop: Tensor) -> tuple[Tensor, Tensor | None]:
        """Return, along one side, which pixel each pixel comes from, and which ones are kept."""
        place = torch.arange(size, device=shift.device)[None, :]
        keep = None
        if self._crop:
            # The window of a padded image starts at 0 ... 2 * crop.
            start = (crop * (2 * self._crop + 1)).to(torch.int64) - self._crop
            place = place + start[:, None]
            keep = (place >= 0) & (place < size)
        if self._translation:
            reach = self._translation * size
            place = place - torch.round((2.0 * shift - 1.0) * reach).to(torch.int64)[:, None]
        if place.shape[0] == 1:
            place = place.expand(len(shift), size)
        # The image is mirrored over and over, its border pixels included: period 2 * size.
        place = torch.remainder(place, 2 * size)
        return torch.minimum(place, 2 * size - 1 - place), keep

    def _window(self, size: int, centre: Tensor) -> Tensor:
        """Return which pixels along one side are within the cutout square: ``(n, size)``."""
        first = (centre * size).to(torch.int64)[:, None] - self._cutout // 2
        place = torch.arange(size, device=centre.device)[None, :]
        return (place >= first) & (place < first + self._cutout)
