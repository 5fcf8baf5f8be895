"""How fast cells are trained, compared with an ordinary PyTorch loop.

The ordinary loop is what a tutorial teaches: a ``Dataset`` of PIL images, torchvision transforms
on each image, a ``DataLoader`` with two worker processes, AdamW, ``loss.item()`` in each step.
Both loops train the same networks with the same settings for the same number of epochs, and
validate after each.

The library is timed with one network and with four seeds of it trained together.

Times are CPU seconds, worker processes included: two cores that are busy with other work disturb
them less than wall seconds. On CUDA they are wall seconds. Every row is the best of several
repeats, taken in turns.

Run ``python benchmarks/training.py``, or with ``--quick`` for a minute's look.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
import os
import time
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
from torch.utils.data import Dataset
from torchvision import transforms

from optuna_popnas import Cell
from optuna_popnas import load_dataset
from optuna_popnas import NetworkConfig
from optuna_popnas import TrainingConfig
from optuna_popnas.networks import build_network
from optuna_popnas.training import ImageData
from optuna_popnas.training import train_cell


CELLS = {
    "conv": "[(-1, '3x3 conv', -1, '3x3 conv')]",
    "dconv": "[(-2, '5x5 dconv', -1, '3x3 dconv')]",
    "pool": "[(-2, '2x2 maxpool', -1, '1x1 conv')]",
    "two blocks": "[(-2, '1x7-7x1 conv', -1, '3x3 conv'), (-1, 'identity', 0, '2x2 avgpool')]",
}
STACK = 4


class Pictures(Dataset[Any]):
    """Images as a tutorial keeps them: one PIL image at a time."""

    def __init__(self, data: ImageData, indices: Any, transform: Any) -> None:
        pixels = np.asarray(data.images)[indices]
        self.images = [Image.fromarray(image[0]) for image in pixels]
        self.labels = data.labels[indices]
        self.transform = transform

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        return self.transform(self.images[index]), int(self.labels[index])


def ordinary(
    cell: Cell, data: ImageData, network: NetworkConfig, config: TrainingConfig, device: str
) -> float:
    """Train as a tutorial does; return the best validation accuracy."""
    torch.manual_seed(0)
    split = data.split()
    augmented = transforms.Compose(
        [
            transforms.RandomHorizontalFlip(),
            transforms.RandomAffine(0, translate=(0.125, 0.125)),
            transforms.ToTensor(),
        ]
    )
    train = DataLoader(
        Pictures(data, split.train, augmented), config.batch_size, shuffle=True, num_workers=2
    )
    validation = DataLoader(
        Pictures(data, split.validation, transforms.ToTensor()), config.batch_size, num_workers=2
    )
    model = build_network(cell, network, in_channels=data.in_channels, classes=data.classes)
    model.to(device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    scheduler = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(optimizer, 3, 2)
    best = 0.0
    for epoch in range(config.epochs):
        model.train()
        for step, (images, labels) in enumerate(train):
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = cross_entropy(model(images), labels)
            loss.backward()
            optimizer.step()
            scheduler.step(epoch + step / len(train))
            loss.item()
        model.eval()
        right = 0
        with torch.no_grad():
            for images, labels in validation:
                logits = model(images.to(device))
                right += (logits.argmax(dim=1).cpu() == labels).sum().item()
        best = max(best, right / len(split.validation))
    return best


def cpu_seconds() -> float:
    """CPU seconds of this process and of those of its children that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Row(NamedTuple):
    """Seconds of one training."""

    data: str
    cell: str
    ordinary: float
    library: float
    stacked: float


def measure(
    name: str,
    data: ImageData,
    network: NetworkConfig,
    *,
    epochs: int,
    repeats: int,
    device: str,
) -> list[Row]:
    """Time all cells on one data set."""
    clock = time.perf_counter if device == "cuda" else cpu_seconds
    config = TrainingConfig(epochs=epochs)
    settings = {
        "library": config,
        "stacked": TrainingConfig(epochs=epochs, seeds=STACK),
    }
    rows = []
    for label, text in CELLS.items():
        cell = Cell.parse(text)
        runs: dict[str, Callable[[], Any]] = {
            key: lambda cell=cell, own=own: train_cell(cell, data, network, own, device=device)
            for key, own in settings.items()
        }
        runs["ordinary"] = lambda cell=cell: ordinary(cell, data, network, config, device)
        seconds: dict[str, list[float]] = {key: [] for key in runs}
        for _ in range(repeats):
            for key, run in runs.items():
                begin = clock()
                run()
                seconds[key].append(clock() - begin)
        best = {key: min(values) for key, values in seconds.items()}
        row = Row(name, label, best["ordinary"], best["library"], best["stacked"] / STACK)
        rows.append(row)
        print(
            f"| {name} | {label} | {row.ordinary:.2f} | {row.library:.2f} | "
            f"**{row.ordinary / row.library:.1f}** | {row.stacked:.2f} | "
            f"{row.library / row.stacked:.1f} |",
            flush=True,
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer epochs and repeats")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        parser.error("`--device` must be cpu, as PyTorch finds no CUDA device here.")
    torch.set_num_threads(1)
    epochs, repeats = (2, 2) if arguments.quick else (6, 3)
    samples = 1500 if arguments.quick else 6000

    sets = [("digits, 8 px", load_dataset("digits"), NetworkConfig(2, 1, 8))]
    try:
        fashion = load_dataset("fashion-mnist", image_size=14, samples=samples)
        sets.append((f"Fashion-MNIST, 14 px, {samples}", fashion, NetworkConfig(2, 1, 8)))
    except ValueError as error:
        print(f"Without Fashion-MNIST: {error}")
    unit = "wall" if arguments.device == "cuda" else "CPU"
    print(f"{arguments.device}, {epochs} epochs, {unit} seconds of one training\n")
    print(
        "| data | cell | ordinary loop | library | ordinary / library | "
        f"{STACK} seeds, each | library / seed |"
    )
    print("|---|---|---|---|---|---|---|")
    rows = []
    for name, data, network in sets:
        # Loads what PyTorch loads at the first training.
        train_cell(Cell(), data, network, TrainingConfig(epochs=1), device=arguments.device)
        rows += measure(
            name, data, network, epochs=epochs, repeats=repeats, device=arguments.device
        )
    ratios = np.array([row.ordinary / row.library for row in rows])
    print(
        f"\nAgainst the ordinary loop: {ratios.min():.1f} to {ratios.max():.1f} times as fast, "
        f"{np.exp(np.log(ratios).mean()):.1f} on geometric average."
    )


if __name__ == "__main__":
    main()
