"""Kernels in C for training small networks on a CPU.

A network of 8 channels on 8 x 8 pixels keeps a core busy with moving data and with vectors that
are half empty. These kernels do the same sums, batch normalisation with SiLU in one
go, and are built by the machine's C compiler when they are first used. Where there is none,
PyTorch's kernels are used.
"""

from optuna_popnas.training.kernels.fusion import Fusion
from optuna_popnas.training.kernels.library import find_library
from optuna_popnas.training.kernels.library import KernelsUnavailable
from optuna_popnas.training.kernels.library import load_library


__all__ = ["Fusion", "KernelsUnavailable", "find_library", "load_library"]
