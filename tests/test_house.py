"""The rooms of the house: who may know whom, and that the guards notice when one does more."""

from __future__ import annotations

import json
from pathlib import Path
import re
import shutil
import subprocess
import sys

import pytest

import optuna_popnas
from tests import house


ROOT = Path(optuna_popnas.__file__).parent

# All arrows there are; one more or one less is a decision, written down here.
ARROWS: dict[str, set[str]] = {
    "space": set(),
    "networks": {"space"},
    "predictors": {"space", "networks"},  # costs as features, computed without PyTorch
    "search": {"space", "predictors"},
    "training": {"space", "networks"},
    "sampler": {"space", "predictors", "search"},
    "study": {"space", "predictors", "search", "sampler"},
    "objective": {
        "space", "networks", "predictors", "search", "training", "sampler", "study",
    },
    "visualization": {"space", "networks", "predictors", "search", "sampler", "study"},
    "cli": set(house.ROOMS) - {"cli"},
}  # fmt: skip

# All libraries that a room imports, lazily or not; "" is the package's front.
LIBRARIES: dict[str, set[str]] = {
    "": {"lazy_loader"},
    "space": {"numpy"},
    "networks": {"lazy_loader", "numpy", "torch"},
    "predictors": {
        "catboost", "lazy_loader", "numpy", "scipy", "sklearn", "threadpoolctl", "torch",
        "xgboost",
    },
    "search": {"numpy", "scipy"},
    "training": {
        "PIL", "lazy_loader", "numpy", "onnxruntime", "safetensors", "sklearn",
        "torch", "torchvision",
    },
    "sampler": {"numpy", "optuna"},
    "study": {"numpy", "optuna"},
    "objective": {"lazy_loader", "numpy", "optuna", "torch", "tqdm"},
    "visualization": {"jinja2", "lazy_loader", "numpy", "optuna", "optuna_dashboard", "plotly"},
    "cli": {
        "docstring_parser", "jsonargparse", "numpy", "optuna", "scipy", "sqlalchemy", "tomli",
        "torch", "tqdm",
    },
}  # fmt: skip

# What takes long to load or belongs to others, and who has it once he is loaded.
HEAVY = {"catboost", "jinja2", "optuna", "plotly", "sklearn", "torch", "torchvision", "xgboost"}
LOADED: dict[str, set[str]] = {
    "space": set(),
    "networks": {"torch"},
    "predictors": set(),
    "search": set(),
    "training": {"torch"},
    "sampler": {"optuna"},
    "study": {"optuna"},
    "objective": {"optuna", "torch"},
    "visualization": {"optuna", "plotly"},
    "cli": {"optuna", "torch"},
}
# Rooms that the package's front loads, whatever is asked for.
FRONT = {"", "space", "predictors", "search"}
TORCH_FILES = {f"predictors/{name}.py" for name in ("lstm", "lstm_network", "lstm_prediction")}


def problems(root: Path) -> list[str]:
    """Return all that is wrong with the imports and lengths of a package."""
    found = [f"up: {item}" for item in house.upward(root)]
    found += [f"circle: {' '.join(group)}" for group in house.circles(root)]
    for room, rooms in house.arrows(root).items():
        found += [f"arrow: {room} -> {there}" for there in sorted(rooms ^ ARROWS[room])]
    for room, names in house.libraries(root).items():
        found += [f"library: {room} {name}" for name in sorted(names ^ LIBRARIES.get(room, set()))]
    knows = {file for file in house.importers(root, "torch") if file.startswith("predictors/")}
    found += [f"torch: {file}" for file in sorted(knows ^ TORCH_FILES)]
    return found + [f"long: {item}" for item in house.long_ones(root)]


def test_the_house_is_in_order() -> None:
    assert problems(ROOT) == []


def test_tests_are_short_enough_to_read() -> None:
    assert house.long_ones(ROOT.parent / "tests") == []


def test_bans_are_lifted_for_the_files_that_need_it() -> None:
    text = (ROOT.parent / "pyproject.toml").read_text()
    lifted = set(re.findall(r'^"optuna_popnas/([^"]+)" = \["TID251"\]', text, flags=re.M))
    assert lifted == house.importers(ROOT, "optuna") | house.importers(ROOT, "torch")


# What a fresh interpreter loads with each module: one child per module, forked when nothing but
# the libraries that the room may know is there.
_LOADER = """
import importlib, json, os, sys
found = {}
for name in sys.argv[1].split():
    importlib.import_module(name)
for name in sys.argv[2:]:
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        importlib.import_module(name)
        with os.fdopen(writing, "w") as stream:
            json.dump(sorted(sys.modules), stream)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    assert os.waitpid(child, 0)[1] == 0, name
    found[name] = json.loads(text)
print(json.dumps(found))
"""


def loaded(root: Path, room: str, *modules: str) -> list[str]:
    """Return what the modules of a room load and may not."""
    names = modules or tuple(
        ".".join((house.NAME, *path.relative_to(root).with_suffix("").parts)).removesuffix(
            ".__init__"
        )
        for path in house.files(root / room)
    )
    result = subprocess.run(
        [sys.executable, "-c", _LOADER, " ".join(sorted(LOADED[room])), *names],
        capture_output=True,
        text=True,
        cwd=root.parent,
        env={"PYTHONPATH": str(root.parent), "PATH": "/usr/bin:/bin"},
    )
    assert result.returncode == 0, result.stderr[-2000:]
    rooms, wrong = {room}, []
    while True:  # all rooms that lie along the arrows
        more = rooms.union(*(ARROWS[there] for there in rooms))
        if more == rooms:
            break
        rooms = more
    for name, seen in json.loads(result.stdout).items():
        file = name.removeprefix(f"{house.NAME}.").replace(".", "/") + ".py"
        libraries = LOADED[room] | ({"torch"} if file in TORCH_FILES else set())
        if "torch" in libraries:
            libraries = libraries | {"torchvision"}
        tops = {module.split(".")[0] for module in seen}
        inner = {house.room_of(m.partition(".")[2]) for m in seen if m.startswith(house.NAME)}
        wrong += [f"{name} loads {item}" for item in sorted((tops & HEAVY) - libraries)]
        wrong += [f"{name} loads {item}" for item in sorted(inner - rooms - FRONT)]
    return wrong


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="needs fork")
@pytest.mark.parametrize("room", house.ROOMS)
def test_modules_load_only_what_their_room_may_know(room: str) -> None:
    assert loaded(ROOT, room) == []


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package once more, to be spoilt."""
    root = tmp_path / house.NAME
    shutil.copytree(ROOT, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.mark.parametrize(
    ("file", "text", "problem"),
    [
        ("space/cell.py", "from optuna_popnas.sampler import facts", "up: space/cell.py"),
        ("space/batch.py", "def f():\n    import optuna_popnas.visualization", "up: space/batch"),
        (
            "predictors/base.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
            "    from optuna_popnas.search.plan import Plan",
            "up: predictors/base.py",
        ),
        ("space/cell.py", "from optuna_popnas import POPNASSampler", "up: space/cell.py"),
        ("search/plan.py", "import optuna_popnas", "up: search/plan.py -> the front"),
        ("search/plan.py", "from optuna_popnas.networks import cost", "arrow: search -> networks"),
        ("space/cell.py", "from optuna_popnas.space.batch import CellBatch", "circle: space/ba"),
        ("networks/config.py", "import optuna", "library: networks optuna"),
        ("predictors/features/reindex.py", "def f():\n    import torch", "torch: predictors/feat"),
        ("space/cell.py", "x = 1\n" * 400, "long: space/cell.py"),
        ("space/cell.py", "def f():\n" + "    x = 1\n" * 90, "long: space/cell.py: f has 91"),
    ],
)
def test_the_guards_notice(copy: Path, file: str, text: str, problem: str) -> None:
    path = copy / file
    path.write_text(f"{path.read_text()}\n\n{text}\n")
    assert any(item.startswith(problem) for item in problems(copy)), problems(copy)


def test_the_list_of_arrows_may_not_be_wider_than_the_code(copy: Path) -> None:
    for path in (copy / "predictors").rglob("*.py"):
        path.write_text(path.read_text().replace("optuna_popnas.networks", "optuna_popnas.space"))
    assert "arrow: predictors -> networks" in problems(copy)


@pytest.mark.skipif(not hasattr(sys, "getdlopenflags"), reason="needs fork")
def test_what_a_module_loads_is_noticed(copy: Path) -> None:
    (copy / "space" / "more.py").write_text('"""More."""\n\n__import__("optuna_popnas.study")\n')
    wrong = loaded(copy, "space", f"{house.NAME}.space.more", f"{house.NAME}.space.cell")
    assert f"{house.NAME}.space.more loads optuna" in wrong
    assert f"{house.NAME}.space.more loads sampler" in wrong
    assert not any(item.startswith(f"{house.NAME}.space.cell") for item in wrong)
