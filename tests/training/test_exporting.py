from __future__ import annotations

from collections.abc import Sequence
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from optuna_popnas import build_network
from optuna_popnas import Cell
from optuna_popnas import export
from optuna_popnas import load_dataset
from optuna_popnas import NetworkConfig
from optuna_popnas import PAPER_OPERATORS
from optuna_popnas.training import exporting
from optuna_popnas.training import load_model
from optuna_popnas.training import TrainedModel
from optuna_popnas.training.checkpoint import write_tensors
from optuna_popnas.training.data.arrays import to_unit


CELL = Cell([(-2, "3x3 conv", -1, "2x2 maxpool"), (-2, "3x3 dconv", -1, "2x2 avgpool")])
NAMES = ("cat", "dog", "bird")


def make_model(
    cell: Cell = CELL, size: tuple[int, int] = (5, 6), config: NetworkConfig | None = None
) -> TrainedModel:
    torch.manual_seed(0)
    config = config or NetworkConfig(motifs=2, normal_cells=1, filters=4, multi_output=True)
    network = build_network(cell, config, in_channels=3, classes=3)
    images = np.random.default_rng(0).integers(0, 256, (40, 3, *size), dtype=np.uint8)
    network(torch.from_numpy(to_unit(images, 255)))  # running averages that are not 0 and 1
    data = {"name": "pets", "image_size": list(size), "class_names": list(NAMES)}
    return TrainedModel(network.eval(), data, {"epochs": 1}, {"test_accuracy": 0.5}, images)


# Run where this library cannot be imported.
READ = """
import json, sys
sys.modules["optuna_popnas"] = None
import numpy as np, onnxruntime, torch
from safetensors.torch import load_file
folder = sys.argv[1]
images = np.load(folder + "/images.npy")
session = onnxruntime.InferenceSession(folder + "/model.onnx")
card = json.load(open(folder + "/model.json"))
names = [card["output"]["name"]], card["input"]["name"]
module = torch.export.load(folder + "/model.pt2").module()
for count in (7, 1):  # any batch size
    (logits,) = session.run(names[0], {names[1]: images[:count]})
    np.save(f"{folder}/onnx{count}.npy", logits)
    np.save(f"{folder}/pt2{count}.npy", module(torch.from_numpy(images[:count])).detach().numpy())
weights = load_file(folder + "/model.safetensors")
assert sum(w.numel() for n, w in weights.items() if "running" not in n) >= card["parameters"]
"""


def test_files_load_without_this_library(tmp_path: Path) -> None:
    model = make_model()
    done = export(model, tmp_path)
    assert {kind: path.name for kind, path in done.files.items()} == {
        "safetensors": "model.safetensors",
        "json": "model.json",
        "pt2": "model.pt2",
        "onnx": "model.onnx",
        "readme": "README.md",
    }
    assert done.checked == 40
    assert done.difference.keys() == {"pt2", "onnx"}
    assert model.samples is not None
    np.save(tmp_path / "images.npy", to_unit(model.samples[:7], 255))
    subprocess.run([sys.executable, "-c", READ, str(tmp_path)], check=True, cwd=tmp_path)
    for count in (7, 1):
        expected = model.predict(model.samples[:count])
        for kind in ("onnx", "pt2"):
            logits = np.load(tmp_path / f"{kind}{count}.npy")
            np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_the_card_says_what_there_is_to_know(tmp_path: Path) -> None:
    model = make_model()
    export(model, tmp_path, formats=["safetensors"], name="pets")
    card = json.loads((tmp_path / "pets.json").read_text())
    assert card == model.card()
    assert Cell.parse(card["cell"]) == CELL
    assert NetworkConfig.from_dict(card["network"]) == model.network.config
    assert card["data"] == {
        "name": "pets",
        "in_channels": 3,
        "image_size": [5, 6],
        "class_names": list(NAMES),
        "range": [0.0, 255.0],
    }
    assert card["parameters"] == sum(p.numel() for p in model.network.parameters())
    assert card["figures"] == {"test_accuracy": 0.5}


def test_a_saved_model_is_read_back(tmp_path: Path) -> None:
    model = make_model()
    path = model.save(tmp_path)
    for source in (path, tmp_path, str(tmp_path)):
        found = load_model(source)
        assert found.class_names == NAMES and found.image_size == (5, 6)
        assert model.samples is not None
        np.testing.assert_array_equal(found.predict(model.samples), model.predict(model.samples))
    assert found.predict(np.empty((0, 3, 5, 6), dtype=np.uint8)).shape == (0, 3)


def test_exporting_leaves_the_model_as_it_was(tmp_path: Path) -> None:
    model = make_model()
    network = model.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    export(model, tmp_path, formats=["pt2"])
    assert all(torch.equal(before[n], t) for n, t in network.state_dict().items())
    assert all(parameter.requires_grad for parameter in network.parameters())
    weight = network.cells[0].blocks[0].first[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_logits_that_differ_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # No file can meet a negative tolerance: the check is reached, and the file not kept.
    monkeypatch.setattr("optuna_popnas.training.exporting.TOLERANCE", -1.0)
    (tmp_path / "model.pt2").write_text("the one before")
    with pytest.raises(RuntimeError, match="Logits of the pt2 file must be within .* on 40 real"):
        export(make_model(), tmp_path, formats=["pt2"])
    assert (tmp_path / "model.pt2").read_text() == "the one before"
    assert len(list(tmp_path.iterdir())) == 1


def test_images_to_check_with(tmp_path: Path) -> None:
    path = make_model().save(tmp_path)
    with pytest.raises(ValueError, match="`images` must be real images.*Pass the data set"):
        export(path, tmp_path)
    grey = load_dataset("digits", samples=100)
    with pytest.raises(ValueError, match=r"shape \(n, 3, 5, 6\).*got \('n', 1, 8, 8\)"):
        export(path, tmp_path, images=grey)
    images: npt.NDArray[Any] = np.random.default_rng(1).random((5, 3, 5, 6), dtype=np.float32)
    assert export(path, tmp_path, images=images, formats=["pt2"]).checked == 5


def test_without_the_packages_for_onnx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first example of README ended in an error where no extra was installed."""
    here = exporting.find_spec
    monkeypatch.setattr(exporting, "find_spec", lambda n: None if n == "onnxruntime" else here(n))
    with pytest.warns(UserWarning, match="needs the package 'onnxruntime'.*pip install onnx "):
        done = export(make_model(), tmp_path)
    assert set(done.files) == {"safetensors", "json", "pt2", "readme"}
    assert "model.onnx" not in (tmp_path / "README.md").read_text()
    with pytest.raises(ImportError, match="need the package 'onnxruntime'"):
        export(make_model(), tmp_path, formats=["onnx"])


@pytest.mark.parametrize("formats, got", [(["pt2", "tflite"], "'tflite'"), ("onnx", "'onnx'")])
def test_unknown_formats(tmp_path: Path, formats: Any, got: str) -> None:
    with pytest.raises(ValueError, match=f"`formats` must be a list of .*, but got {got}"):
        export(make_model(), tmp_path, formats=formats)


def test_no_model_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Model file .*model.safetensors' must be a file"):
        export(tmp_path, tmp_path)


OPERATORS = (
    *PAPER_OPERATORS,
    "4x4 conv",
    "3x3 maxpool",
    "3x2 maxpool",
    "4x4 avgpool",
    "3x3 tconv",
)


@pytest.mark.slow
@pytest.mark.parametrize("operators", [OPERATORS[:6], OPERATORS[6:12], OPERATORS[12:]])
@pytest.mark.parametrize("size", [(8, 8), (7, 5)])
def test_every_operator(operators: Sequence[str], size: tuple[int, int], tmp_path: Path) -> None:
    # Each on lookbacks, with stride 1 and 2, and on a block.
    cell = Cell([(-2, name, index - 1, name) for index, name in enumerate(operators)])
    config = NetworkConfig(motifs=2, normal_cells=1, filters=4)
    export(make_model(cell, size, config), tmp_path, formats=["onnx", "pt2"])


@pytest.mark.parametrize(
    "change",
    [
        {"network": {"filters": 4096, "motifs": 16, "normal_cells": 64}},
        {"cell": "[(-1, 'gone', -1, 'identity')]"},
        {"cell": 3},
        {"network": {"filters": "8"}},
        {"data": {}},
        {"data": {"in_channels": -1, "class_names": ["a"]}},
        {"figures": 3},
    ],
)
def test_tampered_cards_are_one_error(change: dict[str, Any], tmp_path: Path) -> None:
    """None takes memory for what a card claims, and none ends in another exception."""
    model = make_model()
    write_tensors(
        tmp_path / "model.safetensors",
        model.network.state_dict(),
        {**model.card(), **change},
        what="Model file",
    )
    with pytest.raises(ValueError, match="must be as it was saved, but its card does not fit"):
        load_model(tmp_path)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_disk_is_an_ordinary_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch's own writer ends the process."""
    original = Path.write_bytes

    def full(self: Path, content: bytes) -> int:
        return original(Path("/dev/full") if ".pt2" in self.name else self, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="Exported program .* cannot be written .No space left"):
        export(make_model(), tmp_path, formats=["pt2"])
    assert not list(tmp_path.iterdir())


def test_the_readme_of_a_project_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("# My project")
    done = export(make_model(), tmp_path, formats=["safetensors"])
    assert (tmp_path / "README.md").read_text() == "# My project"
    assert done.files["readme"].name == "model.md"


def test_the_lines_of_the_card_predict(tmp_path: Path) -> None:
    from PIL import Image

    model = make_model()
    export(model, tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert "| accuracy on test images | 0.5000 |" in text
    code = text.split("```python\n")[1].split("```")[0]
    assert len(code.splitlines()) <= 7
    image = np.asarray(model.samples)[0].transpose(1, 2, 0)
    Image.fromarray(image).save(tmp_path / "image.png")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == [f"[{model.predict(np.asarray(model.samples)[:1]).argmax()}]"]
