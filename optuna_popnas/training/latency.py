"""How long a trained network takes to answer."""

from __future__ import annotations

import statistics

import torch
from torch import nn

from optuna_popnas.training.device import Clock
from optuna_popnas.training.device import cpu_threads


_WARM_UP = 3
_RUNS = 30
_SECONDS = 1.0


def measure_latency(
    network: nn.Module,
    image_shape: tuple[int, int, int],
    *,
    batch: int = 1,
    device: torch.device,
    threads: int | None = 1,
) -> float:
    """Return the seconds that a network takes for one batch on a device.

    The network runs as users run it: in evaluation mode, in float32. The median of 30 runs, or
    of as many as fit in a second (at least 5), after a warm-up.

    Args:
        network: It is moved to the device.
        image_shape: ``(C, H, W)``.
        batch: Images per batch.
        device: The device that the latency is wanted for.
        threads: Threads, on a CPU.
    """
    network = network.to(device).eval()
    images = torch.rand((batch, *image_shape), device=device)
    clock = Clock(device, threads)
    times: list[float] = []
    with cpu_threads(device, threads), torch.inference_mode():
        for _ in range(_WARM_UP):
            network(images)
        while len(times) < 5 or (len(times) < _RUNS and sum(times) < _SECONDS):
            begin = clock.now()
            network(images)
            times.append(clock.now() - begin)
    return statistics.median(times)
