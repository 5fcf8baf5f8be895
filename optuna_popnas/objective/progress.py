"""Progress of a final training, in terminals and notebooks."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm

from optuna_popnas.training.retraining import RetrainEpoch


class Bar:
    """One line of progress; silent where the output is no terminal.

    Args:
        epochs: Of the whole training.
        brief: Epochs of each candidate.
        candidates: How many cells are compared; 1: there is nothing to compare.
    """

    def __init__(self, epochs: int, brief: int, candidates: int) -> None:
        self._epochs, self._brief, self._candidates = epochs, brief, candidates
        self._phase = -1
        self._bar: Any = tqdm(
            total=epochs,
            desc="starting: ",
            disable=None,
            file=sys.stderr,
            bar_format="{desc}{n_fmt} of {total_fmt} epochs |{bar:10}| {remaining} left{postfix}",
            dynamic_ncols=True,
        )

    def update(self, epoch: RetrainEpoch) -> None:
        """Show an epoch; those of another cell begin anew."""
        if self._bar.disable:
            return
        brief = self._candidates > 1 and epoch.epoch <= self._brief
        if not brief and self._phase < self._candidates:
            self._begin(self._candidates, self._epochs, epoch.epoch)
        elif brief and (self._phase < 0 or epoch.epoch <= self._bar.n):
            self._begin(self._phase + 1, self._brief, epoch.epoch)
        self._bar.update(epoch.epoch - self._bar.n)
        best = "" if epoch.best is None else f"best {epoch.best:.4f}, "
        self._bar.set_postfix_str(f"{best}loss {epoch.loss:.4f}")

    def _begin(self, phase: int, epochs: int, epoch: int) -> None:
        self._phase = phase
        self._bar.set_description_str(
            f"candidate {phase + 1}: " if phase < self._candidates else "", refresh=False
        )
        self._bar.reset(epochs)
        self._bar.n = self._bar.initial = epoch - 1  # what an earlier run did took no time

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()
