"""Building and loading the compiled kernels."""

from __future__ import annotations

import ctypes
from functools import cache
import hashlib
import os
from pathlib import Path
import platform
import shlex
import shutil
import subprocess
import tempfile

import optuna


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

_FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-shared", "-ffp-contract=fast")
# The first set of flags that the compiler takes.
_TUNING = (("-march=native",), ("-mcpu=native",), ())
_SECONDS = 120

_POINTER = ctypes.c_void_p
_SIZE = ctypes.c_int64
_FLOAT = ctypes.c_float


class Shape(ctypes.Structure):
    """The C structure ``Shape`` of ``kernels.h``."""

    _fields_ = [
        (name, _SIZE)
        for name in (
            "n", "h", "w", "c", "oh", "ow", "oc", "kh", "kw", "stride", "top", "left", "groups",
        )
    ]  # fmt: skip


# Function -> its argument types; those of convolutions return 1 if there is no memory.
_SHAPE = ctypes.POINTER(Shape)
_CHECKED = dict.fromkeys(
    (
        "conv_forward",
        "conv_backward_input",
        "conv_backward_weights",
        "depthwise_forward",
        "depthwise_backward_input",
        "depthwise_backward_weights",
    ),
    (_SHAPE, _POINTER, _POINTER, _POINTER),
)
_UNCHECKED = {
    "norm_forward": (*(_POINTER,) * 9, _SIZE, _SIZE, _FLOAT, _FLOAT),
    "norm_evaluate": (*(_POINTER,) * 7, _SIZE, _SIZE, _FLOAT),
    "norm_backward": (*(_POINTER,) * 9, _SIZE, _SIZE),
    "max_forward": (_SHAPE, _POINTER, _POINTER),
    "max_backward": (_SHAPE, _POINTER, _POINTER, _POINTER, _POINTER),
    "average_forward": (_SHAPE, _POINTER, _POINTER),
    "average_backward": (_SHAPE, _POINTER, _POINTER),
}


class KernelsUnavailable(RuntimeError):
    """The kernels cannot be built or loaded on this machine."""


@cache
def load_library() -> ctypes.CDLL:
    """Return the kernels, built for this machine if that has not been done before.

    The library is kept in ``$XDG_CACHE_HOME/optuna_popnas`` or ``~/.cache/optuna_popnas``.

    Raises:
        KernelsUnavailable: There is no C compiler, it fails, or its product cannot be loaded.
    """
    compiler = _compiler()
    sources = sorted(Path(__file__).parent.glob("*.[ch]"))
    text = b"".join(path.read_bytes() for path in sources)
    facts = (text, repr(_FLAGS).encode(), _version(compiler), _machine())
    name = f"kernels-{hashlib.sha256(b'|'.join(facts)).hexdigest()[:20]}.so"
    for folder in _folders():
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = folder / name
            if not path.is_file():
                _build(compiler, [p for p in sources if p.suffix == ".c"], path)
            library = ctypes.CDLL(str(path))
        except OSError as error:
            reason = f"{folder}: {error}"
            continue
        for function, arguments in {**_CHECKED, **_UNCHECKED}.items():
            getattr(library, function).argtypes = arguments
            getattr(library, function).restype = ctypes.c_int if function in _CHECKED else None
        return library
    raise KernelsUnavailable(f"Compiled kernels cannot be loaded ({reason}).")


@cache
def find_library() -> ctypes.CDLL | None:
    """Return the kernels, or None where they are not available; the reason is logged once."""
    try:
        return load_library()
    except KernelsUnavailable as error:
        _logger.info(f"{error} Networks are trained with PyTorch's own kernels.")
        return None


def _compiler() -> list[str]:
    chosen = os.environ.get("CC")
    if chosen:
        return shlex.split(chosen)
    for name in ("cc", "gcc", "clang"):
        path = shutil.which(name)
        if path is not None:
            return [path]
    raise KernelsUnavailable("Compiled kernels need a C compiler, but there is none.")


def _version(compiler: list[str]) -> bytes:
    try:
        return subprocess.run(
            [*compiler, "--version"], capture_output=True, timeout=_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise KernelsUnavailable(f"The C compiler cannot be run ({error}).") from None


def _machine() -> bytes:
    """Return what the machine code is tuned for."""
    try:
        with open("/proc/cpuinfo", "rb") as lines:
            for line in lines:
                if line.startswith((b"flags", b"Features")):
                    return line
    except OSError:
        pass
    return f"{platform.machine()} {platform.processor()}".encode()


def _folders() -> list[Path]:
    cache_home = os.environ.get("XDG_CACHE_HOME")
    home = Path(cache_home) if cache_home else Path.home() / ".cache"
    return [home / "optuna_popnas", _private_folder()]


@cache
def _private_folder() -> Path:
    """Return a folder of this process, for a home that cannot be written to."""
    return Path(tempfile.mkdtemp(prefix="optuna_popnas_"))


def _build(compiler: list[str], sources: list[Path], path: Path) -> None:
    error = ""
    for tuning in _TUNING:
        # Another worker may build the same file: whoever is last puts an equal one in its place.
        handle, target = tempfile.mkstemp(suffix=".so", dir=path.parent)
        os.close(handle)
        command = [*compiler, *_FLAGS, *tuning, "-o", target, *map(str, sources), "-lm"]
        try:
            subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True)
            os.replace(target, path)
            return
        except subprocess.CalledProcessError as failure:
            error = failure.stderr.decode(errors="replace").strip()
        except subprocess.SubprocessError as failure:
            error = str(failure)
        finally:
            Path(target).unlink(missing_ok=True)
    lines = error.splitlines() or ["no message"]
    first = next((line for line in lines if "error" in line), lines[0])
    raise KernelsUnavailable(f"Compiled kernels cannot be built ({first}).")
