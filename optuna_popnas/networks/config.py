"""Settings of the networks that are built from cells (Sec. 4.2, appendix B)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import fields
from dataclasses import replace
from typing import Any

import numpy as np


_RANGES = {"motifs": (1, 16), "normal_cells": (1, 64), "filters": (1, 4096)}
_JOINS = ("add", "concat")
STEMS = ("auto", "none", "imagenet")

# Images of this side get a stem, if none is asked for: cells on all their pixels cost too much.
_STEM_FROM = 96


@dataclass(frozen=True)
class NetworkConfig:
    """How a network is made of a cell (Sec. 4.2, "CNN architecture parameters" of appendix B).

    Args:
        motifs: Motifs (M): stacks of normal cells that end with a reduction cell. The reduction
            cell of the last motif is left out.
        normal_cells: Normal cells per motif (N).
        filters: Channels of the first cells (F). Each reduction doubles them.
        concat_all: A cell's output is made of all blocks, not only of those that no other block
            reads (``concat_only_unused_blocks`` in appendix B is its opposite).
        dropout: Probability of dropping a feature before a classifier (``softmax_dropout``).
        drop_path: Largest probability of dropping one of the two operators of a block, for one
            image, in training (``drop_path_prob``, scheduled drop path). It grows with the depth
            of the cell and with the progress of the training, see
            :meth:`optuna_popnas.networks.Network.set_progress`. Never are both dropped.
        multi_output: A classifier at the end of each cell, in training (``multi_output``).
        join: How a block joins its two operators: ``"add"``, or ``"concat"`` as in POPNASv1
            (Sec. 3.4.1), where the block's output has twice the channels and the cell's output
            always passes a 1x1 convolution.
        stem: What images pass before the first cells: ``"none"`` (the thesis), or ``"imagenet"``,
            two 3x3 convolution units with stride 2, of F/2 and F channels. ``"auto"`` is the
            latter for images from 96 pixels a side on.

    Raises:
        ValueError: A setting is out of range.
    """

    motifs: int = 3
    normal_cells: int = 2
    filters: int = 24
    concat_all: bool = False
    dropout: float = 0.0
    drop_path: float = 0.0
    multi_output: bool = False
    join: str = "add"
    stem: str = "auto"

    def __post_init__(self) -> None:
        if self.stem is None:  # as TOML files and flags read the word
            object.__setattr__(self, "stem", "none")
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise ValueError(f"`{name}` must be an integer, but got {value!r}.")
            if not low <= value <= high:
                raise ValueError(f"`{name}` must be between {low} and {high}, but got {value}.")
            object.__setattr__(self, name, int(value))
        for name in ("concat_all", "multi_output"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(
                    f"`{name}` must be True or False, but got {getattr(self, name)!r}."
                )
        self._check_probability("dropout", below=1.0)
        self._check_probability("drop_path", below=0.5)
        if self.join not in _JOINS:
            raise ValueError(f"`join` must be 'add' or 'concat', but got {self.join!r}.")
        if self.stem not in STEMS:
            raise ValueError(f"`stem` must be one of {STEMS}, but got {self.stem!r}.")

    def _check_probability(self, name: str, *, below: float) -> None:
        value = getattr(self, name)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not 0 <= value < below
        ):
            raise ValueError(f"`{name}` must be at least 0 and below {below}, but got {value!r}.")
        object.__setattr__(self, name, float(value))

    @property
    def total_cells(self) -> int:
        """Cells of a network that reads the previous cell: M(N+1)-1."""
        return self.motifs * (self.normal_cells + 1) - 1

    @property
    def reductions(self) -> tuple[int, ...]:
        """Indices of the reduction cells, from 0: ``(2, 5)`` for M=3, N=2."""
        step = self.normal_cells + 1
        return tuple(range(step - 1, self.total_cells, step))

    @property
    def smallest_image(self) -> int:
        """The smallest side of an image that every reduction still halves, in pixels."""
        return 1 << (self.motifs - 1 + 2 * (self.stem == "imagenet"))

    def for_images(self, image_size: tuple[int, int]) -> NetworkConfig:
        """Return the settings with the stem that images of this size get."""
        if self.stem != "auto":
            return self
        large = min(image_size) >= max(_STEM_FROM, 4 << (self.motifs - 1))
        return replace(self, stem="imagenet" if large else "none")

    def stem_channels(self, in_channels: int) -> tuple[tuple[int, int], ...]:
        """Return the channels before and after each convolution of the stem."""
        if self.stem != "imagenet":
            return ()
        half = max(self.filters // 2, 1)
        return (in_channels, half), (half, self.filters)

    def filters_at(self, index: int) -> int:
        """Return the channels of the output of cell ``index``."""
        return self.filters << (min(index + 1, self.total_cells) // (self.normal_cells + 1))

    def check_image_size(self, image_size: int | tuple[int, int]) -> tuple[int, int]:
        """Return ``image_size`` as (height, width) in pixels.

        Raises:
            ValueError: The image is too small for the reductions.
        """
        size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
        if len(size) != 2 or min(size) < self.smallest_image:
            got = "x".join(str(int(side)) for side in size)
            raise ValueError(
                f"Images must be at least {self.smallest_image}x{self.smallest_image} pixels for "
                f"motifs={self.motifs}, whose {self.motifs - 1} reductions halve them"
                f"{', and a stem' if self.stem == 'imagenet' else ''}, but got "
                f"{got}. Use larger images or fewer motifs."
            )
        return int(size[0]), int(size[1])

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON values; :meth:`from_dict` is the inverse."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> NetworkConfig:
        """Read settings from a mapping; those left out keep their defaults.

        Raises:
            ValueError: A key is no setting, or a value is out of range.
        """
        known = [field.name for field in fields(cls)]
        for key in values:
            if key not in known:
                raise ValueError(
                    f"Keys of a network's settings must be among {', '.join(known)}, "
                    f"but got {key!r}."
                )
        return cls(**values)
