"""What a training runs on: its name, its clock, its memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import ctypes
from functools import cache
import os
import platform
import sys
import threading
import time

import torch

from optuna_popnas._failures import MachineFailure


_GIB = 1 << 30


def resolve_device(device: str | torch.device | None) -> torch.device:
    """Return the device: the first CUDA device if there is one and none is named, else the CPU.

    Raises:
        ValueError: There is no such device.
    """
    if device is None:
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError:
        raise ValueError(
            f'`device` must be "cpu", "cuda", "cuda:0" or "mps", but got {device!r}.'
        ) from None
    if resolved.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        index = resolved.index or 0
        if index >= count:
            seen = f"{count} CUDA device{'' if count == 1 else 's'}" if count else "no CUDA device"
            raise ValueError(
                f"`device` must be one that PyTorch sees, which is {seen}, but got "
                f'{str(device)!r}. Use "cpu" or check the driver and CUDA_VISIBLE_DEVICES.'
            )
        return torch.device("cuda", index)
    if resolved.type == "mps" and not torch.backends.mps.is_available():
        raise ValueError('`device` "mps" is Apple\'s GPU, but PyTorch sees none. Use "cpu".')
    if resolved.type not in ("cpu", "mps"):
        raise ValueError(f'`device` must be "cpu", "cuda" or "mps", but got {str(device)!r}.')
    return resolved


def device_name(device: torch.device, threads: int | None = None) -> str:
    """Return a name that is the same for devices of equal speed: ``"cpu: AMD EPYC, 1 thread"``.

    Args:
        device: The device.
        threads: Threads of a training, on a CPU; PyTorch's current setting if left out.
    """
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    if device.type == "mps":
        return f"mps: {_cpu_model()}"
    count = threads or torch.get_num_threads()
    return f"cpu: {_cpu_model()}, {count} thread{'s' if count > 1 else ''}"


@cache
def _cpu_model() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.lower().startswith(("model name", "cpu model")):
                    return " ".join(line.split(":", 1)[1].split())
    except OSError:
        pass
    return platform.processor() or platform.machine() or "unknown"


class Clock:
    """Seconds of work on a device (Sec. 4.4).

    On CUDA: wall seconds; the device is synchronised before the clock is read. On a CPU: CPU
    seconds of this process, which other processes hardly disturb. Where trainings run in threads
    of one process, each with one thread of its own, CPU seconds of that thread.

    Args:
        device: The device.
        threads: Threads that a training on a CPU uses.
    """

    def __init__(self, device: torch.device, threads: int | None = None) -> None:
        self._device = device
        alone = threading.current_thread() is threading.main_thread()
        if device.type != "cpu":
            self.name = "synchronised wall seconds"
            self._read = time.perf_counter
        elif alone or (threads or torch.get_num_threads()) > 1:
            self.name = "process CPU seconds"
            self._read = time.process_time
        else:
            self.name = "thread CPU seconds"
            self._read = time.thread_time

    def now(self) -> float:
        """Return the seconds since some moment, after all work that was started is done."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()
        return self._read()


@contextmanager
def cpu_threads(device: torch.device, threads: int | None) -> Iterator[None]:
    """Use this many threads for PyTorch's operators on a CPU within the block."""
    before = torch.get_num_threads()
    if device.type != "cpu" or threads is None or threads == before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class PeakMemory:
    """The most memory that a piece of work took, in bytes beyond what was in use before.

    On CUDA this is what PyTorch allocated for tensors. On a CPU it is the growth of the
    process's resident memory (Linux; elsewhere, the largest ever of the process).

    Args:
        device: The device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._before = 0
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self._before = torch.cuda.memory_allocated(device)
        elif _reset_peak():
            self._before = _status_bytes("VmRSS:") or 0

    def read(self) -> int:
        """Return the peak since this object was made."""
        if self._device.type == "cuda":
            return max(torch.cuda.max_memory_allocated(self._device) - self._before, 0)
        peak = _status_bytes("VmHWM:")
        if peak is None:
            import resource

            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
                1 if sys.platform == "darwin" else 1024
            )
        return max(peak - self._before, 0)


def _reset_peak() -> bool:
    try:
        # Freed memory that the allocator keeps would hide what the next training takes.
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        pass
    try:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")
    except OSError:
        return False
    return True


def _status_bytes(key: str) -> int | None:
    try:
        with open("/proc/self/status") as lines:
            for line in lines:
                if line.startswith(key):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def shared_with_others(device: torch.device) -> str | None:
    """Say so if another process uses much of a CUDA device's memory, else return None.

    Its work would be part of this training's seconds.
    """
    if device.type != "cuda":
        return None
    free, total = torch.cuda.mem_get_info(device)
    # What this process reserved, and about half a GiB for its CUDA context, are its own.
    others = total - free - torch.cuda.memory_reserved(device) - _GIB // 2
    if others < _GIB:
        return None
    return (
        f"Another process holds about {others / _GIB:.1f} GiB of {device_name(device)!r}: times "
        "that are measured on a shared device are not comparable. Use one process per device."
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that a tensor found no memory."""
    kind = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)
    if isinstance(error, (kind, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "can't allocate memory" in text or "out of memory" in text
    )


def is_machine_failure(error: BaseException) -> bool:
    """Whether an exception tells of a disk, data or device that fails, whatever the cell."""
    if isinstance(error, (MachineFailure, OSError)):
        return True
    # After an error of CUDA itself nothing works on the device until the process ends.
    text = str(error)
    return isinstance(error, RuntimeError) and (
        text.startswith("CUDA error") or "CUDNN_STATUS" in text or "NVML" in text
    )


def release_memory(device: torch.device) -> None:
    """Give unused memory back after an error."""
    import gc

    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()


def affinity() -> int:
    """Return how many CPU cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1
