"""Batches of training images, on the device and augmented.

Images that fit live on the device as one uint8 tensor; a batch is then a slice of a gather that
was done for many batches at once. Larger data come from reading processes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from optuna_popnas.training.augment import Augmenter
from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import Images
from optuna_popnas.training.data.readers import Readers
from optuna_popnas.training.device import affinity


# Bytes of float images made by one gather. On a CPU they should stay in its cache.
_CHUNK = {"cpu": 1 << 22, "cuda": 1 << 26, "mps": 1 << 24}


class Feed:
    """Random batches of some images, for one network or for several with an order each.

    Args:
        images: All images.
        labels: ``(N,)`` their classes.
        indices: Which images to train on.
        config: Batch size and augmentation.
        machine: Memory layout and reading processes.
        device: Where batches are needed.
        generators: One per network, on the device: the orders and augmentations they see.

    Attributes:
        steps: Batches per epoch.
        batch: Images per batch and network. All batches are of this size: the last one is
            filled up with images from the start of the epoch.
        gathered: Batches that are gathered at once.
    """

    def __init__(
        self,
        images: Images,
        labels: npt.NDArray[np.int64],
        indices: npt.NDArray[np.int64],
        config: TrainingConfig,
        machine: MachineConfig,
        device: torch.device,
        generators: Sequence[torch.Generator],
    ) -> None:
        count = len(indices)
        self.steps = -(-count // config.batch_size)
        self.batch = -(-count // self.steps)
        self._count = count
        self._device = device
        self._generators = generators
        _, channels, height, width = images.shape
        self._shape = (height, width, channels)
        if config.rand_augment and channels not in (1, 3):
            raise ValueError(
                f"`rand_augment` must be 0 for images of {channels} channels, but got "
                f"{config.rand_augment}. It is made for grey and colour images."
            )
        self._augmenter = Augmenter(config, (height, width))
        pixels = len(generators) * height * width * channels
        self.gathered = min(max(_CHUNK[device.type] // (4 * self.batch * pixels), 1), self.steps)
        self._channels_last = machine.layout != "contiguous"
        self._labels = torch.from_numpy(labels[indices]).to(device)
        self._images: Tensor | None = None
        self._loader: Readers | None = None
        if isinstance(images, np.ndarray):
            images = images[indices].transpose(0, 2, 3, 1)
            self._images = torch.from_numpy(np.ascontiguousarray(images)).to(device)
        else:
            self.gathered = 1
            self._loader = Readers(images, indices, machine.readers, affinity(), device)

    def epoch(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of one epoch.

        Yields:
            Images ``(batch, networks * C, H, W)`` float32 in [0, 1], those of the first network
            in the first channels, and labels ``(batch, networks)``.
        """
        total = self.steps * self.batch
        orders, draws = [], []
        for generator in self._generators:
            order = torch.randperm(self._count, generator=generator, device=generator.device)
            orders.append(torch.cat((order, order[: total - self._count])))
            draws.append(self._augmenter.draw(total, generator))
        if self._loader is not None:
            yield from self._stream(self._loader, orders, draws)
            return
        chunk = self.gathered
        for first in range(0, self.steps, chunk):
            part = slice(first * self.batch, (first + chunk) * self.batch)
            images, labels = self._chunk(
                [order[part] for order in orders],
                [None if draw is None else draw[part] for draw in draws],
            )
            yield from zip(torch.split(images, self.batch), torch.split(labels, self.batch))

    def first_batch(self) -> tuple[Tensor, Tensor]:
        """Return a batch of the first images, for a warm-up: no random number is drawn."""
        networks = len(self._generators)
        order = torch.arange(self.batch, device=self._device)
        if self._images is not None:
            return self._chunk([order] * networks, [None] * networks)
        height, width, channels = self._shape
        images = torch.zeros((self.batch, networks * channels, height, width), device=self._device)
        labels = self._labels[order][:, None].expand(-1, networks).contiguous()
        return self._arranged(images), labels

    def _chunk(
        self, orders: Sequence[Tensor], draws: Sequence[Tensor | None]
    ) -> tuple[Tensor, Tensor]:
        assert self._images is not None
        pieces = [self._augmenter(self._images, o, d) for o, d in zip(orders, draws)]
        labels = [self._labels.index_select(0, order) for order in orders]
        return self._joined(pieces), torch.stack(labels, dim=1)

    def _stream(
        self, loader: Readers, orders: Sequence[Tensor], draws: Sequence[Tensor | None]
    ) -> Iterator[tuple[Tensor, Tensor]]:
        # Of each batch first the images of the first network, then those of the second.
        order = torch.stack(list(orders)).view(len(orders), self.steps, self.batch)
        places = order.transpose(0, 1).reshape(self.steps, -1).tolist()
        within = torch.arange(self.batch, device=self._device)
        for step, pixels in enumerate(loader.batches(places)):
            part = slice(step * self.batch, (step + 1) * self.batch)
            pieces = [
                self._augmenter(piece, within, None if draw is None else draw[part])
                for piece, draw in zip(torch.split(pixels, self.batch), draws)
            ]
            labels = [self._labels.index_select(0, order[part]) for order in orders]
            yield self._joined(pieces), torch.stack(labels, dim=1)

    def _joined(self, pieces: Sequence[Tensor]) -> Tensor:
        """Lay images ``(n, H, W, C)`` side by side: ``(n, networks * C, H, W)``."""
        images = pieces[0] if len(pieces) == 1 else torch.cat(list(pieces), dim=3)
        return self._arranged(images.permute(0, 3, 1, 2))

    def _arranged(self, images: Tensor) -> Tensor:
        if self._channels_last:
            return images.contiguous(memory_format=torch.channels_last)
        return images.contiguous()


class ValidationFeed:
    """Batches of images without augmentation, always in the same order.

    Args:
        images: All images.
        indices: Which of them.
        device: Where batches are needed.
        batch: Images per batch.
        readers: Processes that read images which are not in memory.
        channels_last: Memory layout of the batches.
    """

    def __init__(
        self,
        images: Images,
        indices: npt.NDArray[np.int64],
        device: torch.device,
        batch: int,
        readers: int | None,
        channels_last: bool,
    ) -> None:
        self._batch = batch
        self._format = torch.channels_last if channels_last else torch.contiguous_format
        self._pixels: Tensor | None = None
        self._loader: Readers | None = None
        self._count = len(indices)
        if isinstance(images, np.ndarray):
            pixels = torch.from_numpy(images[indices]).to(device)
            self._pixels = pixels.contiguous(memory_format=self._format)
        else:
            self._loader = Readers(images, indices, readers, affinity(), device)

    def __iter__(self) -> Iterator[Tensor]:
        """Yield ``(n, C, H, W)`` float32 tensors in [0, 1]."""
        if self._pixels is not None:
            for pixels in torch.split(self._pixels, self._batch):
                yield pixels.to(torch.float32).mul_(1.0 / 255.0)
            return
        assert self._loader is not None
        places = np.arange(self._count)
        rows = [row.tolist() for row in np.split(places, places[:: self._batch][1:])]
        for pixels in self._loader.batches(rows):
            images = pixels.permute(0, 3, 1, 2).to(torch.float32).mul_(1.0 / 255.0)
            yield images.contiguous(memory_format=self._format)
