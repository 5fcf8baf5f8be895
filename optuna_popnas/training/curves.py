"""Learning curves as files: CSV, and for TensorBoard where it is installed."""

from __future__ import annotations

from collections.abc import Sequence
import csv
from importlib.util import find_spec
import io
from pathlib import Path

from optuna_popnas.training.checkpoint import replacing


def write_curves(folder: Path, losses: Sequence[float], accuracies: Sequence[float]) -> None:
    """Write ``curves.csv``, and ``tensorboard/`` where TensorBoard is installed.

    Args:
        folder: Where.
        losses: Mean training loss of each epoch.
        accuracies: Validation accuracy after each epoch; empty if nothing was validated.

    Raises:
        OSError: The disk is full or the folder cannot be written to.
    """
    text = io.StringIO(newline="")
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["epoch", "train_loss", "validation_accuracy"])
    padded = [*accuracies, *[""] * (len(losses) - len(accuracies))]
    rows.writerows(zip(range(1, len(losses) + 1), losses, padded))
    with replacing(folder / "curves.csv", "Learning curve") as part:
        part.write_text(text.getvalue(), encoding="utf-8")
    board = folder / "tensorboard"
    if find_spec("tensorboard") is None or board.exists():
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(board)) as writer:
        for name, values in (("train_loss", losses), ("validation_accuracy", accuracies)):
            for epoch, value in enumerate(values, start=1):
                writer.add_scalar(name, value, epoch)
