"""``optuna-popnas checks``: what to put into a bug report."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from json import dumps
import os
import platform
import shutil
import sys
import tempfile
from typing import Any

from optuna_popnas._version import __version__
from optuna_popnas.cli.launch import default_workers
from optuna_popnas.cli.launch import visible_gpus
from optuna_popnas.cli.storages import LOOK
from optuna_popnas.cli.storages import mask_password
from optuna_popnas.cli.storages import open_storage
from optuna_popnas.cli.storages import storage_file
from optuna_popnas.cli.storages import storage_url
from optuna_popnas.cli.storages import StorageError
from optuna_popnas.cli.storages import study_names


_PACKAGES = (
    "optuna", "torch", "torchvision", "numpy", "scipy", "scikit-learn", "catboost", "plotly",
    "optuna-dashboard", "onnx", "onnxruntime", "ray", "psycopg", "pymysql", "grpcio", "xgboost",
)  # fmt: skip


def run(*, storage: str | None = None, json: bool = False) -> int:
    """Say what this machine has: versions, processor, GPU, memory, storage.

    Nothing is written. Put it into a bug report; passwords are hidden.

    Args:
        storage: A storage to look into; ``$POPNAS_STORAGE``, or sqlite:///popnas.db, if left out.

    Examples:
        optuna-popnas checks
    """
    rows, problems = this_machine(storage_url(storage))
    if json:
        print(dumps({**rows, "problems": problems}, indent=2))
    else:
        width = max(map(len, rows))
        for name, value in rows.items():
            print(f"{name:<{width}}  {value}")
        for problem in problems:
            print(f"\nproblem: {problem}")
        if not problems:
            print("\nAll is well.")
    return 1 if problems else 0


def this_machine(url: str) -> tuple[dict[str, Any], list[str]]:
    """Return what this machine has, by name, and what is wrong with it."""
    problems: list[str] = []
    rows: dict[str, Any] = {
        "optuna-popnas": __version__,
        "python": f"{platform.python_version()}, {sys.executable}",
        "system": f"{platform.system()} {platform.release()}, {platform.machine()}",
    }
    for package in _PACKAGES:
        try:
            rows[package] = version(package)
        except PackageNotFoundError:
            continue
    rows["cores"] = default_cores()
    rows["memory"] = _memory()
    rows["disk"] = f"{shutil.disk_usage('.').free / 1e9:.1f} GB free here"
    try:
        with tempfile.TemporaryFile():
            rows["temporary files"] = tempfile.gettempdir()
    except OSError as error:
        problems.append(f"temporary files cannot be written: {error}")
    rows |= _devices(problems)
    rows["workers"] = f"{default_workers(visible_gpus())} if left out"
    rows["storage"] = _storage(url, problems)
    return rows, problems


def default_cores() -> int:
    """Return the cores that this process may use."""
    return (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )


def _memory() -> str:
    try:
        size = os.sysconf("SC_PAGE_SIZE")
        total, free = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return "not known"
    return f"{total * size / 1e9:.1f} GB, {free * size / 1e9:.1f} GB free"


def _devices(problems: list[str]) -> dict[str, Any]:
    """Return what PyTorch trains with; it computes a sum on each device."""
    import torch

    rows: dict[str, Any] = {"torch threads": torch.get_num_threads()}
    names = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        names.append("mps")
    for name in names:
        try:
            torch.ones(8, device=name).sum().item()
        except RuntimeError as error:
            problems.append(f"{name} cannot be used: {str(error).splitlines()[0]}")
        title = torch.cuda.get_device_name(name) if name.startswith("cuda") else "Apple GPU"
        rows[name] = title
    if not names:
        rows["GPU"] = "none"
        if visible_gpus():
            problems.append("there is a GPU, but this PyTorch was built without CUDA")
    return rows


def _storage(url: str, problems: list[str]) -> str:
    where = mask_password(url)
    file = storage_file(url)
    if file is not None and not file.exists():
        return f"{where} (not begun)"
    try:
        names = study_names(open_storage(url, patience=LOOK), url)
    except (ValueError, StorageError) as error:
        problems.append(str(error))
        return where
    return f"{where}: {', '.join(names) or 'no study'}"
