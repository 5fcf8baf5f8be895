"""Splits: stratified, seeded, in folds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np
import pytest

from optuna_popnas.training.data.image_data import capped
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.image_data import stratified
from optuna_popnas.training.data.load import load_dataset
from tests.training.data.pictures import fill


def make_data(labels: Any, **arguments: Any) -> ImageData:
    labels = np.asarray(labels, dtype=np.int64)
    images = np.zeros((len(labels), 1, 4, 4), dtype=np.uint8)
    names = tuple("abcdefghij"[: labels.max() + 1])
    return ImageData("toy", images, labels, names, **arguments)


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(2, 60), min_size=2, max_size=6),
    seed=st.integers(0, 5),
    fraction=st.sampled_from([0.1, 0.2, 0.25, 1 / 3, 0.5]),
)
def test_folds_are_stratified_and_do_not_overlap(
    counts: list[int], seed: int, fraction: float
) -> None:
    data = make_data(
        np.repeat(np.arange(len(counts)), counts), seed=seed, validation_fraction=fraction
    )
    seen: set[int] = set()
    for fold in range(data.folds):
        split = data.split(fold)
        assert not set(split.train) & set(split.validation)
        assert len(split.train) + len(split.validation) == sum(counts)
        # Each class is trained and validated, which small classes can only be several times.
        twice = data.labels[sorted(seen & set(split.validation))]
        assert np.all(np.array(counts)[twice] < 2 * data.folds)
        seen |= set(split.validation)
        for part in split:
            assert len(np.unique(data.labels[part])) == len(counts)
        share = np.bincount(data.labels[split.validation], minlength=len(counts))
        # One from each stretch of the ordered images: at most one off at either end of a class.
        # Only then classes without any get one.
        part_size = max(int(sum(counts) * fraction + 1e-9), 1)
        assert np.all(np.abs(share - np.array(counts) * part_size / sum(counts)) < 2)


def test_split_depends_on_the_seed_only() -> None:
    labels = np.tile(np.arange(10), 30)
    first, again, other = (make_data(labels, seed=s).split() for s in (0, 0, 1))
    np.testing.assert_array_equal(first.validation, again.validation)
    assert len(first.validation) == 30
    assert not np.array_equal(first.validation, other.validation)
    assert np.all(np.diff(first.validation) > 0)
    np.testing.assert_array_equal(np.bincount(labels[first.validation]), np.full(10, 3))


def test_images_that_validate_can_be_given() -> None:
    chosen = np.array([5, 1, 4])
    data = make_data(np.tile([0, 1], 5), validation=chosen)
    np.testing.assert_array_equal(data.validation_indices, [1, 4, 5])
    np.testing.assert_array_equal(data.train_indices, [0, 2, 3, 6, 7, 8, 9])
    with pytest.raises(ValueError, match="`fold` must be below 1 for data with their own"):
        data.split(1)


def test_fold_out_of_range() -> None:
    with pytest.raises(ValueError, match="`fold` must be below 10 .*, but got 10. Use fewer"):
        make_data(np.tile([0, 1], 50)).split(10)


def test_capped_keeps_proportions() -> None:
    labels = np.repeat([0, 1, 2], [100, 200, 300])
    chosen = capped(labels, 60, seed=0)
    np.testing.assert_array_equal(np.bincount(labels[chosen]), [10, 20, 30])
    assert len(capped(labels, 1000, seed=0)) == 600
    assert len(stratified(labels, 0.5, seed=0)) == 300


@pytest.mark.parametrize(
    "labels, arguments, text",
    [
        ([0, 0, 0, 0], {}, "must have at least 2 classes, but 'toy' has 1."),
        (
            [0, 1, 2],
            {},
            "have at least 2 images to train and to validate, but of 'toy' 'a' has 1, 'b' has 1",
        ),
        ([0, 1, 0, 1], {"validation_fraction": 0.0}, "`validation_fraction` must be between"),
        ([0, 1, 0, 1], {"test_labels": np.zeros(1)}, "must be given together"),
        (
            [0, 1, 0, 1],
            {
                "test_images": np.zeros((2, 3, 4, 4), np.uint8),
                "test_labels": np.zeros(2, np.int64),
            },
            "same number of channels, but 'toy' has 1 and 3. Convert one of them.",
        ),
        (
            [0, 1, 0, 1],
            {
                "test_images": np.zeros((2, 1, 5, 4), np.uint8),
                "test_labels": np.zeros(2, np.int64),
            },
            r"same size, but 'toy' has \(4, 4\) and \(5, 4\). Pass `image_size`.",
        ),
        (
            [0, 1, 0, 1],
            {
                "test_images": np.zeros((2, 1, 4, 4), np.uint8),
                "test_labels": np.full(2, 7, np.int64),
            },
            "Labels must be from 0 to 1",
        ),
    ],
)
def test_unusable_data(labels: list[int], arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make_data(labels, **arguments)


def test_one_label_per_image() -> None:
    with pytest.raises(ValueError, match="one label per image, but 'x' has 4 images"):
        ImageData("x", np.zeros((4, 1, 2, 2), np.uint8), np.zeros(3, np.int64), ("a", "b"))
    with pytest.raises(ValueError, match="without empty dimensions"):
        ImageData("x", np.zeros((0, 1, 2, 2), np.uint8), np.zeros(0, np.int64), ("a", "b"))


def test_classes_with_too_few_images_are_named() -> None:
    """Images per class were counted on average."""
    labels = np.repeat([0, 1, 2], [30, 30, 1])
    with pytest.raises(ValueError, match="at least 2 images to train and .* but of 'arrays' '2' "):
        load_dataset((np.zeros((61, 4, 4), np.uint8), labels))


def test_classes_without_images_of_a_part_are_named(tmp_path: Path) -> None:
    fill(tmp_path / "train")
    fill(tmp_path / "val", classes="a")
    with pytest.raises(ValueError, match="at least 1 image to validate, but of .* 'b' has 0"):
        load_dataset(tmp_path)


@pytest.mark.parametrize("samples", [12, 40, 60])
@pytest.mark.parametrize("seed", range(4))
def test_samples_leave_images_of_every_class(samples: int, seed: int) -> None:
    """`samples` could take all images of a small class away."""
    labels = np.repeat(np.arange(5), [500, 300, 150, 3, 2])
    chosen = capped(labels, samples, seed=seed)
    assert len(chosen) == samples
    assert np.bincount(labels[chosen], minlength=5).min() >= 2
    images = np.zeros((len(labels), 4, 4), np.uint8)
    data = load_dataset((images, labels), samples=samples, seed=seed)
    for part in data.split():
        assert len(np.unique(data.labels[part])) == 5


def test_a_test_part_leaves_images_of_every_class() -> None:
    labels = np.repeat([0, 1], [50, 3])
    data = load_dataset((np.zeros((53, 4, 4), np.uint8), labels), test_fraction=0.5)
    assert np.bincount(data.labels).min() == 2
