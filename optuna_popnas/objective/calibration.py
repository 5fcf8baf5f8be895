"""Comparing the seconds of different devices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import optuna
from optuna.trial import FrozenTrial

from optuna_popnas.space import Cell


#: The cell that devices are compared with, beside the empty one.
REFERENCE_CELL = Cell([(-1, "3x3 conv", -1, "3x3 conv")])

# User attributes of a trial.
DEVICE = "device"
CALIBRATION = "calibration"


class Calibration(NamedTuple):
    """How fast a device trains, with the data and settings of a study.

    Attributes:
        device: Name of the device.
        empty_seconds: Seconds to train the empty cell.
        reference_seconds: Seconds to train :data:`REFERENCE_CELL`.
    """

    device: str
    empty_seconds: float
    reference_seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return JSON values; :meth:`from_json` is the inverse."""
        return self._asdict()

    @classmethod
    def from_json(cls, value: Any) -> Calibration | None:
        """Read what a trial holds; None if that is no calibration."""
        if not isinstance(value, Mapping):
            return None
        try:
            return cls(
                str(value["device"]),
                float(value["empty_seconds"]),
                float(value["reference_seconds"]),
            )
        except (KeyError, TypeError, ValueError):
            return None

    def convert(self, seconds: float, to: Calibration) -> float:
        """Return what would have taken ``seconds`` here on another device.

        What every training costs (the empty cell) and what grows with the cell are converted
        by a factor each.
        """
        if to == self:
            return seconds
        own = max(self.reference_seconds - self.empty_seconds, 1e-9)
        other = max(to.reference_seconds - to.empty_seconds, 1e-9)
        if seconds <= self.empty_seconds:
            return seconds * to.empty_seconds / self.empty_seconds
        return to.empty_seconds + (seconds - self.empty_seconds) * other / own


def study_calibration(study: optuna.Study) -> Calibration | None:
    """Return the reference of a study: the calibration on its lowest-numbered trial with one."""
    for trial in _trials(study):
        calibration = Calibration.from_json(trial.user_attrs.get(CALIBRATION))
        if calibration is not None:
            return calibration
    return None


def other_devices(study: optuna.Study, device: str) -> tuple[str, ...]:
    """Return the devices, other than this one, whose seconds a study holds."""
    names = {trial.user_attrs.get(DEVICE) for trial in _trials(study)} - {None, device}
    return tuple(sorted(map(str, names)))


def _trials(study: optuna.Study) -> list[FrozenTrial]:
    return study.get_trials(deepcopy=False)
