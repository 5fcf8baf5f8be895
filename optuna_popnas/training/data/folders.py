"""Folders of images: which sub-folders are parts, which are classes, which are neither."""

from __future__ import annotations

from collections import Counter
import os
from pathlib import Path
import re
from typing import NamedTuple
import warnings

from optuna_popnas.training.data.files import extensions
from optuna_popnas.training.data.files import is_image
from optuna_popnas.training.data.source import DataWarning


_SYSTEM = frozenset((
    "__macosx", "__pycache__", "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin",
    "system volume information", "lost+found", "thumbs.db", "desktop.ini",
))  # fmt: skip
#: Files that lie beside images and are none.
_BESIDE = frozenset((
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".html", ".log",
    ".ini", ".db", ".py", ".ipynb", ".pdf",
))  # fmt: skip
_WORDS = r"(?:[ _.-]?(?:set|data|dataset|images?|imgs?|samples?|split|part|folder))?[ _.-]?\d*$"
_PARTS = {
    "train": re.compile(r"(?:.*[ _.-])?(?:train|training|trn|trainval)" + _WORDS),
    "validation": re.compile(r"(?:.*[ _.-])?(?:val|valid|validation|dev)" + _WORDS),
    "test": re.compile(r"(?:.*[ _.-])?(?:test|testing|tst)" + _WORDS),
}
_FOLD = re.compile(r"(?:k?fold|split|part|batch|set)[ _.-]?\d+$")
_IMAGES = frozenset(("image", "images", "img", "imgs", "jpegimages"))
_MASKS = frozenset(("mask", "masks", "label", "labels", "annotations", "segmentation", "gt"))
# Names of folders that hold classes, and are none.
_HOLDERS = re.compile(
    rf"(?:{'|'.join(_IMAGES)}|pics|pictures|photos?|data|datasets?|raw|original|processed"
    r"|(?:un)?labell?ed|augmented"
    rf"|{'|'.join(_MASKS)}|{_FOLD.pattern})$"
)


class Found(NamedTuple):
    """The images of one part.

    Attributes:
        names: Class names, sorted.
        files: Image files.
        labels: Their class indices.
    """

    names: list[str]
    files: list[Path]
    labels: list[int]


class _Folder:
    """A folder with what matters below it; hidden and system files do not."""

    def __init__(self, path: Path, known: frozenset[str], above: tuple[str, ...] = ()) -> None:
        self.path = path
        self.skipped: Counter[str] = Counter()
        self.files: list[Path] = []
        below: list[_Folder] = []
        above = (*above, os.path.realpath(path))
        for entry in sorted(os.scandir(path), key=lambda entry: entry.name):
            if entry.name.startswith(".") or entry.name.lower() in _SYSTEM:
                continue
            file, ending = Path(entry.path), os.path.splitext(entry.name)[1].lower()
            if entry.is_dir():
                if os.path.realpath(file) not in above:  # a link that leads back
                    below.append(_Folder(file, known, above))
            elif ending in known or ((not ending or ending[1:].isdigit()) and is_image(file)):
                self.files.append(file)
            elif ending not in _BESIDE:
                self.skipped[ending or "files without an ending"] += 1
        self.below = [folder for folder in below if folder.any]
        #: Folders of which nothing is read, though something is there.
        self.unread = [folder.name for folder in below if folder.skipped and not folder.any]
        for folder in below:
            self.skipped += folder.skipped

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def any(self) -> bool:
        """Whether there are images at any depth."""
        return bool(self.files or self.below)

    @property
    def deep(self) -> bool:
        """Whether all images are in sub-folders."""
        return bool(self.below) and not self.files

    def leaves(self) -> set[str]:
        """Return the paths, from here, of folders that hold images themselves."""
        here = {""} if self.files else set()
        return here | {f"{f.name}/{leaf}" for f in self.below for leaf in f.leaves()}

    def all(self) -> list[Path]:
        """Return all images, sorted by path."""
        return sorted([*self.files, *(file for f in self.below for file in f.all())])


def find_images(place: Path) -> dict[str, Found]:
    """Return the images below a folder by part: "train" and maybe "validation" and "test".

    Folders around the classes or parts are passed through; hidden and system folders are left
    out, folders without images are no classes. Files that cannot be read are counted in a warning.

    Raises:
        ValueError: There are no images, or it is not plain which folders are the classes.
    """
    root = _unwrapped(_Folder(place, extensions()))
    parts = _parts(root)
    found = {part: _classes(folder) for part, folder in parts.items()}
    skipped: Counter[str] = Counter()
    for folder in parts.values():
        skipped += folder.skipped
    if skipped:
        without = sorted({name for folder in parts.values() for name in folder.unread})
        warnings.warn(
            f"{sum(skipped.values())} files below {str(place)!r} are not read: "
            f"{_counted(skipped)}. Save them as PNG or JPEG if they are images."
            + f" Nothing is read of {', '.join(map(repr, without))}."
            * bool(without),
            DataWarning,
            stacklevel=2,
        )
    return found


def _unwrapped(folder: _Folder) -> _Folder:
    while folder.deep and len(folder.below) == 1 and folder.below[0].deep:
        folder = folder.below[0]
    return folder


def _parts(root: _Folder) -> dict[str, _Folder]:
    parts: dict[str, _Folder] = {}
    rest = []
    for folder in root.below:
        fits = sorted(_parts_named({folder.name.lower()}))
        # A class may be called "train" as well; then its images are right below it.
        if not fits or not (folder.deep or len(folder.below) > 1):
            rest.append(folder.name)
            continue
        if fits[0] in parts:
            raise _unplain(root, f"both {parts[fits[0]].name!r} and {folder.name!r}")
        parts[fits[0]] = folder
    if not parts:
        return {"train": root}
    if "train" not in parts:
        raise _unplain(root, f"{parts.popitem()[1].name!r}, but no part to train on")
    if rest or root.files:
        left = ", ".join(map(repr, rest)) or f"{len(root.files)} images"
        warnings.warn(
            f"Beside the parts in {str(root.path)!r}, {left} are left out: they are not named "
            "train, val or test, or have no folder per class.",
            DataWarning,
            stacklevel=4,
        )
    return {part: _unwrapped(folder) for part, folder in parts.items()}


def _classes(folder: _Folder) -> Found:
    classes = folder.below
    if not classes:
        raise ValueError(
            f"A folder of images must have one sub-folder of images per class, but "
            f"{str(folder.path)!r} has none. Put images below {folder.name}/<class>/."
            + f" Files that are not read: {_counted(folder.skipped)}."
            * bool(folder.skipped)
        )
    deep = [child for child in classes if len(child.leaves()) > 1]
    names = {child.name.lower() for child in classes}
    # Parts, folds, or images and their masks, without classes inside or with the same ones.
    numbered = all(_FOLD.match(name) for name in names)
    if numbered or len(_parts_named(names)) > 1 or (names & _IMAGES and names & _MASKS):
        raise _unplain(folder, f"{_listed(names)} instead of classes")
    for index, child in enumerate(deep):
        leaves = child.leaves() - {""}
        inside = {leaf.split("/")[0].lower() for leaf in leaves}
        holder = _HOLDERS.match(child.name.lower()) or len(names & inside) > 1
        if (child.deep and holder) or len(_parts_named(inside)) > 1:
            raise _unplain(folder, f"{child.name!r}, with {_listed(inside)} inside")
        for other in deep[:index]:
            shared = leaves & other.leaves()
            if len(shared) > 1:
                both = f"{other.name!r} and {child.name!r}, which both hold"
                raise _unplain(folder, f"{both} {_listed(shared)}")
    if folder.files:
        warnings.warn(
            f"{len(folder.files)} images right in {str(folder.path)!r} are left out: they have "
            "no class.",
            DataWarning,
            stacklevel=4,
        )
    if deep:
        warnings.warn(
            f"Images in sub-folders of {', '.join(repr(child.name) for child in deep[:5])} in "
            f"{str(folder.path)!r} are taken as images of these classes.",
            DataWarning,
            stacklevel=4,
        )
    files = [child.all() for child in classes]
    labels = [label for label, inside in enumerate(files) for _ in inside]
    return Found([child.name for child in classes], [f for fs in files for f in fs], labels)


def _parts_named(names: set[str]) -> set[str]:
    """Return the parts that folders of these names are."""
    return {part for part, fits in _PARTS.items() if any(map(fits.match, names))}


def _counted(skipped: Counter[str]) -> str:
    return ", ".join(f"{count} {ending}" for ending, count in skipped.most_common())


def _listed(names: set[str]) -> str:
    some = [name.strip("/") for name in sorted(names)]
    return ", ".join(map(repr, some[:3])) + (", ..." if len(some) > 3 else "")


def _unplain(folder: _Folder, has: str) -> ValueError:
    return ValueError(
        "A folder of images must have one sub-folder per class, or such folders below train/, "
        f"val/ and test/, but {str(folder.path)!r} has {has}. Give the folder that has the "
        "classes, rename parts to train, val and test, or put a class's images right into it."
    )
