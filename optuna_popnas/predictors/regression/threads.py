"""Work on parts of the candidates at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
import os


_ROWS = 1 << 12
_MOST_THREADS = 8


def for_parts(function: Callable[[slice], None], count: int) -> None:
    """Call a function for all parts of ``count`` rows, on all cores.

    NumPy lets go of Python's lock, so threads do. Each product runs on one thread: a result does
    not depend on how many there are.

    Args:
        function: Works on the rows of a slice; what it returns is dropped.
        count: Number of rows.
    """
    parts = [slice(start, min(start + _ROWS, count)) for start in range(0, count, _ROWS)]
    if len(parts) < 2:
        for part in parts:
            function(part)
        return
    with one_blas_thread(), ThreadPoolExecutor(cores()) as pool:
        for _ in pool.map(function, parts):
            pass


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let each product run on one thread: the same sums everywhere, and faster if small."""
    import scipy.linalg  # brings a BLAS of its own, which must be there to be limited  # noqa: F401
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(1, user_api="blas"):
        yield


def cores() -> int:
    """Return how many threads to use: one per core that this process may run on, 8 at most."""
    if hasattr(os, "sched_getaffinity"):
        return min(len(os.sched_getaffinity(0)), _MOST_THREADS)
    return min(os.cpu_count() or 1, _MOST_THREADS)
