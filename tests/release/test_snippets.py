"""What README and docs show is run; the commands, flags, paths and links that they name exist."""

from __future__ import annotations

from pathlib import Path
import re
from typing import Any

import numpy as np
import optuna
from PIL import Image
import pytest

import optuna_popnas as popnas
from optuna_popnas.cli import COMMANDS
from optuna_popnas.cli import parser_of
from optuna_popnas.space import operators
from tests.release.snippets import commands
from tests.release.snippets import PAGES
from tests.release.snippets import ROOT
from tests.release.snippets import shortened
from tests.release.snippets import snippets


_PATH = re.compile(r"(?<![\w/.:-])((?:benchmarks|docs|examples|optuna_popnas|tests)/[\w/.-]+\w)")
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def photos(folder: Path) -> None:
    """Make a folder of small images, bright and dark ones."""
    rng = np.random.default_rng(0)
    for name, low in (("cat", 150), ("dog", 0)):
        (folder / name).mkdir(parents=True)
        for index in range(30):
            pixels = rng.integers(low, low + 100, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")


@pytest.fixture(scope="module")
def names() -> dict[str, Any]:
    """What snippets take for granted: a study, data, a model."""
    space = popnas.SearchSpace(["identity", "3x3 conv"], max_blocks=2)
    network = popnas.NetworkConfig(motifs=1, normal_cells=1, filters=2)
    data = popnas.load_dataset("digits", samples=200)
    objective = popnas.TrainingObjective(
        space, data, network=network, training=popnas.TrainingConfig(epochs=3, flip=False)
    )
    study = optuna.create_study(
        study_name="digits",
        storage=optuna.storages.InMemoryStorage(),
        directions=["maximize", "minimize"],
        sampler=popnas.POPNASSampler(space, budget_seconds=1, seed=0),
    )
    study.optimize(objective, n_trials=8)
    cell = popnas.Cell([(-1, "3x3 conv", -1, "identity")])
    model = popnas.retrain(
        cell, data, network=network, training=popnas.TrainingConfig(epochs=3, flip=False)
    )
    return {
        "popnas": popnas, "optuna": optuna, "space": space, "network": network, "data": data,
        "objective": objective, "study": study, "model": model, "chosen": popnas.select(study),
        "cell": cell, "train": lambda cell, rate=0.1: (0.5, 1.0),
        "train_epoch": lambda cell, epoch: (0.1 * epoch, float(epoch)),
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if snippets(page, "python")])
def test_the_code_of_a_page_runs(
    page: str, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from optuna_popnas.objective import proxies

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(proxies, "PROXIES", proxies.PROXIES[-1:])
    photos(tmp_path / "photos")
    photos(tmp_path / "more_photos")
    Image.new("RGB", (8, 8)).save(tmp_path / "cat.jpg")
    pixels, classes = np.arange(40 * 64, dtype=np.uint8).reshape(40, 8, 8), np.arange(40) % 2
    np.savez("set.npz", X=pixels, y=classes)
    storage = "sqlite:///popnas.db"
    optuna.copy_study(
        from_study_name="digits", from_storage=names["study"]._storage, to_storage=storage
    )
    own = {
        **names, "X": pixels, "y": classes, "X_test": pixels, "y_test": classes,
        "my_torch_dataset": [(pixel[None], label) for pixel, label in zip(pixels, classes)],
        "storage": storage,
    }  # fmt: skip
    families = list(operators._FAMILIES)
    monkeypatch.setattr(operators, "_FAMILIES", families)  # what a page registers ends with it
    for snippet in snippets(page, "python"):
        if snippet.mark.startswith("not run"):
            continue
        code = "\n" * snippet.line + shortened(snippet.text)
        exec(compile(code, str(ROOT / page), "exec"), own)


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_commands_and_flags_exist(page: str) -> None:
    for name, *words in commands(page):
        assert name in COMMANDS, words
        if "--help" not in words and "--help-all" not in words:
            parser_of(name).parse([word for word in words if word != "..."])


@pytest.mark.parametrize("page", PAGES)
def test_paths_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for path in _PATH.findall(text):
        assert (ROOT / path).exists() or path.startswith("docs/_build"), path


@pytest.mark.parametrize("page", [*PAGES, "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in _LINK.findall(text):
        if link.startswith(("http:", "https:")):
            continue
        target, _, anchor = link.partition("#")
        file = (ROOT / page).parent / target if target else ROOT / page
        assert file.exists() or file.name in ("api.md", "command_reference.md"), link
        if anchor and file.suffix == ".md":
            heads = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.M)
            slugs = {
                re.sub(r"[^\w -]", "", head).strip().lower().replace(" ", "-") for head in heads
            }
            assert anchor in slugs, link
