"""What a training computes with: number formats, random numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import threading

import numpy as np
import torch

from optuna_popnas.training.config import MachineConfig


#: Held by who reads or writes PyTorch's global generators.
GLOBALS = threading.RLock()


def epoch_seed(seed: int, epoch: int) -> int:
    """Return the seed of one epoch's random numbers."""
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)
    return int(state[0] >> np.uint64(1))


@contextmanager
def seeded_globals(seed: int, device: torch.device | None = None) -> Iterator[None]:
    """Seed PyTorch's global generators within the block; put them back afterwards.

    Threads of a process share them: whoever must not be disturbed holds :data:`GLOBALS`.
    """
    cuda = device is not None and device.type == "cuda"
    with GLOBALS:
        state = torch.default_generator.get_state()
        cuda_state = torch.cuda.get_rng_state(device) if cuda and device is not None else None
        torch.default_generator.manual_seed(seed)
        if cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
    try:
        yield
    finally:
        with GLOBALS:
            torch.default_generator.set_state(state)
            if cuda_state is not None and device is not None:
                torch.cuda.set_rng_state(cuda_state, device)


def precision(machine: MachineConfig, device: torch.device) -> torch.dtype:
    """Return the type that the network computes with."""
    if device.type != "cuda" or machine.precision == "float32":
        return torch.float32
    if machine.precision == "auto":
        # Since Ampere, GPUs compute with bfloat16; before, it is emulated.
        modern = torch.cuda.get_device_capability(device)[0] >= 8
        return torch.bfloat16 if modern else torch.float32
    return torch.bfloat16 if machine.precision == "bfloat16" else torch.float16
