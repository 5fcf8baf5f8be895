"""Data that were wrong in silence; each test names the bug."""

from __future__ import annotations

import os
from pathlib import Path
import resource
import shutil
import subprocess
import sys
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch.utils.data import ConcatDataset
from torch.utils.data import Dataset
from torch.utils.data import Subset

from optuna_popnas import Cell
from optuna_popnas import NetworkConfig
from optuna_popnas import retrain
from optuna_popnas import SearchSpace
from optuna_popnas import TrainingConfig
from optuna_popnas import TrainingObjective
from optuna_popnas.training.data import memory
from optuna_popnas.training.data.image_data import capped
from optuna_popnas.training.data.image_data import difference
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.data.load import load_dataset
from optuna_popnas.training.data.named import may_be_mirrored
from tests.training.data.pictures import fill
from tests.training.data.pictures import put


LABELS = np.arange(40) % 2


@pytest.mark.parametrize(
    "shape, channels",
    [
        ((40, 64, 64, 13), 13),  # EuroSAT, all bands
        ((40, 13, 64, 64), 13),
        ((40, 5, 5, 103), 103),  # patches of hyperspectral images
        ((40, 4, 4, 3), 3),
        ((40, 3, 4, 4), 3),
        ((40, 24, 20, 3), 3),
        ((40, 1, 24, 20), 1),
    ],
)
def test_channels_of_arrays_are_recognised(shape: tuple[int, ...], channels: int) -> None:
    """(N, 64, 64, 13) was taken for 64 channels of 64 x 13 pixels."""
    data = load_dataset((np.zeros(shape, np.uint8), LABELS))
    assert data.in_channels == channels


@pytest.mark.parametrize("shape", [(40, 64, 48, 13), (40, 3, 3, 13), (40, 4, 4, 4), (40, 3, 5, 4)])
def test_channels_that_cannot_be_told_are_asked_for(shape: tuple[int, ...]) -> None:
    images = np.zeros(shape, np.uint8)
    with pytest.raises(ValueError, match="`X` must have a dimension that is plainly .*Pass `chan"):
        load_dataset((images, LABELS))
    assert load_dataset((images, LABELS), channels_last=True).in_channels == shape[3]
    assert load_dataset((images, LABELS), channels_last=False).in_channels == shape[1]


def test_single_arrays_of_data_sets_follow_the_same_rule() -> None:
    class Items(Dataset[Any]):
        def __init__(self, item: Any) -> None:
            self.item = item

        def __len__(self) -> int:
            return 8

        def __getitem__(self, index: int) -> Any:
            return self.item, index % 2

    assert load_dataset(Items(np.zeros((9, 9, 6), np.uint8))).in_channels == 6
    assert load_dataset(Items(torch.zeros(6, 9, 8))).in_channels == 6
    with pytest.raises(ValueError, match="`image 0` must have a dimension that is plainly"):
        load_dataset(Items(np.zeros((9, 8, 6), np.uint8)))


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


class Named(Dataset[Any]):
    """Has its labels in a list; items must not be asked for."""

    classes = ["cat", "dog", "fox"]

    def __init__(self, labels: Any) -> None:
        self.targets = labels

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> Any:
        return np.full((4, 4), index, np.uint8), self.targets[index]


def test_wrapped_data_sets_keep_their_class_names() -> None:
    """Subsets had the classes "0" and "1"."""
    inner = Named([0, 1, 2] * 6)
    whole = load_dataset(Subset(inner, range(18)))
    assert whole.class_names == ("cat", "dog", "fox") and whole.name == "Named"
    part = load_dataset(Subset(Subset(inner, range(12)), [1, 2, 4, 5, 7, 8]))
    assert part.class_names == ("dog", "fox") and part.labels.tolist() == [0, 1] * 3
    assert np.asarray(part.images)[:, 0, 0, 0].tolist() == [1, 2, 4, 5, 7, 8]
    both = load_dataset(ConcatDataset([inner, Named([1, 1])]), memory_limit=10)
    assert both.class_names == ("cat", "dog", "fox") and len(both.labels) == 20


def test_keras_tuples() -> None:
    """numpy's own words about inhomogeneous shapes came through."""
    x = np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8)
    data = load_dataset(((x, LABELS), (x[:10], LABELS[:10])))
    assert data.test_images is not None and data.test_images.shape == (10, 1, 8, 8)
    data = load_dataset(((x, LABELS), (x[:10], LABELS[:10]), (x[:4], LABELS[:4])))
    assert len(data.validation_indices) == 10 and data.test_labels is not None


def test_lists_of_images_of_different_sizes() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (8 + i % 2, 8, 3), dtype=np.uint8) for i in range(20)]
    objects = np.empty(20, dtype=object)
    objects[:] = images
    for given in (images, objects):
        with pytest.raises(ValueError, match=r"size \(8, 8\) of the first one, .* `image_size`"):
            load_dataset((given, LABELS[:20]))
        data = load_dataset((given, LABELS[:20]), image_size=8)
        np.testing.assert_array_equal(data.images[0], images[0].transpose(2, 0, 1))
    with pytest.raises(ValueError, match="Labels must be one number or text per image"):
        load_dataset((np.zeros((2, 4, 4)), [[0], [0, 1]]))


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


def test_test_images_of_another_range_are_not_taken_for_black() -> None:
    """Test images in [0, 1] beside bytes to train on became black, bytes beside [0, 1] white."""
    images = np.random.default_rng(0).integers(0, 256, (40, 4, 4), dtype=np.uint8)
    for train, test in ((images, images / 255.0), (images / 255.0, images)):
        data = load_dataset((train, LABELS), test=(test, LABELS))
        np.testing.assert_array_equal(data.images, data.test_images)
    with pytest.raises(ValueError, match="`X_test` must hold numbers from 0 to 1 as the training"):
        load_dataset((images / 255.0, LABELS), test=(images.astype(float), LABELS))


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


def test_mirroring_is_told_by_the_data() -> None:
    """Digits, letters and traffic signs were mirrored."""
    assert not load_dataset("digits").mirror
    for name in ("mnist", "svhn", "gtsrb", "kmnist", "mnist_png", "EMNIST", "chars-ocr"):
        assert not may_be_mirrored(name), name
    for name in ("cifar10", "fashion-mnist", "FashionMNIST", "eurosat", "photos", "pathmnist"):
        assert may_be_mirrored(name), name
    assert not may_be_mirrored("signs", ("turn left", "turn right"))
    assert may_be_mirrored("pets", ("cleft", "dog"))


def test_data_are_known_by_content(tmp_path: Path) -> None:
    """Data were known by the spelling of their path: changed images resumed, links did not."""
    fill(tmp_path / "photos", count=6)
    (tmp_path / "mount").symlink_to(tmp_path / "photos")
    before = load_dataset(tmp_path / "photos")
    for other in (tmp_path / "mount", f"{tmp_path}/./photos/"):
        assert difference(before.fingerprint, load_dataset(other)) is None
    lazy = load_dataset(tmp_path / "mount", memory_limit=10)
    assert difference(before.fingerprint, lazy) is None
    put(tmp_path / "photos" / "a" / "0.png", np.zeros((6, 6, 3), np.uint8))
    said = difference(before.fingerprint, load_dataset(tmp_path / "photos"))
    assert said == "had other images, of the same number"
    (tmp_path / "photos" / "a" / "1.png").unlink()
    said = difference(before.fingerprint, load_dataset(tmp_path / "photos"))
    assert said == "had 6 images of 'a', now 5"
    fill(tmp_path / "photos", classes="c")
    said = difference(before.fingerprint, load_dataset(tmp_path / "photos"))
    assert said == "had 2 classes, now 3 ('c')"


def test_arrays_are_known_by_content_and_random_items_by_their_labels() -> None:
    images = np.random.default_rng(0).integers(0, 255, (40, 4, 4), dtype=np.uint8)
    data = load_dataset((images, LABELS))
    assert data.fingerprint == load_dataset((images.copy(), LABELS.tolist())).fingerprint
    changed = images.copy()
    changed[39, 3, 3] ^= 1
    assert data.fingerprint != load_dataset((changed, LABELS)).fingerprint
    names = data.class_names
    assert ImageData("x", images[:, None], LABELS, names).fingerprint["hash"]

    class Augmented(Named):
        def __getitem__(self, index: int) -> Any:
            return np.random.randint(0, 255, (4, 4), dtype=np.uint8), self.targets[index]

    for limit in (None, 10):
        data = load_dataset(Augmented([0, 1, 2] * 4), memory_limit=limit)
        again = load_dataset(Augmented([0, 1, 2] * 4))
        assert difference(data.fingerprint, again) is None


def test_data_and_training_without_a_home(tmp_path: Path) -> None:
    """Accounts without HOME and without an entry in passwd could load no data by name."""
    if os.getuid() or shutil.which("unshare") is None:
        pytest.skip("needs root, to hide /etc/passwd")
    code = """if True:
        import optuna_popnas as popnas
        from optuna_popnas.training.data.named import _cache
        print(_cache())
        data = popnas.load_dataset("digits", samples=100)
        cell = popnas.Cell.parse("[(-1, 'identity', -1, 'identity')]")
        network = popnas.NetworkConfig(motifs=1, normal_cells=1, filters=2)
        training = popnas.TrainingConfig(epochs=1, restart_epochs=None)
        from optuna_popnas.training import train_cell
        print(train_cell(cell, data, network, training).epochs)
    """
    shell = 'mount --bind /dev/null /etc/passwd && exec "$0" -c "$1"'
    for temporary in ("/nowhere", str(tmp_path / ("long" * 40)), str(tmp_path / "a b'")):
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": ".", "TMPDIR": temporary}
        if temporary != "/nowhere":
            os.mkdir(temporary)
        out = subprocess.run(
            ["unshare", "-m", "sh", "-c", shell, sys.executable, code],
            capture_output=True,
            text=True,
            env=environment,
        )
        assert out.returncode == 0, out.stderr
        assert out.stdout.split()[-1] == "1"


@pytest.mark.parametrize("top", [16, 1.0, 4095.0, 255])
def test_models_take_images_as_the_user_has_them(top: float) -> None:
    """Digits as 0 to 16 were predicted as if they were 0 to 1: 29.5 % right instead of 84.1 %."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 17, (40, 8, 8)) / 16 * top
    if top in (255, 16):
        images = np.rint(images).astype(np.uint8 if top == 255 else np.int64)
    data = load_dataset((images, LABELS), validation_fraction=0.2)
    cell = Cell.parse("[(-1, 'identity', -1, 'identity')]")
    network = NetworkConfig(motifs=1, normal_cells=1, filters=2)
    training = TrainingConfig(epochs=1, restart_epochs=None)
    model = retrain(cell, data, network=network, training=training)
    assert model.card()["data"]["range"] == [0.0, top]
    expected = model.predict(np.asarray(data.images))  # the library's bytes
    # As the training images were, in whatever type; and as the network sees them.
    given = images[:, None]
    for same in (given, given.astype(np.float32), given.astype(np.float64) / top):
        np.testing.assert_allclose(model.predict(same), expected, atol=0.02)
    with pytest.raises(ValueError, match=f"`images` must hold numbers from 0 to {top:g} as the"):
        model.predict(given.astype(np.float64) * 300)
    with pytest.raises(ValueError, match="`images` must hold numbers >= 0"):
        model.predict(given.astype(np.float64) - 1)
    assert len(model.predict(given[:0])) == 0


def test_digits_are_not_mirrored_unless_asked_for() -> None:
    space = SearchSpace(("identity",), max_blocks=1)
    for flip, expected in ((None, False), (True, True)):
        training = TrainingConfig(flip=flip)
        objective = TrainingObjective(space, load_dataset("digits"), training=training)
        assert objective.training.flip is expected
    plain = load_dataset((np.zeros((40, 8, 8), np.uint8), LABELS))
    assert TrainingObjective(space, plain).training.flip is True


def test_a_study_refuses_changed_images_and_knows_them_elsewhere(tmp_path: Path) -> None:
    """A search went on with other images, and did not with the same ones under another path."""
    photos = fill(tmp_path / "photos")
    space = SearchSpace(("identity",), max_blocks=1)
    network = NetworkConfig(motifs=1, normal_cells=1, filters=2)
    training = TrainingConfig(epochs=1, restart_epochs=None)
    study = optuna.create_study(directions=["maximize", "minimize"])

    def search(folder: Path) -> None:
        objective = TrainingObjective(
            space, load_dataset(folder), network=network, training=training
        )
        study.optimize(objective, n_trials=1)

    search(photos)
    shutil.copytree(photos, tmp_path / "elsewhere")
    search(tmp_path / "elsewhere")
    fill(photos, classes="c")
    with pytest.raises(
        ValueError, match="have changed: it had 2 classes, now 3 .'c'.. Use the same"
    ):
        search(photos)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE", "FAIL"]
