"""What a trial is told that gets no cell."""

from __future__ import annotations

import optuna


class SearchEnded(optuna.TrialPruned):
    """There is no cell for this trial: the search has ended, or its worker is to stop.

    ``study.optimize`` takes it for a pruned trial and ends. With ask and tell it can be caught;
    the trial has been failed and must not be told.
    """


class TrialLost(RuntimeError):
    """Another worker declared this trial dead while it was asking for a cell."""
