"""Settings of a test's training, of what is trained and of the machine, in one call."""

from __future__ import annotations

from typing import Any

from optuna_popnas.training.config import MachineConfig
from optuna_popnas.training.config import TrainingConfig


def configs(**settings: Any) -> tuple[TrainingConfig, MachineConfig]:
    """Return both configurations from one set of names."""
    machine = {
        name: settings.pop(name) for name in MachineConfig.__dataclass_fields__ if name in settings
    }
    return TrainingConfig(**settings), MachineConfig(**machine)
