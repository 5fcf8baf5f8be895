"""Models as files that need nothing of this library (Sec. 6.3 of the thesis, taken home)."""

from __future__ import annotations

from collections.abc import Sequence
import copy
from importlib.util import find_spec
import io
from pathlib import Path
from typing import Any, NamedTuple
import warnings

import numpy as np
import numpy.typing as npt
import torch

from optuna_popnas.networks.network import Network
from optuna_popnas.training.checkpoint import replacing
from optuna_popnas.training.data.arrays import to_unit
from optuna_popnas.training.data.arrays import unit_of
from optuna_popnas.training.data.image_data import ImageData
from optuna_popnas.training.model import load_model
from optuna_popnas.training.model import TrainedModel
from optuna_popnas.training.readme import card_text
from optuna_popnas.training.readme import FRONT_MATTER


FORMATS = ("safetensors", "pt2", "onnx")

#: Largest difference of two logits, relative to the largest logit, that counts as equal.
TOLERANCE = 1e-4

_CHECKED = 256
_ONNX = "Install what ONNX takes with `pip install onnx onnxruntime onnxscript`."


class Export(NamedTuple):
    """What :func:`export` wrote.

    Attributes:
        files: Format (``"safetensors"``, ``"json"``, ``"pt2"``, ``"onnx"``, ``"readme"``) -> file.
        checked: How many real images the files were checked on.
        difference: ``"pt2"`` and ``"onnx"`` -> largest difference of its logits to PyTorch's.
    """

    files: dict[str, Path]
    checked: int
    difference: dict[str, float]


def export(
    model: TrainedModel | str | Path,
    folder: str | Path,
    *,
    images: ImageData | npt.NDArray[Any] | None = None,
    formats: Sequence[str] | None = None,
    name: str = "model",
) -> Export:
    """Write a model in formats that load without this library.

    Programs take ``(batch, C, H, W)`` float32 images in [0, 1], with any batch size, and give
    logits ``(batch, classes)``. Each is read back and run on real images before it is put in its
    place; its logits must be those of the network.

    Args:
        model: What :func:`~optuna_popnas.training.retraining.retrain` returned, or the folder or
            file in which a model was saved.
        folder: Where the files go: ``<name>.safetensors`` with its card ``<name>.json`` (cell,
            settings, data, accuracy), ``<name>.pt2`` (``torch.export``), ``<name>.onnx``, and
            ``README.md``, a card for people (``<name>.md`` where another one is there).
        images: Real images to check with: a data set, of which test images are taken first, or
            an array ``(n, C, H, W)``. The model's own samples if left out.
        formats: Some of ``"safetensors"``, ``"pt2"``, ``"onnx"``. If left out, all; without the
            packages for ONNX all but that, and a warning.
        name: Name of the files without their endings.

    Raises:
        ValueError: A format is unknown, there are no images to check with, or they are not such
            as the network takes.
        RuntimeError: A file's logits differ from PyTorch's; the file is not kept.
        ImportError: The packages for ONNX, which is among the formats, are missing.
        OSError: A file cannot be written; those that were there are kept.
    """
    if formats is None:
        formats = _possible()
    unknown = [value for value in formats if value not in FORMATS]
    if unknown or isinstance(formats, str):
        got = formats if isinstance(formats, str) else unknown[0]
        raise ValueError(
            f"`formats` must be a list of {', '.join(map(repr, FORMATS))}, but got {got!r}."
        )
    if not isinstance(model, TrainedModel):
        model = load_model(model)
    network = _plain(model.network)
    probe = _images_to_check(model, images)
    with torch.inference_mode():
        expected = network(torch.from_numpy(probe)).numpy()
    files: dict[str, Path] = {}
    difference: dict[str, float] = {}
    folder = Path(folder)
    if "safetensors" in formats:
        files["safetensors"] = model.save(folder, name=name)
        files["json"] = files["safetensors"].with_suffix(".json")
    if "pt2" in formats or "onnx" in formats:
        program = _program(network, probe)
    if "pt2" in formats:
        files["pt2"] = folder / f"{name}.pt2"
        with replacing(files["pt2"], "Exported program") as part:
            difference["pt2"] = _write_pt2(program, part, probe, expected)
    if "onnx" in formats:
        files["onnx"] = folder / f"{name}.onnx"
        with replacing(files["onnx"], "ONNX file") as part:
            difference["onnx"] = _write_onnx(program, part, probe, expected)
    files["readme"] = folder / "README.md"
    if files["readme"].exists() and not files["readme"].read_text().startswith(FRONT_MATTER):
        files["readme"] = folder / f"{name}.md"  # the other one is somebody's own
    with replacing(files["readme"], "Model card") as part:
        part.write_text(card_text(model.card(), files), encoding="utf-8")
    return Export(files, len(probe), difference)


def _possible() -> tuple[str, ...]:
    """Return the formats that this installation can write."""
    missing = _missing()
    if missing is None:
        return FORMATS
    warnings.warn(
        f"No ONNX file is written: it needs the package {missing!r}. {_ONNX}", stacklevel=3
    )
    return tuple(form for form in FORMATS if form != "onnx")


def _missing() -> str | None:
    """Return a package that ONNX files need and that is not there."""
    names = ("onnx", "onnxruntime", "onnxscript")
    return next((name for name in names if find_spec(name) is None), None)


def _plain(network: Network) -> Network:
    """Return a copy for inference on a CPU, with weights in the ordinary layout."""
    plain = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    for tensor in [*plain.parameters(), *plain.buffers()]:
        tensor.data = tensor.data.contiguous()
    return plain


def _images_to_check(
    model: TrainedModel, images: ImageData | npt.NDArray[Any] | None
) -> npt.NDArray[np.float32]:
    source: Any = model.samples if images is None else images
    if isinstance(source, ImageData):
        source = source.images if source.test_images is None else source.test_images
    if source is None or len(source) == 0:
        raise ValueError(
            "`images` must be real images to check the files with, but there are none with this "
            "model. Pass the data set, or an array (n, C, H, W)."
        )
    rows = np.unique(np.linspace(0, len(source) - 1, _CHECKED).astype(int))
    chosen = np.stack([source[int(row)] for row in rows])
    expected = (model.network.in_channels, *model.image_size)
    if chosen.shape[1:] != expected:
        raise ValueError(
            f"`images` must have the shape (n, {', '.join(map(str, expected))}) that the network "
            f"was trained on, but got {('n', *chosen.shape[1:])}. Convert or resize them."
        )
    return to_unit(chosen, unit_of(chosen, model.top))


def _program(network: Network, probe: npt.NDArray[np.float32]) -> torch.export.ExportedProgram:
    batch = torch.export.Dim("batch", min=1)
    # An example of two: a batch of one would be taken for a constant.
    example = torch.from_numpy(np.resize(probe, (2, *probe.shape[1:])))
    return torch.export.export(network, (example,), dynamic_shapes={"images": {0: batch}})


def _write_pt2(
    program: torch.export.ExportedProgram,
    path: Path,
    probe: npt.NDArray[np.float32],
    expected: npt.NDArray[np.float32],
) -> float:
    # By way of memory: PyTorch's own writer ends the process when the disk is full.
    content = io.BytesIO()
    torch.export.save(program, content)
    path.write_bytes(content.getvalue())
    module = torch.export.load(io.BytesIO(path.read_bytes())).module()
    with torch.inference_mode():
        logits = module(torch.from_numpy(probe)).numpy()
    return _compare("pt2", logits, expected)


def _write_onnx(
    program: torch.export.ExportedProgram,
    path: Path,
    probe: npt.NDArray[np.float32],
    expected: npt.NDArray[np.float32],
) -> float:
    missing = _missing()
    if missing is not None:
        raise ImportError(
            f"ONNX files need the package {missing!r}. {_ONNX} Or leave 'onnx' out of `formats`."
        )
    import onnxruntime

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        exported = torch.onnx.export(
            program,
            (),
            input_names=["images"],
            output_names=["logits"],
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert exported is not None
    path.write_bytes(exported.model_proto.SerializeToString())
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    (logits,) = session.run(["logits"], {"images": probe})
    return _compare("onnx", logits, expected)


def _compare(
    kind: str, logits: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]
) -> float:
    difference = float(np.abs(logits - expected).max())
    allowed = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    if not difference <= allowed:
        raise RuntimeError(
            f"Logits of the {kind} file must be within {allowed:.2g} of PyTorch's, but they "
            f"differ by {difference:.2g} on {len(expected)} real images. The file is not kept."
        )
    return difference
