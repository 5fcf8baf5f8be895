"""Failures that are no fault of the cell that was being trained."""

from __future__ import annotations


class MachineFailure(RuntimeError):
    """A training failed for a reason that lies with the machine: its disk, data or device.

    The sampler counts no try of the cell for it. :class:`~optuna_popnas.TrainingObjective`
    raises it, and objectives of users can. Trials that failed of it carry the user attribute
    ``machine_failure`` with the reason.
    """
