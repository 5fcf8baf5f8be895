"""Everything that can be loaded as a data set, and everything that cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
import pytest

from optuna_popnas.training.data.arrays import resized
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.data.named import DEBIAN_FASHION_MNIST
from tests.training.data.test_torch_datasets import Pictures


def write_images(
    folder: Path,
    *,
    classes: tuple[str, ...] = ("cat", "dog"),
    count: int = 4,
    mode: str = "RGB",
    size: tuple[int, int] = (6, 5),
) -> Path:
    """Write ``count`` images per class; pixel values are 10 * class + index."""
    for label, name in enumerate(classes):
        (folder / name).mkdir(parents=True)
        for index in range(count):
            value = 10 * label + index
            colour = value if mode == "L" else (value, 2 * value, 3 * value)
            Image.new(mode, size, colour).save(folder / name / f"{index}.png")
    return folder


def test_digits() -> None:
    data = load_dataset("digits")
    assert data.name == "digits"
    assert data.images.shape == (1797, 1, 8, 8)
    assert isinstance(data.images, np.ndarray)
    assert data.images.dtype == np.uint8
    assert (data.images.min(), data.images.max()) == (0, 255)
    assert (data.classes, data.in_channels, data.image_size) == (10, 1, (8, 8))
    assert len(data.validation_indices) == 179
    assert data.test_images is None


def test_test_fraction_and_samples() -> None:
    data = load_dataset("digits", test_fraction=0.2, samples=500, seed=3)
    assert data.images.shape[0] == 500
    assert data.test_images is not None and data.test_labels is not None
    assert len(data.test_images) == 359
    assert np.bincount(data.labels).min() >= 48
    whole = load_dataset("digits")
    assert isinstance(data.images, np.ndarray) and isinstance(whole.images, np.ndarray)
    train = {image.tobytes() for image in data.images}
    # The digits hold no image twice.
    assert len({image.tobytes() for image in whole.images}) == 1797
    assert not train & {np.asarray(image).tobytes() for image in data.test_images}


@pytest.mark.skipif(not DEBIAN_FASHION_MNIST.is_dir(), reason="needs dataset-fashion-mnist")
def test_fashion_mnist_of_debian() -> None:
    data = load_dataset("fashion-mnist", samples=200, image_size=14)
    assert data.images.shape == (200, 1, 14, 14)
    assert data.test_images is not None and data.test_images.shape == (10_000, 1, 14, 14)
    assert data.class_names[8] == "Bag"
    np.testing.assert_array_equal(np.bincount(data.labels), np.full(10, 20))


def test_unknown_name_and_missing_files(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be a name .*cifar10.*, but got 'cifar11'"):
        load_dataset("cifar11")
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="but got int"):
        load_dataset(3)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="`image_size` must be a number of pixels"):
        load_dataset("digits", image_size=(1, 2, 3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`samples` must be at least 20"):
        load_dataset("digits", samples=11)
    with pytest.raises(ValueError, match="`samples` must be an integer"):
        load_dataset("digits", samples=100.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="`test_fraction` must be in"):
        load_dataset("digits", test_fraction=1.0)


@pytest.mark.parametrize(
    "keys",
    [("X", "y"), ("images", "labels"), ("x_train", "y_train"), ("train_images", "train_labels")],
)
def test_npz(tmp_path: Path, keys: tuple[str, str]) -> None:
    path = tmp_path / "set.npz"
    arrays = {keys[0]: np.zeros((6, 4, 4), np.uint8), keys[1]: np.array([[0], [1]] * 3)}
    np.savez(path, **arrays)
    data = load_dataset(path)
    assert (data.name, data.images.shape, data.classes) == ("set", (6, 1, 4, 4), 2)


def test_npz_with_validation_and_test(tmp_path: Path) -> None:
    path = tmp_path / "medical.npz"
    np.savez(
        path,
        train_images=np.full((6, 4, 4), 1, np.uint8),
        train_labels=[0, 1] * 3,
        val_images=np.full((2, 4, 4), 2, np.uint8),
        val_labels=[0, 1],
        test_images=np.full((3, 4, 4), 3, np.uint8),
        test_labels=[0, 1, 1],
    )
    data = load_dataset(path)
    assert isinstance(data.images, np.ndarray)
    assert np.all(data.images[data.validation_indices] == 2)
    assert np.all(data.images[data.train_indices] == 1)
    assert data.test_labels is not None and data.test_labels.tolist() == [0, 1, 1]


def test_npz_without_labels_or_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, X=np.zeros((4, 3, 3)))
    with pytest.raises(ValueError, match="images and labels, such as X and y .* 'x.npz' has X"):
        load_dataset(path)
    path.write_bytes(b"damaged")
    with pytest.raises(ValueError, match="cannot be read as .npz"):
        load_dataset(path)


def test_folder(tmp_path: Path) -> None:
    data = load_dataset(write_images(tmp_path / "pets"))
    assert (data.name, data.class_names) == ("pets", ("cat", "dog"))
    assert data.images.shape == (8, 3, 5, 6)
    assert isinstance(data.images, np.ndarray)
    assert data.images[5, :, 0, 0].tolist() == [11, 22, 33]
    np.testing.assert_array_equal(data.labels, [0] * 4 + [1] * 4)


def test_folder_with_parts_and_mean_size(tmp_path: Path) -> None:
    write_images(tmp_path / "train", mode="L", size=(8, 8))
    write_images(tmp_path / "Test", mode="L", size=(20, 20), count=1)
    (tmp_path / "train" / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "train" / ".hidden").mkdir()
    Image.new("L", (40, 16), 3).save(tmp_path / "train" / "cat" / "9.png")
    data = load_dataset(tmp_path)
    assert data.images.shape == (9, 1, 9, 12)
    assert data.test_images is not None and data.test_images.shape == (2, 1, 9, 12)


def test_grey_and_colour_images_together_are_colour(tmp_path: Path) -> None:
    write_images(tmp_path)
    Image.new("L", (6, 5), 100).save(tmp_path / "cat" / "grey.png")
    Image.fromarray(np.full((5, 6), 25_700, np.uint16)).save(tmp_path / "cat" / "grey16.png")
    data = load_dataset(tmp_path)
    assert isinstance(data.images, np.ndarray)
    assert data.images.shape == (10, 3, 5, 6)
    assert np.all(data.images[4:6] == 100)


def test_unusable_folders(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has none. Put images below .*/<class>/"):
        load_dataset(tmp_path)
    write_images(tmp_path / "train", mode="L")
    write_images(tmp_path / "test")
    with pytest.raises(ValueError, match="same number of channels, but .* has 1 and 3"):
        load_dataset(tmp_path)
    broken = tmp_path / "train" / "cat" / "2.png"
    broken.write_bytes(broken.read_bytes()[:45])
    with pytest.raises(
        ValueError, match=r"1 of 8 images cannot be read: '.*cat/2.png' \(.*\). Repair"
    ):
        load_dataset(tmp_path / "train")
    broken.write_text("no image at all")
    with pytest.raises(ValueError, match=r"cannot be read: '.*cat/2.png'"):
        load_dataset(tmp_path / "train")


def test_larger_than_memory_is_read_lazily(tmp_path: Path) -> None:
    write_images(tmp_path, count=10)
    whole = load_dataset(tmp_path, image_size=4)
    lazy = load_dataset(tmp_path, image_size=4, memory_limit=100)
    assert whole.in_memory and not lazy.in_memory
    assert lazy.images.shape == whole.images.shape
    for index in (0, 7, 19):
        np.testing.assert_array_equal(lazy.images[index], whole.images[index])
    capped = load_dataset(tmp_path, samples=8, memory_limit=100)
    assert not capped.in_memory and len(capped.images) == 8
    pictures = load_dataset(Pictures(), image_size=4, memory_limit=10)
    assert not pictures.in_memory
    assert pictures.labels.tolist() == [0, 1] * 4


def test_resized_is_a_mean_over_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 8, 8), dtype=np.uint8)
    before = images.copy()
    small = resized(images, (4, 4))
    means = images.reshape(3, 2, 4, 2, 4, 2).mean(axis=(3, 5))
    # Antialiased bilinear weights reach over the border of each 2x2 square.
    assert np.abs(small - means).mean() < 25
    constant = resized(np.full((1, 1, 8, 8), 77, np.uint8), (3, 5))
    assert np.all(constant == 77)
    np.testing.assert_array_equal(images, before)
