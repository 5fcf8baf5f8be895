"""How many threads a final training is fastest with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
import time

import torch

from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.loop import Training


# Steps that are timed with each number of threads.
_STEPS = 4


def with_threads(
    machine: MachineConfig, device: torch.device, start: Callable[[MachineConfig], Training]
) -> MachineConfig:
    """Return settings with the faster of one thread and all cores, if none are set.

    Small networks lose more than they win by a second thread, most of all where other work is
    done on the cores.

    Args:
        machine: The settings.
        device: Where the training will be.
        start: Makes a training to be timed.
    """
    cores = torch.get_num_threads()
    if machine.threads is not None or device.type != "cpu" or cores == 1:
        return machine
    seconds: dict[int, float] = {}
    for threads in (1, cores):
        run = start(replace(machine, threads=threads))
        begin = time.perf_counter()
        run.probe(_STEPS)
        seconds[threads] = time.perf_counter() - begin
    return replace(machine, threads=min(seconds, key=seconds.__getitem__))
