"""Layouts of folders: known, or refused, never taken for classes in silence."""

from __future__ import annotations

from pathlib import Path
import shutil

import numpy as np
from PIL import Image
import pytest

from optuna_popnas.training.data.folders import find_images
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.data.source import DataWarning
from tests.training.data.pictures import fill
from tests.training.data.pictures import put


@pytest.mark.parametrize(
    "train, test",
    [
        ("Training", "Testing"),
        ("training_set", "test_set"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("mnist_train", "mnist_test"),
        ("photos/train2017", "photos/test2017"),
    ],
)
def test_parts_under_other_names_are_parts(tmp_path: Path, train: str, test: str) -> None:
    """Training/ and Testing/ were taken for the classes."""
    fill(tmp_path / train)
    fill(tmp_path / test, count=1)
    data = load_dataset(tmp_path)
    assert data.class_names == ("a", "b")
    assert len(data.labels) == 8 and data.test_labels is not None and len(data.test_labels) == 2


def test_validation_parts_under_other_names(tmp_path: Path) -> None:
    fill(tmp_path / "Train")
    fill(tmp_path / "Validation", count=2)
    assert load_dataset(tmp_path).validation_indices.tolist() == [8, 9, 10, 11]


@pytest.mark.parametrize("outer", ["data", "images", "photos/photos", "fold1"])
def test_folders_around_the_classes_are_passed_through(tmp_path: Path, outer: str) -> None:
    """A folder data/ beside __MACOSX was a class, and so was __MACOSX."""
    fill(tmp_path / outer)
    put(tmp_path / "__MACOSX" / outer / "a" / "._0.png")
    put(tmp_path / "__MACOSX" / outer / "a" / "0.png")
    data = load_dataset(tmp_path)
    assert data.class_names == ("a", "b") and len(data.labels) == 8


@pytest.mark.parametrize(
    "folders",
    [
        ("fold1/cat", "fold1/dog", "fold2/cat", "fold2/dog"),  # folds
        ("amazon/images/bag", "amazon/images/cup", "dslr/images/bag", "dslr/images/cup"),
        ("cat/train", "cat/test", "dog/train", "dog/test"),  # parts within classes
        ("cat", "dog", "more/cat", "more/dog"),
        ("images/cat", "images/dog", "samples"),
        ("train/cat", "train/dog", "training/cat", "training/dog"),
        ("test/cat", "test/dog", "other/cat", "other/dog"),  # nothing to train on
        ("images", "masks"),
        ("fold1", "fold2"),
        ("train", "test"),  # no classes at all
    ],
)
def test_layouts_that_are_not_plain_are_refused(tmp_path: Path, folders: tuple[str, ...]) -> None:
    """One level more than expected was flattened, so that labels meant nothing."""
    for folder in folders:
        put(tmp_path / folder / "0.png")
        put(tmp_path / folder / "1.png")
    with pytest.raises(ValueError, match="must have one sub-folder per class, or such folders"):
        load_dataset(tmp_path)


def test_a_class_may_be_called_train_and_have_one_folder_inside(tmp_path: Path) -> None:
    for name in ("bus", "train", "bullet_train"):
        for index in range(2):
            put(tmp_path / name / ("images" if name == "bus" else "") / f"{index}.png")
    assert load_dataset(tmp_path).class_names == ("bullet_train", "bus", "train")


def test_folders_within_classes_are_said(tmp_path: Path) -> None:
    for folder in ("cat/siamese", "cat/persian", "dog/poodle", "dog/boxer"):
        put(tmp_path / folder / "0.png")
    with pytest.warns(UserWarning, match="sub-folders of 'cat', 'dog' in .* taken as images of"):
        data = load_dataset(tmp_path)
    assert data.class_names == ("cat", "dog") and data.labels.tolist() == [0, 0, 1, 1]


def test_hidden_and_system_folders_are_left_out_at_any_depth(tmp_path: Path) -> None:
    """Copies in .ipynb_checkpoints were trained on."""
    fill(tmp_path)
    for name in (".ipynb_checkpoints", ".thumbnails", "@eaDir", "__MACOSX", "$RECYCLE.BIN"):
        put(tmp_path / "a" / name / "0.png")
        put(tmp_path / name / "x" / "0.png")
    put(tmp_path / "a" / "._0.png")
    data = load_dataset(tmp_path)
    assert len(data.labels) == 8 and data.class_names == ("a", "b")


def test_folders_without_images_are_no_classes(tmp_path: Path) -> None:
    """An empty folder, or one of text files, was a class with no image."""
    fill(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "readme.txt").write_text("none")
    assert load_dataset(tmp_path).class_names == ("a", "b")


def test_links_that_lead_back_are_not_followed_for_ever(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert len(load_dataset(tmp_path).labels) == 8


def test_images_beside_classes_and_parts_are_said(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    put(tmp_path / "train" / "stray.png")
    put(tmp_path / "unlabelled" / "0.png")
    with pytest.warns(UserWarning) as caught:
        assert len(load_dataset(tmp_path).labels) == 8
    said = " ".join(str(warning.message) for warning in caught)
    assert "'unlabelled' are left out" in said and "1 images right in" in said


def test_files_of_any_format_of_pillow_are_read_or_counted(tmp_path: Path) -> None:
    """.jfif, .avif and files without an ending were left out without a word."""
    fill(tmp_path)
    pixels = Image.fromarray(np.full((6, 6, 3), 9, np.uint8))
    for ending, kind in (("jfif", "JPEG"), ("jp2", "JPEG2000"), ("tga", "TGA"), ("avif", "AVIF")):
        pixels.save(tmp_path / "a" / f"x.{ending}", format=kind)
    pixels.save(tmp_path / "a" / "no_ending", format="PNG")
    pixels.save(tmp_path / "b" / "page.eps")
    for index in range(3):
        (tmp_path / "b" / f"{index}.heic").write_bytes(b"\0\0\0\x18ftypheic")
    (tmp_path / "b" / "notes.txt").write_text("no image")
    (tmp_path / "b" / "Thumbs.db").write_bytes(b"")
    with pytest.warns(UserWarning, match=r"4 files below .* are not read: 3 .heic, 1 .eps"):
        data = load_dataset(tmp_path)
    assert np.bincount(data.labels).tolist() == [9, 4]


def test_classes_of_which_nothing_is_read_are_named(tmp_path: Path) -> None:
    """A class of another format was left out, and a folder of them said to have no sub-folder."""
    fill(tmp_path)
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "0.heic").write_bytes(b"ftypheic")
    with pytest.warns(DataWarning, match=r"1 .heic\. .* Nothing is read of 'c'\."):
        assert find_images(tmp_path)["train"].names == ["a", "b"]
    for name in "ab":
        shutil.rmtree(tmp_path / name)
    with pytest.raises(ValueError, match=r"has none\. .* Files that are not read: 1 .heic\."):
        find_images(tmp_path)


def test_labelled_and_unlabelled_images_are_no_classes(tmp_path: Path) -> None:
    fill(tmp_path / "labeled")
    put(tmp_path / "unlabeled" / "0.png")
    with pytest.raises(ValueError, match="has 'labeled', with 'a', 'b' inside"):
        find_images(tmp_path)
