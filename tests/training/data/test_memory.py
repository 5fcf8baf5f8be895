"""How much memory images may take, and what is read in parts beyond that."""

from __future__ import annotations

from pathlib import Path
import resource
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from optuna_popnas.training.data import memory
from optuna_popnas.training.data.load import load_dataset


LABELS = np.arange(40) % 2


def test_memory_limit_holds_for_arrays_and_npz(tmp_path: Path) -> None:
    """Only image files were read one by one."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 4000, (40, 16, 16))
    whole = load_dataset((images, LABELS), image_size=8)
    lazy = load_dataset((images, LABELS), image_size=8, memory_limit=1000)
    assert whole.in_memory and not lazy.in_memory
    np.testing.assert_array_equal(lazy.images[7], whole.images[7])
    assert lazy.fingerprint == whole.fingerprint
    path = tmp_path / "x.npz"
    np.savez(path, X=images, y=LABELS)
    mapped = load_dataset(path, image_size=8, memory_limit=1000)
    assert isinstance(vars(mapped.images)["_images"].base, np.memmap)
    for index in (0, 39):
        np.testing.assert_array_equal(mapped.images[index], whole.images[index])
    assert mapped.fingerprint == load_dataset(path, image_size=8).fingerprint == whole.fingerprint
    np.savez_compressed(path, X=images, y=LABELS)
    with pytest.raises(ValueError, match="'X.npy' takes 0.0 GB .* numpy.savez, which does not"):
        load_dataset(path, memory_limit=1000)


@pytest.mark.parametrize(
    "group, files, free",
    [
        (
            "0::/a/b",
            {"a/b/memory.max": "max", "a/memory.max": "1000", "a/memory.current": "200"},
            800,
        ),
        (
            "0::/",
            {
                "memory.max": "1000",
                "memory.current": "700",
                "memory.stat": "anon 1\ninactive_file 500",
            },
            800,
        ),
        (
            "9:cpu,memory:/job",
            {"memory/job/memory.limit_in_bytes": "900", "memory/job/memory.usage_in_bytes": "100"},
            800,
        ),
        # Within a container the group's path is the host's.
        ("4:memory:/docker/x", {"memory/memory.limit_in_bytes": "800"}, 800),
    ],
)
def test_memory_of_control_groups(
    tmp_path: Path, monkeypatch: Any, group: str, files: dict[str, Any], free: int
) -> None:
    """The machine's memory was taken for that of the container or job."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(str(text))
    read = memory._text
    monkeypatch.setattr(
        memory, "_text", lambda path: group if str(path) == "/proc/self/cgroup" else read(path)
    )
    monkeypatch.setattr(memory, "_CGROUPS", tmp_path)
    assert memory.memory_limit(None) == free // 2
    monkeypatch.setenv(memory.WORKERS, "4")
    assert memory.memory_limit(None) == free // 8
    assert memory.memory_limit(123) == 123


def test_memory_of_an_address_space() -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 31, 1 << 31))\n"
        "from optuna_popnas.training.data.memory import memory_limit; print(memory_limit(None))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < int(out.stdout) <= 1 << 30
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY
