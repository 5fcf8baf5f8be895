"""An operator of your own: name, module, and (if you like) what it costs."""

import optuna
import torch
from torch import nn

import optuna_popnas as popnas
from optuna_popnas.study import front
from optuna_popnas.study import view_study


class GatedConv(nn.Module):
    """A convolution that is scaled, channel by channel, by what it saw on average."""

    def __init__(self, kernel: int, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2)
        self.norm = nn.BatchNorm2d(out_channels, eps=1e-3)
        self.gate = nn.Conv2d(out_channels, out_channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (N, in_channels, H, W) to (N, out_channels, H / stride, W / stride)."""
        y = nn.functional.silu(self.norm(self.conv(x)))
        return y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))


def build_gated(
    kernel: tuple[int, ...], in_channels: int, out_channels: int, stride: int
) -> nn.Module:
    return GatedConv(kernel[0], in_channels, out_channels, stride)


# The groups of the pattern are the kernel. Without a cost function, costs are measured.
popnas.register_operator(r"([0-9]+)x\1 gated", build_gated, name="gated", example="3x3 gated")

space = popnas.SearchSpace(operators=["identity", "3x3 conv", "3x3 gated"], max_blocks=2)
objective = popnas.TrainingObjective(
    space,
    popnas.load_dataset("digits", samples=600),
    network=popnas.NetworkConfig(motifs=2, normal_cells=1, filters=8),
    training=popnas.TrainingConfig(epochs=3, flip=False),
)
optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    directions=["maximize", "minimize"],
    sampler=popnas.POPNASSampler(space, budget_seconds=10, seed=0),
)
study.optimize(objective)
for trial in front(view_study(study).trials):
    print(f"accuracy {trial.accuracy:.3f}, {trial.seconds:.2f} s: {trial.cell}")
