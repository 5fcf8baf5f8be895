"""All parameters of a network in one tensor, and the optimiser that updates it at once.

Small networks spend much of a step on launching an operation per parameter. With the parameters
in one tensor an update is one fused kernel, whatever the number of layers.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import nn
from torch import Tensor

from optuna_popnas.training.config import TrainingConfig


class FlatParameters:
    """A network's trainable parameters as views of one tensor.

    Args:
        network: Its parameters are moved into the flat tensor and remain what they were to the
            network; they keep their memory layout.
    """

    def __init__(self, network: nn.Module) -> None:
        self.parameters: list[nn.Parameter] = [p for p in network.parameters() if p.requires_grad]
        sizes = [p.numel() for p in self.parameters]
        first = self.parameters[0]
        flat = torch.empty(sum(sizes), dtype=first.dtype, device=first.device)
        for parameter, piece in zip(self.parameters, torch.split(flat, sizes)):
            # A dense tensor is a permutation of its elements in memory order.
            view = piece.as_strided(parameter.shape, parameter.stride(), piece.storage_offset())
            view.copy_(parameter.detach())
            parameter.data = view
        self.flat = nn.Parameter(flat)
        self.flat.grad = torch.zeros_like(flat)
        self._views = [
            piece.as_strided(parameter.shape, parameter.stride(), piece.storage_offset())
            for parameter, piece in zip(self.parameters, torch.split(self.flat.grad, sizes))
        ]

    def gather_gradients(self) -> None:
        """Move the parameters' gradients into the flat tensor's, and free them."""
        gradients = [parameter.grad for parameter in self.parameters]
        views, found = self._views, [g for g in gradients if g is not None]
        if len(found) < len(views):  # a parameter that the loss does not depend on
            for view, gradient in zip(views, gradients):
                if gradient is None:
                    view.zero_()
            views = [view for view, gradient in zip(views, gradients) if gradient is not None]
        torch._foreach_copy_(views, found)
        for parameter in self.parameters:
            parameter.grad = None

    def kernels(self) -> Tensor:
        """Return 1 where the flat tensor holds weights of convolutions or classifiers, else 0."""
        marks = [torch.full((p.numel(),), float(p.dim() > 1)) for p in self.parameters]
        return torch.cat(marks).to(self.flat.device)

    def release(self) -> None:
        """Give every parameter its own memory again."""
        for parameter in self.parameters:
            parameter.data = parameter.detach().clone()


def make_optimizer(
    flat: nn.Parameter, config: TrainingConfig, learning_rate: float | Tensor
) -> torch.optim.Optimizer:
    """Return the fused optimiser of one tensor (Sec. 6.1: AdamW; appendix B: L2 instead).

    The gradient of L2, which is of kernels alone, is left to the caller.
    """
    kind = torch.optim.AdamW if config.optimizer == "adamw" else torch.optim.Adam
    capturable = isinstance(learning_rate, Tensor)
    return kind(
        [flat],
        lr=learning_rate,
        weight_decay=config.weight_decay if config.optimizer == "adamw" else 0.0,
        fused=True,
        capturable=capturable,
    )


@cache
def load_lazy_parts() -> None:
    """Make PyTorch load what it loads at the first step of an optimiser.

    This takes a second and 150 MB that are not those of the first training of a process.
    """
    parameter = nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    torch.optim.AdamW([parameter], fused=True).step()
