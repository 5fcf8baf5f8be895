"""A training step as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class GraphedStep:
    """Records a step once and replays it: one launch instead of hundreds.

    Args:
        step: ``step(images, labels)``, all of whose work is on the current CUDA device. It has
            been run before, so that nothing is allocated or chosen lazily.
        images: A batch.
        labels: Its labels. Every later batch must have the same shape and layout.
    """

    def __init__(
        self, step: Callable[[Tensor, Tensor], None], images: Tensor, labels: Tensor
    ) -> None:
        self._images = torch.empty_like(images).copy_(images)
        self._labels = labels.clone()
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(3):
                step(self._images, self._labels)
        torch.cuda.current_stream().wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            step(self._images, self._labels)

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """Do the step with another batch."""
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._graph.replay()
