"""Image files: upright, opaque, of any depth; damaged ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
import pytest

from optuna_popnas.training.data.files import ImageFiles
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.data.source import DataWarning
from tests.training.data.pictures import fill
from tests.training.data.pictures import put


@pytest.mark.parametrize("ending", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_as_exif_says_in_sizes_too(
    tmp_path: Path, ending: str, orientation: int
) -> None:
    """Photos of phones were trained on sideways, and width was taken for height."""
    upright = np.zeros((40, 20, 3), np.uint8)
    upright[:20, :10] = 250
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }  # fmt: skip
    image = Image.fromarray(upright)
    stored = image.transpose(undo[orientation]) if orientation > 1 else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    for name in "ab":
        (tmp_path / name).mkdir()
        for index in range(2):
            stored.save(tmp_path / name / f"{index}.{ending}", exif=exif, quality=95)
    data = load_dataset(tmp_path)
    assert data.image_size == (40, 20)
    assert np.abs(np.asarray(data.images[0]).transpose(1, 2, 0) - upright.astype(float)).mean() < 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_images_are_laid_on_white(tmp_path: Path, mode: str) -> None:
    """Black drawings on a transparent ground were all the same black square."""
    alpha = np.zeros((6, 6), np.uint8)
    alpha[2:4, 2:4] = 255
    image = Image.fromarray(np.dstack([np.zeros((6, 6, 3), np.uint8), alpha]))
    options: dict[str, Any] = {}
    if mode == "P":
        image = Image.fromarray((alpha > 0).astype(np.uint8), "P")
        image.putpalette([0, 0, 0] * 2)
        options["transparency"] = 0
    for name in "ab":
        (tmp_path / name).mkdir()
        for index in range(2):
            image.convert(mode).save(tmp_path / name / f"{index}.png", **options)
    data = load_dataset(tmp_path)
    assert data.in_channels == (1 if mode == "LA" else 3)
    np.testing.assert_array_equal(data.images[0][0], 255 - alpha)


@pytest.mark.parametrize(
    "dtype, top, ending",
    [
        (np.int32, 4095, "tif"),
        (np.int32, 1_000_000, "tif"),
        (np.float32, 1.0, "tif"),
        (np.float32, 0.9, "tif"),
        (np.float32, 4095.0, "tif"),
        (np.uint16, 4095, "png"),
        (np.uint16, 65535, "png"),
        (np.uint16, 1023, "tif"),
    ],
)
@pytest.mark.parametrize("memory", [None, 10])
def test_numbers_of_files_are_scaled_as_those_of_arrays(
    tmp_path: Path, dtype: type, top: float, ending: str, memory: int | None
) -> None:
    """Images of more than 8 bits were clipped at 255, or their lower bits cut off."""
    ramp = (np.linspace(0, 1, 256).reshape(16, 16) * top).astype(dtype)
    for name in "ab":
        for index in range(2):
            put(tmp_path / name / f"{index}.{ending}", ramp)
    files = load_dataset(tmp_path, memory_limit=memory)
    arrays = load_dataset((np.repeat(ramp[None], 4, 0), [0, 0, 1, 1]))
    assert np.array_equal(files.images[0], arrays.images[0])
    assert files.top == arrays.top == (1 if top < 1 else top)
    assert len(np.unique(files.images[0])) > 200


@pytest.mark.parametrize("channels", [3, 4])
def test_12_bits_within_16_bits_of_colour_are_refused(tmp_path: Path, channels: int) -> None:
    """Pillow reads the upper 8 bits of 16-bit colours: of 12 bits only 4 were left.

    Where they are transparent, the white they are laid on was taken for what they hold.
    """
    import struct
    import zlib

    def colour_png(value: int) -> bytes:
        def chunk(kind: bytes, body: bytes) -> bytes:
            crc = struct.pack(">I", zlib.crc32(kind + body))
            return struct.pack(">I", len(body)) + kind + body + crc

        rows = (b"\0" + struct.pack(">H", value) * channels * 4) * 4
        header = struct.pack(">IIBBBBB", 4, 4, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
        parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b""))
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

    fill(tmp_path, count=2)
    for path in tmp_path.rglob("*.png"):
        path.write_bytes(colour_png(4095))
    with pytest.raises(ValueError, match="must fill their 16 bits, .* none has more than 15"):
        load_dataset(tmp_path)
    if channels == 3:
        (tmp_path / "a" / "0.png").write_bytes(colour_png(65535))
        assert np.asarray(load_dataset(tmp_path).images).max() == 255


def test_damaged_files_are_named_all_at_once_or_left_out(tmp_path: Path) -> None:
    """Of many damaged files only the first was named; truncated ones not before they were read."""
    fill(tmp_path, count=20, ending=".jpg")
    fill(tmp_path, classes="c", count=9)
    for name, file in [(n, i) for n in "ab" for i in range(6)]:
        path = tmp_path / name / f"{file}.jpg"
        whole = path.read_bytes()
        path.write_bytes(b"<html>404</html>" if file < 3 else whole[: len(whole) // 2])
    png = tmp_path / "c" / "0.png"
    png.write_bytes(png.read_bytes()[:-60])
    with pytest.raises(ValueError, match="13 of 49 images cannot be read: .* and 3 more") as error:
        load_dataset(tmp_path, memory_limit=10)
    assert sum(f"/{n}/{i}.jpg" in str(error.value) for n in "ab" for i in range(6)) == 10
    with pytest.warns(UserWarning, match="13 of 49 images cannot be read: .* They are left out"):
        data = load_dataset(tmp_path, skip_damaged=True)
    assert np.bincount(data.labels).tolist() == [14, 14, 8]


def test_damaged_files_of_all_parts_are_named_together(tmp_path: Path) -> None:
    """Files whose middle is damaged were named one part after the other, after all headers."""
    for part in ("train", "val", "test"):
        fill(tmp_path / part, count=4)
        path = tmp_path / part / "a" / "1.png"
        whole = path.read_bytes()
        path.write_bytes(whole[:60] + bytes(20) + whole[80:])
    with pytest.raises(ValueError, match="3 of 24 images cannot be read: .*train.*val.*test"):
        load_dataset(tmp_path)
    (tmp_path / "test" / "b" / "0.png").write_bytes(b"")
    with pytest.raises(ValueError, match="4 of 24 images cannot be read: .*b/0.*train.*val"):
        load_dataset(tmp_path)
    for limit in (None, 10):
        with pytest.warns(UserWarning, match="They are left out"):
            data = load_dataset(tmp_path, skip_damaged=True, memory_limit=limit)
        assert len(data.labels) == 14 and len(data.images[13]) == 3
        assert data.test_labels is not None and data.test_labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_damage_that_only_decoding_finds_is_told_for_all_files(tmp_path: Path) -> None:
    fill(tmp_path, count=8)
    for name in "ab":
        path = tmp_path / name / "3.png"
        content = bytearray(path.read_bytes())
        content[50] ^= 255  # within the compressed pixels
        path.write_bytes(content)
    with pytest.raises(ValueError, match="2 of 16 images cannot be read: .*a/3.png.*b/3.png"):
        load_dataset(tmp_path)
    with pytest.warns(UserWarning, match="2 of 16"):
        assert np.bincount(load_dataset(tmp_path, skip_damaged=True).labels).tolist() == [7, 7]


def test_no_program_is_started_for_a_file(tmp_path: Path) -> None:
    """Pillow hands EPS files to Ghostscript, whatever they are called."""
    fill(tmp_path)
    pixels = Image.fromarray(np.zeros((6, 6, 3), np.uint8))
    pixels.save(tmp_path / "a" / "0.png", format="EPS")
    with pytest.raises(ValueError, match=r"a/0.png' \(no image of a format"):
        load_dataset(tmp_path)


def test_large_images_are_warned_of_with_what_they_cost(tmp_path: Path) -> None:
    for name in "ab":
        for index in range(2):
            put(tmp_path / name / f"{index}.png", np.zeros((320, 320, 3), np.uint8))
    with pytest.warns(UserWarning, match="320 x 320: 4 of them take 0.0012 GB .* about 100 times"):
        load_dataset(tmp_path)
    load_dataset(tmp_path, image_size=32)


def test_photos_are_decoded_small_and_look_the_same(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    smooth = Image.fromarray(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8)).resize((800, 640))
    for name in "ab":
        (tmp_path / name).mkdir()
        for index in range(2):
            smooth.save(tmp_path / name / f"{index}.jpg", quality=95)
    data = load_dataset(tmp_path, image_size=32)
    whole = smooth.resize((32, 32), Image.Resampling.BILINEAR)
    assert (
        np.abs(np.asarray(data.images[0]).transpose(1, 2, 0) - np.asarray(whole, float)).mean() < 2
    )


def test_train_and_val_folders_beyond_memory(tmp_path: Path) -> None:
    """A validation folder of one's own had to fit in memory."""
    fill(tmp_path / "train")
    fill(tmp_path / "val", count=2)
    fill(tmp_path / "test", count=1)
    whole, lazy = load_dataset(tmp_path), load_dataset(tmp_path, memory_limit=10)
    assert whole.in_memory and not lazy.in_memory
    assert lazy.validation_indices.tolist() == [8, 9, 10, 11]
    for index in (0, 7, 8, 11):
        np.testing.assert_array_equal(lazy.images[index], whole.images[index])
    assert lazy.fingerprint == whole.fingerprint
    assert isinstance(lazy.test_images, ImageFiles)


def test_drawings_that_white_swallows_are_warned_of(tmp_path: Path) -> None:
    """White drawings on transparent ground became white images, all equal, in silence."""
    for name, colour in (("white", 255), ("black", 0)):
        for kind in "ab":
            for index in range(3):
                pixels = np.full((8, 8, 4), colour, np.uint8)
                pixels[..., 3] = 0
                pixels[: index + 1, :, 3] = 255
                put(tmp_path / name / kind / f"{index}.png", pixels)
    with pytest.warns(DataWarning, match="laid on white, on which 6 of 6 looked at are blank"):
        load_dataset(tmp_path / "white")
    load_dataset(tmp_path / "black")


def test_12_bit_files_among_bytes_keep_their_12_bits(tmp_path: Path) -> None:
    """They were divided by 65,535, and became nearly black."""
    for index in range(2):
        put(tmp_path / "a" / f"{index}.png", np.full((4, 4), 200, np.uint8))
        put(tmp_path / "b" / f"{index}.png", np.full((4, 4), 3213, np.uint16))
    images = np.asarray(load_dataset(tmp_path).images)
    assert images[:2].max() == 200 and images[2:].min() == images.max() == 200


def test_multi_picture_files_are_read(tmp_path: Path) -> None:
    """``.mpo`` files of stereo cameras are JPEG files."""
    for name in "ab":
        for index in range(2):
            put(tmp_path / name / f"{index}.mpo", format="MPO")
    assert len(load_dataset(tmp_path).labels) == 4
