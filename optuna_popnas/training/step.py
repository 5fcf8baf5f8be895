"""One step of a training: loss, gradients, and the optimiser's update."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from optuna_popnas.training.config import TrainingConfig
from optuna_popnas.training.flat import FlatParameters
from optuna_popnas.training.flat import make_optimizer
from optuna_popnas.training.loss import Loss


class Step:
    """Trains a network, or a stack of them, on one batch.

    Args:
        network: The network, compiled or not.
        flat: Its parameters.
        loss: The loss of each network.
        config: Optimiser and mixup.
        precision: The type that the network computes with.
        rate: The first learning rate; a tensor where steps are replayed as graphs.
        networks: Networks in the stack.

    Raises:
        ValueError: Mixup is asked for with graphs, which replay what was drawn once.

    Attributes:
        optimizer: The optimiser.
        scaler: The scaler of gradients in float16.
        total: ``(networks,)`` sum of the losses of all steps since it was set to zero.
    """

    def __init__(
        self,
        network: Any,
        flat: FlatParameters,
        loss: Loss,
        config: TrainingConfig,
        precision: torch.dtype,
        rate: float | Tensor,
        *,
        networks: int,
    ) -> None:
        device = flat.flat.device
        self.network = network
        self.optimizer = make_optimizer(flat.flat, config, rate)
        self.scaler = torch.amp.GradScaler(enabled=precision is torch.float16)
        self.total = torch.zeros(networks, device=device)
        self._flat = flat
        self._loss = loss
        self._precision = precision
        self._penalty: Tensor | None = None
        if config.optimizer == "l2" and config.weight_decay:
            self._penalty = flat.kernels() * config.weight_decay
        self._mixup: torch.distributions.Beta | None = None
        if config.mixup:
            if isinstance(rate, Tensor):
                raise ValueError("`cuda_graphs` must not be set with `mixup`. Leave one out.")
            self._mixup = torch.distributions.Beta(config.mixup, config.mixup)

    def __call__(self, images: Tensor, labels: Tensor) -> None:
        """Do the step.

        Args:
            images: ``(N, networks * C, H, W)``.
            labels: ``(N, networks)``.
        """
        share, order = 1.0, None
        if self._mixup is not None:
            share, order = float(self._mixup.sample()), torch.randperm(len(images))
            images = torch.lerp(images[order], images, share)
        with self.autocast():
            outputs = self.network(images)
        losses = self._loss(outputs, labels)
        if order is not None:
            losses = share * losses + (1.0 - share) * self._loss(outputs, labels[order])
        self.total += losses.detach()
        torch.autograd.backward(self.scaler.scale(losses.sum()))
        self._flat.gather_gradients()
        if self._penalty is not None and self._flat.flat.grad is not None:
            # L2 is of kernels alone; Keras' layers have none on biases and normalisation.
            self.scaler.unscale_(self.optimizer)
            self._flat.flat.grad.addcmul_(self._flat.flat.detach(), self._penalty)
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which the network computes."""
        if self._precision is torch.float32:
            return nullcontext()
        return torch.autocast(self._flat.flat.device.type, self._precision)
