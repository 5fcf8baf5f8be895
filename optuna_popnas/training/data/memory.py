"""How much memory images may take."""

from __future__ import annotations

from collections.abc import Iterator
import os
from pathlib import Path


#: Set by whoever starts several workers on one machine: how many there are.
WORKERS = "POPNAS_WORKERS"

_CGROUPS = Path("/sys/fs/cgroup")


def memory_limit(limit: float | None) -> int:
    """Return how many bytes images may take: the limit given, or half of the free memory.

    Free is what the machine has, the control groups (v1 and v2) of a container or job grant and
    the address space allows, whichever is least; workers of one machine share it.

    Raises:
        ValueError: The limit is no number of bytes.
    """
    if limit is not None:
        if isinstance(limit, bool) or not isinstance(limit, (int, float)) or not limit >= 0:
            raise ValueError(
                f"`memory_limit` must be a number of bytes or None, but got {limit!r}. "
                "Write 2e9 for 2 GB."
            )
        return int(min(limit, 1 << 62))
    return max(min(_free()), 0) // 2 // workers_here()


def workers_here() -> int:
    """Return how many workers were started on this machine together with this one."""
    count = os.environ.get(WORKERS, "1")
    return max(int(count), 1) if count.isdecimal() else 1


def _free() -> Iterator[int]:
    yield 1 << 62
    available = _number("/proc/meminfo", "MemAvailable:")
    if available is not None:
        yield available * 1024
    elif hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    else:
        yield 1 << 33
    for line in _text("/proc/self/cgroup").splitlines():
        _, controllers, place = line.split(":", 2)
        if not controllers:
            yield from _granted(_CGROUPS, place, "memory.max", "memory.current", "inactive_file")
            yield from _granted(_CGROUPS, place, "memory.high", "memory.current", "inactive_file")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _granted(_CGROUPS / "memory", place, *names)
    try:
        import resource

        space = resource.getrlimit(resource.RLIMIT_AS)[0]
        if space != resource.RLIM_INFINITY:
            pages = _text("/proc/self/statm").split()
            yield space - (int(pages[0]) * resource.getpagesize() if pages else 0)
    except ImportError:  # Windows
        pass


def _granted(root: Path, place: str, limit: str, usage: str, cache: str) -> Iterator[int]:
    """Yield what a control group and those around it leave; file caches can be given up."""
    group = root / place.strip("/")
    for folder in (group, *group.parents):
        most, used = _number(folder / limit), _number(folder / usage)
        if most is not None:
            yield most - (used or 0) + (_number(folder / "memory.stat", cache) or 0)
        if folder == root:
            return


def _number(path: str | Path, name: str = "") -> int | None:
    """Return the number behind a name in a file, or the file's own; None if there is none."""
    for line in _text(path).splitlines():
        words = line.removeprefix(name).split()
        if line.startswith(name) and words and words[0].isdecimal():
            return int(words[0])
    return None


def _text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
