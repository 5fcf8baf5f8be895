"""The training loss: cross entropy with class weights, label smoothing, several outputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch import Tensor
from torch.nn.functional import cross_entropy

from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.image_data import Split


class Loss:
    """Mean cross entropy over a batch, for each of the networks that are trained together.

    Args:
        config: Class weights and label smoothing.
        data: The images: classes and, for balanced weights, how often they occur.
        split: Which of them are trained on.
        network: Has ``output_weights`` if it gives several outputs in training.
        device: Where losses are computed.

    Raises:
        ValueError: There is not one class weight per class.
    """

    def __init__(
        self,
        config: TrainingConfig,
        data: ImageData,
        split: Split,
        network: nn.Module,
        device: torch.device,
    ) -> None:
        self._smoothing = config.label_smoothing
        self._output_weights: Sequence[float] = getattr(network, "output_weights", (1.0,))
        self._weights: Tensor | None = None
        if config.class_weights is None:
            return
        if config.class_weights == "balanced":
            counts = np.bincount(data.labels[split.train], minlength=data.classes)
            weights = counts.sum() / (data.classes * np.maximum(counts, 1.0))
        else:
            weights = np.asarray(config.class_weights, dtype=np.float64)
            if len(weights) != data.classes:
                raise ValueError(
                    f"`class_weights` must have one number for each of the {data.classes} "
                    f"classes, but got {len(weights)}."
                )
        self._weights = torch.tensor(weights, dtype=torch.float32, device=device)

    def __call__(self, outputs: Tensor | list[Tensor], labels: Tensor) -> Tensor:
        """Return the loss of each network.

        Args:
            outputs: Logits ``(N, K)`` or, of S networks, ``(N, S, K)``; or a list of such,
                whose losses are added with the network's ``output_weights``.
            labels: ``(N, S)``.

        Returns:
            ``(S,)``.
        """
        if isinstance(outputs, Tensor):
            return self._one(outputs, labels)
        total = self._one(outputs[-1], labels)
        for logits, weight in zip(outputs[:-1], self._output_weights):
            total = total + weight * self._one(logits, labels)
        return total

    def _one(self, logits: Tensor, labels: Tensor) -> Tensor:
        classes = logits.shape[-1]
        logits = logits.reshape(-1, classes).float()
        networks = labels.shape[1]
        if networks == 1:
            return cross_entropy(
                logits, labels.view(-1), self._weights, label_smoothing=self._smoothing
            ).view(1)
        losses = cross_entropy(
            logits,
            labels.view(-1),
            self._weights,
            reduction="none",
            label_smoothing=self._smoothing,
        ).view(-1, networks)
        if self._weights is None:
            return losses.mean(dim=0)
        return losses.sum(dim=0) / self._weights[labels].sum(dim=0)
