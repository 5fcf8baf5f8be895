"""Batch normalisation during a training."""

from __future__ import annotations

from torch import nn
from torch import Tensor


class BatchNorms:
    """All batch normalisation layers of a network.

    Args:
        network: The network. Its layers stop counting batches until :meth:`restore`: that is an
            operation per layer and step, for a number that nothing here needs.

    Attributes:
        by_epoch: Whether averages are taken over each epoch alone.
    """

    def __init__(self, network: nn.Module) -> None:
        self.by_epoch = False
        self._layers = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
        self._means = [m.running_mean for m in self._layers if m.running_mean is not None]
        self._variances = [m.running_var for m in self._layers if m.running_var is not None]
        self._counts = [m.num_batches_tracked for m in self._layers]
        self._biases: list[Tensor] = []
        self._network = network
        for layer in self._layers:
            layer.num_batches_tracked = None

    def freeze_biases(self) -> None:
        """Keep the biases of convolutions before a batch normalisation as they are.

        Normalisation takes the bias out again, so that its exact gradient is zero. What is
        computed is rounding noise, which Adam would scale up to full steps.
        """
        for module in self._network.modules():
            if not isinstance(module, nn.Sequential):
                continue
            layers = list(module)
            for conv, norm in zip(layers, layers[1:]):
                if isinstance(conv, (nn.Conv2d, nn.ConvTranspose2d)) and conv.bias is not None:
                    if isinstance(norm, nn.BatchNorm2d) and conv.bias.requires_grad:
                        conv.bias.requires_grad_(False)
                        self._biases.append(conv.bias)

    def begin(self) -> None:
        """Prepare for an epoch."""
        if self.by_epoch:
            for tensor in (*self._means, *self._variances):
                tensor.zero_()

    def end(self, steps: int) -> None:
        """Finish an epoch of so many steps.

        A running average that starts at zero holds ``1 - (1 - momentum) ** steps`` of its full
        weight; dividing by it gives an average over this epoch alone.
        """
        if not self.by_epoch:
            return
        for layer, mean, variance in zip(self._layers, self._means, self._variances):
            momentum = 0.1 if layer.momentum is None else layer.momentum
            factor = 1.0 / (1.0 - (1.0 - momentum) ** steps)
            mean.mul_(factor)
            variance.mul_(factor)

    def copy(self) -> list[Tensor]:
        """Return copies of all averages."""
        return [tensor.clone() for tensor in (*self._means, *self._variances)]

    def put_back(self, copies: list[Tensor]) -> None:
        """Set all averages to such copies."""
        for tensor, saved in zip((*self._means, *self._variances), copies):
            tensor.copy_(saved)

    def restore(self, steps: int) -> None:
        """Undo what the training changed about the layers; ``steps`` batches were seen."""
        for layer, count in zip(self._layers, self._counts):
            if count is not None:
                count.add_(steps)
            layer.num_batches_tracked = count
        for bias in self._biases:
            bias.requires_grad_(True)
