"""Processes that read images which do not fit in memory."""

from __future__ import annotations

from collections.abc import Iterator
import multiprocessing
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from optuna_popnas._failures import MachineFailure
from optuna_popnas.training.data.memory import workers_here
from optuna_popnas.training.data.source import Damaged


UInt8 = npt.NDArray[np.uint8]


class Readers:
    """Reads batches of images in other processes, and moves them to a device.

    Batches come through pipes, as arrays: tensors would come through the shared memory, of which
    containers have little, and a reader that finds none left waits for ever.

    Args:
        images: A source of images.
        indices: Which of them.
        processes: How many; None for those that cores are left for, 0 to read within this one.
        cores: That this process may use.
        device: Where batches are needed.
    """

    def __init__(
        self,
        images: Any,
        indices: npt.NDArray[np.int64],
        processes: int | None,
        cores: int,
        device: torch.device,
    ) -> None:
        self._device = device
        self._order = _Order()
        if processes is None:
            processes = reader_count(cores)
        # Where nobody chose another way, Linux copies this process, and scripts that do not ask
        # whether they are the main one keep working (until Python 3.13 it does so by itself).
        copies = sys.platform == "linux" and multiprocessing.get_start_method(True) is None
        self._loader = torch.utils.data.DataLoader(
            _Pixels(images, indices),
            batch_sampler=self._order,
            num_workers=processes,
            collate_fn=_stacked,
            persistent_workers=processes > 0,
            multiprocessing_context="fork" if copies and processes else None,
        )

    def batches(self, places: list[list[int]]) -> Iterator[Tensor]:
        """Yield ``(n, H, W, C)`` uint8 tensors on the device, one per list of places.

        Raises:
            MachineFailure: An image cannot be read, or a reading process died.
        """
        self._order.places = places
        batches = iter(self._loader)
        while True:
            try:
                pixels = next(batches, None)
            except Exception as error:
                raise MachineFailure(_reason(error)) from error
            if pixels is None:
                return
            if isinstance(pixels, str):
                raise MachineFailure(pixels)
            tensor = torch.from_numpy(pixels)
            if self._device.type == "cuda":
                tensor = tensor.pin_memory()
            yield tensor.to(self._device, non_blocking=True)


def reader_count(cores: int) -> int:
    """Return how many readers a training gets: one less than its share of the cores."""
    return min(max(cores // workers_here() - 1, 1), 8)


def _reason(error: Exception) -> str:
    said = (str(error).strip() or type(error).__name__).splitlines()[-1]
    if "exited unexpectedly" not in said and "bootstrapping" not in str(error):
        return f"Images cannot be read. {said}"
    method = multiprocessing.get_start_method()
    if method == "fork":
        return (
            f"A process that reads images was ended by the system, for lack of memory as a rule. "
            f"({said}) Use fewer: readers=1, or 0 to read within the training."
        )
    return (
        f"Processes that read images cannot start ({said}). They are started by {method!r}, which "
        'runs the script again in each: put its last lines below `if __name__ == "__main__":`, or '
        "pass readers=0."
    )


class _Order:
    """The batch sampler of a loader whose processes live on from epoch to epoch."""

    def __init__(self) -> None:
        self.places: list[list[int]] = []

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


class _Pixels(torch.utils.data.Dataset[UInt8]):
    def __init__(self, images: Any, indices: npt.NDArray[np.int64]) -> None:
        self._images = images
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitems__(self, places: list[int]) -> list[UInt8] | str:
        """Return images, or what is wrong with one of them."""
        try:
            images = (self._images[int(self._indices[place])] for place in places)
            return [pixels.transpose(1, 2, 0) for pixels in images]
        except Damaged as error:
            return str(error)


def _stacked(items: list[UInt8] | str) -> UInt8 | str:
    return items if isinstance(items, str) else np.stack(items)
