"""From a trained model to what it says: evaluate, predict, export."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
import pytest

from optuna_popnas.cli import main
from optuna_popnas.cli.evaluate import evaluation_text
from optuna_popnas.training.evaluation import evaluate
from optuna_popnas.training.model import load_model


CELL = "[(-1, '3x3 conv', -1, 'identity')]"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright and dark pictures, in a folder per class."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for name, low in (("bright", 180), ("dark", 0)):
        (folder / name).mkdir()
        for index in range(20):
            pixels = rng.integers(low, low + 70, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    size = ("--motifs", "1", "--normal-cells", "1", "--filters", "4", "--epochs", "10")
    words = ("--cell", CELL, "--data", str(photos), *size, "--batch-norm", "epoch")
    assert main(["retrain", *words, "--device", "cpu", "-o", str(folder)]) == 0
    return folder


def test_evaluate(model: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(photos), "--model", str(model)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("accuracy 1.0000 +- 0.0000 on 40 images")
    assert "bright" in text and "true / found" in text
    assert main(["evaluate", str(photos), "--model", str(model), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["confusion"] == [[20, 0], [0, 20]]
    assert main(["evaluate", "--model", str(model)]) == 2
    assert "have no test set" in capsys.readouterr().err
    assert main(["evaluate", str(model)]) == 2  # the model's folder is no data
    assert "have no test set" in capsys.readouterr().err
    assert main(["evaluate", "digits", "--model", str(model)]) == 2
    assert "must be among those of the model, bright, dark, but got '0'" in capsys.readouterr().err


def test_predict(model: Path, photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = str(photos / "dark" / "3.png")
    assert main(["predict", one, str(photos), "--model", str(model), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 41
    for row in rows:
        assert list(row["classes"]) == [Path(row["image"]).parent.name]
    assert main(["predict", one, "--model", str(model), "--top", "2"]) == 0
    assert "dark" in capsys.readouterr().out
    assert main(["predict", "none.png", "--model", str(model)]) == 2
    assert "There is no 'none.png'" in capsys.readouterr().err
    assert main(["predict", str(model / "model.json"), "--model", str(model)]) == 2
    assert main(["predict", one, "--model", str(model / "none")]) == 2
    assert "Train a model" in capsys.readouterr().err


def test_predict_takes_files(model: Path, photos: Path) -> None:
    trained = load_model(model)
    files = [photos / "dark" / "3.png", str(photos / "bright" / "4.png")]
    logits = trained.predict(files)
    assert [trained.class_names[place] for place in logits.argmax(axis=1)] == ["dark", "bright"]
    np.testing.assert_array_equal(trained.predict(files[0]), logits[:1])
    with pytest.raises(ValueError, match="cannot be read"):
        trained.predict(model / "model.json")


def test_export_without_the_data(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("-o", str(tmp_path), "--formats", "safetensors,onnx")
    assert main(["export", str(model), *words, "--no-check"]) == 0
    assert "Checked on 16 random images" in capsys.readouterr().out
    assert (tmp_path / "model.onnx").exists()
    assert main(["export", str(model), *words, "--data", "no-such-folder"]) == 2


def test_words_on_many_classes(model: Path, photos: Path) -> None:
    found = evaluate(load_model(model), str(photos))
    names = tuple(f"class {index}" for index in range(20))
    confusion = np.eye(20, dtype=np.int64)
    confusion[3, 4] = 7
    text = evaluation_text(found._replace(class_names=names, confusion=confusion, top5=0.9))
    assert text.endswith("7 of class 3 taken for class 4")
    assert "among the five most likely 0.9000" in text


@pytest.mark.parametrize("columns", [60, 100])
def test_a_table_of_ten_classes_fits_the_terminal(
    model: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    """It was 107 columns wide."""
    monkeypatch.setenv("COLUMNS", str(columns))
    names = tuple(f"a class {index}" for index in range(10))
    found = evaluate(load_model(model), str(photos))
    text = evaluation_text(found._replace(class_names=names, confusion=np.eye(10, dtype=int)))
    head, *rows = text.splitlines()[-11:]
    assert max(map(len, (head, *rows))) <= columns
    assert head.split() == ["true", "/", "found", *map(str, range(10))]
    assert rows[3].split() == ["3", "a", "class", "3", *map(str, np.eye(10, dtype=int)[3])]


def test_an_error_names_the_flag_by_its_own_name(
    model: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ("--cell", "[(-2, 'identity', -1, 'identity')]", "--data", str(photos))
    assert main(["retrain", *other, "--filters", "4", "-o", str(model)]) != 0
    assert "--restart" in capsys.readouterr().err
