"""The bar of a final training."""

from __future__ import annotations

import sys

import pytest

from optuna_popnas.objective.progress import Bar
from optuna_popnas.training.retraining import RetrainEpoch


def test_the_bar_of_candidates(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It showed the epochs of each candidate as if they were those of the whole training."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = Bar(30, 6, candidates=2)
    for number in (*range(1, 7), *range(1, 7), *range(7, 31)):
        bar.update(RetrainEpoch(number, 30, 1.0, 0.5, 0.6, 1.0))
    bar.close()
    shown = [line.split(" |")[0] for line in capsys.readouterr().err.split("\r") if line.strip()]
    whole = [line for line in dict.fromkeys(shown) if line.split(" of ")[0].split()[-1] != "0"]
    assert whole[0] == "candidate 1: 1 of 6 epochs"
    assert whole.index("candidate 1: 6 of 6 epochs") < whole.index("candidate 2: 1 of 6 epochs")
    assert whole.index("candidate 2: 6 of 6 epochs") < whole.index("7 of 30 epochs")
    assert whole[-1] == "30 of 30 epochs"
