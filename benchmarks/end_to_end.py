"""From Fashion-MNIST to a model file on two cores, beside a hand-made baseline.

Searches cells on small images, selects one, retrains it on all images at full size, exports it,
and tests the ONNX file. The final network is the widest that trains for some 14 epochs in the
time. Then a ResNet-18 of torchvision, its first layer fitted to grey images of 28 pixels, is
trained for the same time in the same loop (same batches, augmentation, optimiser, one cosine
period), at a learning rate that suits it.

    python benchmarks/end_to_end.py FOLDER             # at most 40 minutes
    python benchmarks/end_to_end.py FOLDER --quick     # a minute's look, on a few images

The data are those of Debian's package ``dataset-fashion-mnist`` if it is installed, else
torchvision's. An interrupted search goes on where it was.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
import json
import os
from pathlib import Path
import subprocess
import sys
import time
from typing import Any

import numpy as np
import onnxruntime
import optuna
import torch
from torch import nn
from torchvision.models import resnet18

import optuna_popnas as popnas
from optuna_popnas.training import ImageData
from optuna_popnas.training.device import resolve_device
from optuna_popnas.training.loop import Training
from optuna_popnas.training.retraining import RetrainEpoch
from optuna_popnas.training.trainer import seeded_network


# The proxy of the search: a quarter of the pixels, a few images of which one half validate (a
# tenth would leave the accuracy uncertain by 0.02), small networks, 2 workers.
SEARCH = [
    "--data=fashion-mnist",
    "--image-size=14",
    "--samples=6000",
    "--validation-fraction=0.5",
    "--max-blocks=3",
    "--motifs=3",
    "--normal-cells=1",
    "--filters=8",
    "--epochs=5",
    "--restart-epochs=5",
    "--batch-norm=epoch",
    "--workers=2",
    "--seed=0",
]
QUICK = ["--samples=300", "--max-blocks=1", "--operators=identity,3x3 conv", "--epochs=1"]

# One motif more than in the search for images of twice the side; cells are the same.
FINAL = popnas.NetworkConfig(motifs=4, normal_cells=1)
FILTERS = (32, 24, 20, 16, 12, 8)
EPOCHS = 14
TRAINING = popnas.TrainingConfig(label_smoothing=0.1)
MACHINE = popnas.MachineConfig(threads=None)
BASELINE_RATE = 0.003


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--search-minutes", type=float, default=13.0, help="at most [13]")
    parser.add_argument("--train-minutes", type=float, default=10.5, help="of each network [10.5]")
    parser.add_argument("--rule", default="accuracy", help="how the cell is selected [accuracy]")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    folder, quick = arguments.folder, arguments.quick
    folder.mkdir(parents=True, exist_ok=True)
    search_seconds, train_seconds = (
        60.0 * minutes for minutes in (arguments.search_minutes, arguments.train_minutes)
    )
    if quick:
        search_seconds, train_seconds = 60.0, 4.0
    result: dict[str, Any] = {"cores": os.cpu_count(), "torch": torch.__version__}
    begin = time.monotonic()

    storage = f"sqlite:///{folder / 'study.db'}"
    search(storage, search_seconds, quick)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.load_study(study_name="fashion-mnist", storage=storage)
    chosen = popnas.select(study, arguments.rule)
    assert chosen.cell is not None
    result["search"] = {
        "minutes": minutes_since(begin),
        "cells": sum(trial.state.name == "COMPLETE" for trial in study.trials),
        "rule": arguments.rule,
        "cell": str(chosen.cell),
        "proxy_accuracy": chosen.accuracy,
    }
    say("search", result["search"])

    data = popnas.load_dataset("fashion-mnist", samples=1000 if quick else None)
    start = time.monotonic()
    for filters in (4,) if quick else FILTERS:
        network = replace(FINAL, filters=filters)
        module = seeded_network(
            chosen.cell, network, in_channels=data.in_channels, classes=data.classes, seed=0
        )
        training = fitted(module, data, TRAINING, train_seconds)
        if training.epochs >= EPOCHS:
            break
    result["sizing"] = {"minutes": minutes_since(start), "filters": network.filters}
    start = time.monotonic()
    model = popnas.retrain(
        chosen.cell,
        data,
        network=network,
        training=training,
        folder=folder,
        resume=False,
        on_epoch=show,
    )
    result["retrained"] = {
        "minutes": minutes_since(start),
        "epochs": training.epochs,
        "parameters": model.card()["parameters"],
        "flops": model.card()["flops"],
        "validation_accuracy": model.figures["validation_accuracy"],
        "test_accuracy": model.figures["test_accuracy"],
    }
    say("retrained", result["retrained"])

    start = time.monotonic()
    exported = popnas.export(model, folder, images=data)
    result["export"] = {
        "minutes": minutes_since(start),
        "largest_difference": exported.difference["onnx"],
        "onnx_test_accuracy": onnx_accuracy(exported.files["onnx"], data),
    }
    say("export", result["export"])

    start = time.monotonic()
    result["baseline"] = baseline(data, training, 60.0 * result["retrained"]["minutes"])
    result["baseline"]["minutes"] = minutes_since(start)
    say("baseline", result["baseline"])
    result["minutes"] = minutes_since(begin)
    (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
    print(f"Everything took {result['minutes']:.1f} minutes; written to {folder / 'result.json'}")


def search(storage: str, seconds: float, quick: bool) -> None:
    """Search with two worker processes; after these seconds, go on with what was found."""
    command = [
        sys.executable,
        "-c",
        "import sys; from optuna_popnas.cli import main; sys.exit(main(sys.argv[1:]))",
        "search",
        f"--storage={storage}",
        "--study=fashion-mnist",
        f"--timeout={seconds}",
        *(SEARCH + QUICK if quick else SEARCH),
    ]
    if subprocess.run(command).returncode:
        raise SystemExit("The search failed.")


def training(module: nn.Module, data: ImageData, config: popnas.TrainingConfig) -> Training:
    return Training(
        module,
        data,
        config,
        data.split(),
        machine=MACHINE,
        device=resolve_device("cpu"),
        seeds=(0,),
    )


def fitted(
    module: nn.Module, data: ImageData, config: popnas.TrainingConfig, seconds: float
) -> popnas.TrainingConfig:
    """Return settings with as many epochs as fit these wall seconds, in one cosine period."""
    job = training(module, data, config)
    job.probe(2)
    steps = min(12, job.steps)
    start = time.monotonic()
    job.probe(steps)
    per_epoch = (time.monotonic() - start) / steps * job.steps
    start = time.monotonic()
    job.validate()
    per_epoch += time.monotonic() - start
    epochs = max(int(seconds / per_epoch), 1)
    print(f"About {per_epoch:.1f} s per epoch: {epochs} epochs", flush=True)
    return replace(config, epochs=epochs, restart_epochs=epochs)


def grey_resnet(classes: int) -> nn.Module:
    """Return torchvision's ResNet-18 for grey images of 28 pixels."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = resnet18(num_classes=classes)
        # Its first layer is made for 224 pixels: 7x7 with stride 2, then pooling.
        module.conv1 = nn.Conv2d(1, 64, 3, stride=2, padding=1, bias=False)
        return module


def baseline(data: ImageData, like: popnas.TrainingConfig, seconds: float) -> dict[str, Any]:
    """Train the baseline for these seconds; keep its best epoch, as retraining does."""
    config = replace(like, learning_rate=BASELINE_RATE)
    config = fitted(grey_resnet(data.classes), data, config, seconds)
    module = grey_resnet(data.classes)
    job = training(module, data, config)
    best, state = -1.0, job.state_dict()
    for _ in range(config.epochs):
        loss = job.run_epoch().losses[0]
        accuracy = job.validate()[0].accuracy
        if accuracy >= best:
            best, state = accuracy, job.state_dict()
        print(
            f"  epoch {job.epoch:3d}: loss {loss:.3f}, validation accuracy {accuracy:.4f}",
            flush=True,
        )
    job.load_state_dict(state)
    return {
        "network": "torchvision resnet18, first layer 3x3",
        "learning_rate": config.learning_rate,
        "epochs": config.epochs,
        "parameters": sum(parameter.numel() for parameter in module.parameters()),
        "validation_accuracy": best,
        "test_accuracy": job.test()[0].accuracy,
    }


def onnx_accuracy(path: Path, data: ImageData) -> float:
    """Return the share of test images that the ONNX file classifies right."""
    assert data.test_images is not None and data.test_labels is not None
    session = onnxruntime.InferenceSession(str(path))
    right = 0
    for start in range(0, len(data.test_labels), 500):
        images = np.asarray(data.test_images[start : start + 500], dtype=np.float32) / 255
        (logits,) = session.run(["logits"], {"images": images})
        right += int((logits.argmax(axis=1) == data.test_labels[start : start + 500]).sum())
    return right / len(data.test_labels)


def show(report: RetrainEpoch) -> None:
    print(
        f"  epoch {report.epoch:3d}: loss {report.loss:.3f}, "
        f"validation accuracy {report.accuracy:.4f}",
        flush=True,
    )


def minutes_since(start: float) -> float:
    return round((time.monotonic() - start) / 60.0, 2)


def say(step: str, facts: dict[str, Any]) -> None:
    print(f"{step}: " + ", ".join(f"{key} {value}" for key, value in facts.items()), flush=True)


if __name__ == "__main__":
    main()
