"""The model card that lies beside exported files: README.md, for people."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


#: How the text begins, by which it is known again.
FRONT_MATTER = "---\nlibrary_name: optuna-popnas\n"


def card_text(card: Mapping[str, Any], files: Mapping[str, Path]) -> str:
    """Return the text of a model card.

    Args:
        card: What :meth:`TrainedModel.card` gives.
        files: Format -> file, of :func:`optuna_popnas.export`.
    """
    data, figures = card["data"], card["figures"]
    height, width = data["image_size"]
    top = float(data.get("range", (0, 1))[1])
    names = data["class_names"]
    channels = data["in_channels"]
    kind = {1: "grey", 3: "RGB"}.get(channels, f"{channels}-channel")
    mode = {1: "L", 3: "RGB"}.get(channels)
    lines = [
        FRONT_MATTER + "pipeline_tag: image-classification",
        "---",
        f"# Classifier of {data['name']}",
        "",
        f"A convolutional network of {card['parameters']:,} parameters and {card['flops']:,} "
        f"operations per image that tells {len(names)} classes apart. Its cell was found by "
        f"neural architecture search (POPNASv2): `{card['cell']}`.",
        "",
        "| | |",
        "|---|---|",
        *(f"| {words} | {_accuracy(figures, key)} |" for key, words in _FIGURES if key in figures),
        f"| epochs | {figures.get('epochs', 'not known')} |",
        f"| classes | {', '.join(map(str, names[:20]))}{' ...' if len(names) > 20 else ''} |",
        "",
        "## Use",
        "",
        f"Images are {kind}, {height}x{width} pixels, `(batch, {channels}, {height}, {width})` "
        "float32 between 0 and 1; nothing else is subtracted or divided."
        + (f" Numbers up to {top:g} were divided by that." if top not in (1, 255) else ""),
    ]
    if "onnx" in files and mode is not None:
        reshape = "[None, None]" if channels == 1 else ".transpose(2, 0, 1)[None]"
        lines += [
            "",
            "```python",
            "import numpy as np, onnxruntime",
            "from PIL import Image, ImageOps",
            "image = ImageOps.exif_transpose(Image.open('image.png')).convert("
            f"'{mode}').resize(({width}, {height}), Image.Resampling.BILINEAR)",
            f"pixels = (np.asarray(image, np.float32) / 255){reshape}",
            f"session = onnxruntime.InferenceSession('{files['onnx'].name}')",
            "print(session.run(None, {'images': pixels})[0].argmax(1))",
            "```",
        ]
    lines += ["", "Files: " + ", ".join(f"`{path.name}`" for path in files.values()) + ".", ""]
    return "\n".join(lines)


_FIGURES = (
    ("test_accuracy", "accuracy on test images"),
    ("validation_accuracy", "accuracy on validation images, by which the epoch was chosen"),
)


def _accuracy(figures: Mapping[str, Any], key: str) -> str:
    """Return an accuracy with its standard deviation, where the number of images is known."""
    value = float(figures[key])
    if not str(figures.get("confusion_of", "")).startswith(key.partition("_")[0]):
        return f"{value:.4f}"
    count = sum(map(sum, figures["confusion"]))
    return f"{value:.4f} ± {(value * (1 - value) / max(count, 1)) ** 0.5:.4f} ({count} images)"
