"""Who keeps the workers of a search on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import hashlib
import os
from pathlib import Path
import tempfile
import time


_POLL = 0.2  # seconds


class AtWork(Exception):
    """Another keeper's workers are at work on this study, on this machine.

    Attributes:
        process: That keeper's process.
    """

    def __init__(self, process: int) -> None:
        super().__init__(process)
        self.process = process


@contextmanager
def only_keeper(storage: str, study: str, *, patience: float = 60.0) -> Iterator[None]:
    """Be the only keeper of this study's workers on this machine, with these GPUs.

    The lock passes on to the workers, so that it holds until the last of them has ended.

    Args:
        storage: URL of the storage.
        study: Name of the study.
        patience: Seconds to wait for workers whose keeper is gone.

    Raises:
        AtWork: There is another one.
    """
    if "SLURM_JOB_ID" in os.environ:  # tasks of a job may share a machine
        yield
        return
    try:
        import fcntl

        file = open(_lock_file(storage, study), "a+b")
    except (ImportError, OSError):  # a safeguard, not a must
        yield
        return
    with file:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                file.seek(0)
                keeper = int(file.read().strip() or 0)
                if is_alive(keeper) or time.monotonic() > deadline:
                    raise AtWork(keeper) from None
            time.sleep(_POLL)
        file.truncate(0)
        file.write(str(os.getpid()).encode())
        file.flush()
        os.set_inheritable(file.fileno(), True)
        yield


def _lock_file(storage: str, study: str) -> Path:
    scheme, _, rest = storage.partition(":///")
    where = f"{scheme}:///{os.path.realpath(rest)}" if rest else storage
    key = "\n".join([where, study, os.environ.get("CUDA_VISIBLE_DEVICES", "")])
    user = os.getuid() if hasattr(os, "getuid") else ""
    folder = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
    folder = folder / f"optuna-popnas-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and folder.lstat().st_uid != user:
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.lock"


def is_alive(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return process > 0
