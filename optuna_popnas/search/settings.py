"""The settings of a search (Sec. 4.3, 6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

import numpy as np

from optuna_popnas.space import SearchSpace


MODES: tuple[str, ...] = ("popnas", "pnas", "popnas-v1")


@dataclass(frozen=True)
class SearchConfig:
    """Settings of the search (Sec. 4.3, 6.1).

    Args:
        mode: ``"popnas"`` (the thesis), ``"pnas"`` (most accurate cells, no time) or
            ``"popnas-v1"`` (Sec. 3.4: no exploration, no equivalence, lookback -1 only).
        max_children: At most so many cells of the front are trained per level (K).
        max_exploration_children: At most so many more by the exploration step (J).
        time_limit: Candidates that are predicted to train longer are dropped, seconds (T).
        limits: More upper bounds, by the name of a computed cost such as ``"parameters"``, or of
            an objective.
        objectives: Objectives besides accuracy and time. Those that are no computed costs are
            measured, and predicted as time is.
        reserve: So many next-best cells are added to each plan, for workers that would idle.
        pilot: So many spread cells are trained before each level is planned.
        probes: So many spread candidates are timed by the probe before a level is planned.
        optimism: Accuracy is judged at its prediction plus so many standard deviations.
        max_candidates: A level with more candidates is sampled down to this number.
        total_cells: Cells of a network that reads lookback -1, for the time predictor.

    Raises:
        ValueError: A setting is out of range.
    """

    mode: str = "popnas"
    max_children: int = 128
    max_exploration_children: int = 16
    time_limit: float | None = None
    limits: dict[str, float] = field(default_factory=dict)
    objectives: tuple[str, ...] = ()
    reserve: int = 0
    pilot: int = 0
    probes: int = 24
    optimism: float = 0.0
    max_candidates: int = 4_000_000
    total_cells: int = 8

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(
                f"`mode` must be one of {', '.join(map(repr, MODES))}, but got {self.mode!r}."
            )
        for name, low in (
            ("max_children", 1),
            ("max_exploration_children", 0),
            ("reserve", 0),
            ("pilot", 0),
            ("probes", 0),
            ("max_candidates", 1),
            ("total_cells", 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
                raise ValueError(
                    f"`{name}` must be an integer of at least {low}, but got {value!r}."
                )
        if not self.optimism >= 0:
            raise ValueError(f"`optimism` must be at least 0, but got {self.optimism!r}.")
        for name, limit in {"time_limit": self.time_limit, **self.limits}.items():
            if limit is not None and not limit > 0:
                raise ValueError(f"`{name}` must be greater than 0, but got {limit!r}.")

    def check_space(self, space: SearchSpace) -> None:
        """Raise ValueError if this mode cannot search this space."""
        if self.mode == "popnas-v1" and space.lookbacks != 1:
            raise ValueError(
                "`lookbacks` must be 1 in mode 'popnas-v1' (Sec. 3.4.1), "
                f"but got {space.lookbacks}. Build the space with lookbacks=1."
            )
