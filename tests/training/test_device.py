"""Devices, clocks and memory."""

from __future__ import annotations

import threading
import time

import pytest
import torch

from optuna_popnas.training import feed
from optuna_popnas.training import loop
from optuna_popnas.training.device import Clock
from optuna_popnas.training.device import cpu_threads
from optuna_popnas.training.device import device_name
from optuna_popnas.training.device import is_out_of_memory
from optuna_popnas.training.device import PeakMemory
from optuna_popnas.training.device import resolve_device
from optuna_popnas.training.device import shared_with_others


CPU = torch.device("cpu")


def spin(seconds: float) -> None:
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        pass


def test_clock_counts_work_not_waiting() -> None:
    clock = Clock(CPU)
    begin = clock.now()
    time.sleep(0.2)
    assert clock.now() - begin < 0.1
    spin(0.1)
    assert clock.now() - begin == pytest.approx(0.1, abs=0.08)
    assert clock.name == "process CPU seconds"


def test_clock_of_a_thread_leaves_other_threads_out() -> None:
    found: list[tuple[str, float]] = []

    def measure() -> None:
        clock = Clock(CPU, threads=1)
        begin = clock.now()
        time.sleep(0.15)
        found.append((clock.name, clock.now() - begin))

    worker = threading.Thread(target=measure)
    worker.start()
    spin(0.15)
    worker.join()
    name, seconds = found[0]
    assert name == "thread CPU seconds"
    assert seconds < 0.1


def test_threads_are_set_for_a_while() -> None:
    before = torch.get_num_threads()
    with cpu_threads(CPU, before + 1):
        assert torch.get_num_threads() == before + 1
        assert device_name(CPU).endswith(f"{before + 1} threads")
    assert torch.get_num_threads() == before
    with cpu_threads(CPU, None):
        assert torch.get_num_threads() == before


def test_peak_memory_sees_what_is_freed_again() -> None:
    memory = PeakMemory(CPU)
    block = torch.ones(50_000_000 // 4)
    del block
    assert memory.read() >= 45_000_000


def test_errors_that_mean_no_memory() -> None:
    assert is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory."))
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shape mismatch"))
    assert not is_out_of_memory(ValueError("out of memory"))
    with pytest.raises(RuntimeError) as error:
        torch.empty(1 << 60)
    assert is_out_of_memory(error.value)


def test_devices() -> None:
    assert resolve_device("cpu") == CPU
    assert resolve_device(None).type in ("cpu", "cuda")
    assert shared_with_others(CPU) is None
    with pytest.raises(ValueError, match='`device` must be "cpu", "cuda" or "mps", but got'):
        resolve_device("meta")
    with pytest.raises(ValueError, match='`device` must be "cpu", "cuda", "cuda:0" or "mps"'):
        resolve_device("gpu")


def test_apples_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pages named it, and it was refused."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ValueError, match="is Apple's GPU, but PyTorch sees none"):
        resolve_device("mps")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    device = resolve_device("mps")
    assert device_name(device).startswith("mps: ")
    assert Clock(device).name == "synchronised wall seconds"
    for table in (feed._CHUNK, loop._VALIDATION_PIXELS):
        assert set(table) == {"cpu", "cuda", "mps"}
