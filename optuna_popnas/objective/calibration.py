"""Comparing the seconds of different devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
import threading
from typing import Any, NamedTuple

import optuna
from optuna.trial import BaseTrial
from optuna.trial import FrozenTrial

from optuna_popnas.space import Cell


#: The cell that devices are compared with, beside the empty one.
REFERENCE_CELL = Cell([(-1, "3x3 conv", -1, "3x3 conv")])

# User attributes of a trial.
DEVICE = "device"
CALIBRATION = "calibration"

# Trainings between two looks at the study's and the device's other users.
_LOOK_EVERY = 10


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


class Devices:
    """The device of an objective among those that the study's seconds were measured on.

    Args:
        name: Name of the own device.
        probe: Estimates the seconds of a cell's training on it.
        normalize: Whether seconds are converted to the device of the study's first trial.

    Attributes:
        calibration: That of the own device; None before it is needed.
    """

    def __init__(self, name: str, probe: Callable[[Cell], float], normalize: bool) -> None:
        self.calibration: Calibration | None = None
        self._name = name
        self._probe = probe
        self._normalize = normalize
        self._reference: Calibration | None = None
        self._lock = threading.Lock()
        self._calls = 0
        self._said: set[str] = set()

    def calibrate(self) -> Calibration:
        """Measure the own device, once."""
        with self._lock:
            if self.calibration is None:
                times = self._probe(Cell()), self._probe(REFERENCE_CELL)
                self.calibration = Calibration(self._name, *times)
            return self.calibration

    def convert(self, seconds: float, trial: BaseTrial) -> float:
        """Return seconds of this device in those that the study counts in."""
        if not self._normalize:
            return seconds
        own = self.calibrate()
        study = getattr(trial, "study", None)
        if self._reference is None and study is not None:
            self._reference = study_calibration(study)
        return own.convert(seconds, self._reference or own)

    def facts(self) -> dict[str, Any]:
        """Return what is written on a trial whose seconds were converted."""
        known = self.calibration if self._normalize else None
        return {} if known is None else {CALIBRATION: known.to_json()}

    def complaints(self, trial: BaseTrial, shared: str | None) -> list[str]:
        """Return, now and then, what makes seconds incomparable and was not yet said."""
        look = self._calls % _LOOK_EVERY == 0
        self._calls += 1
        study = getattr(trial, "study", None)
        if not look or study is None:
            return []
        found = [] if shared is None else [shared]
        if not self._normalize and (others := other_devices(study, self._name)):
            found.append(
                f"This study holds seconds measured on {', '.join(map(repr, others))}; this "
                f"worker measures them on {self._name!r}. Use equal devices, or pass "
                "`normalize_seconds=True`."
            )
        new = [text for text in found if text not in self._said]
        self._said.update(new)
        return new
