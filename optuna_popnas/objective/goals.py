"""What a trial's values are, and what they must not exceed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from optuna.study import StudyDirection
from optuna.trial import BaseTrial

from optuna_popnas.networks.cost import CellCosts
from optuna_popnas.networks.cost import MEASURED_COSTS


#: What can be an objective. All but the accuracy are minimised.
OBJECTIVES = ("accuracy", "seconds", *CellCosts._fields, *MEASURED_COSTS)


@dataclass(frozen=True)
class Goals:
    """Objectives and limits.

    Args:
        objectives: Names of the trial's values; by the number of directions if None.
        limits: Upper bounds, of the accuracy a lower one.

    Raises:
        ValueError: A name is unknown.
    """

    objectives: tuple[str, ...] | None
    limits: Mapping[str, float]

    def __post_init__(self) -> None:
        for name in (*(self.objectives or ()), *self.limits):
            if name not in OBJECTIVES:
                raise ValueError(
                    f"Objectives and limits must be among {', '.join(OBJECTIVES)}, "
                    f"but got {name!r}."
                )

    def names(self, trial: BaseTrial) -> tuple[str, ...]:
        """Return what the trial's values are.

        Raises:
            ValueError: The study's directions do not fit them.
        """
        study = getattr(trial, "study", None)
        if study is None:  # a FixedTrial
            return self.objectives or ("accuracy", "seconds")
        names = self.objectives or ("accuracy", "seconds")[: len(study.directions)]
        wanted = ["maximize" if name == "accuracy" else "minimize" for name in names]
        maximize = [direction == StudyDirection.MAXIMIZE for direction in study.directions]
        found = ["maximize" if up else "minimize" for up in maximize]
        if wanted != found:
            raise ValueError(
                f"Directions of a study of {', '.join(names)} must be {wanted}, but got {found}. "
                "Create the study with these directions, or pass `objectives`."
            )
        return names

    def over_limit(self, costs: Mapping[str, int]) -> str | None:
        """Return why a cell of these costs is not worth training, None if it is."""
        for name, value in costs.items():
            if name in self.limits and value > self.limits[name]:
                return f"{name} {value:,} are over the limit {self.limits[name]:,.0f}"
        return None

    def constrain(self, trial: BaseTrial, values: Mapping[str, float]) -> None:
        """Write on the trial by how much values exceed their limits."""
        for name, value in values.items():
            if name in self.limits:
                over = value - self.limits[name]
                trial.set_constraint(name, -over if name == "accuracy" else over)
