"""The settings of a search (Sec. 4.3, 6.1)."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import field

import numpy as np

from optuna_popnas.space import SearchSpace


MODES: tuple[str, ...] = ("adaptive", "popnas", "pnas", "popnas-v1")
BEAMS: tuple[str, ...] = ("hypervolume", "accuracy")

# What a mode has no use for, and why; a setting that is as by default is not asked about.
_LEVELS = "it chooses a level at a time, not waves as 'adaptive' does"
_WAVES = "it chooses small waves of cells, not levels as 'popnas' does"
_IGNORED: dict[str, dict[str, str]] = {
    "adaptive": {"beam": _WAVES, "pilot": _WAVES},
    "popnas": dict.fromkeys(("time_range", "first_cells", "wave_size"), _LEVELS),
    "pnas": {
        "max_exploration_children": "it has no exploration step",
        "time_limit": "it predicts no times",
        "objectives": "accuracy is its only objective",
        "beam": "it has no front",
        **dict.fromkeys(("time_range", "first_cells", "wave_size"), _LEVELS),
    },
    "popnas-v1": {
        "max_exploration_children": "it has no exploration step",
        **dict.fromkeys(("time_range", "first_cells", "wave_size"), _LEVELS),
    },
}
# Of the modes that choose a level at a time. Programs of before mode "adaptive", which has become
# the default, pass them to the sampler.
_OF_LEVELS = ("max_children", "max_exploration_children", "optimism", "max_candidates")


def unused_settings(mode: str) -> dict[str, str]:
    """Return the settings that a mode has no use for, and why; none of a mode that is none."""
    levels = _OF_LEVELS if mode == "adaptive" else ()
    return {**_IGNORED.get(mode, {}), **dict.fromkeys(levels, _WAVES)}


@dataclass(frozen=True)
class SearchConfig:
    """Settings of the search (Sec. 4.3, 6.1).

    Args:
        mode: ``"adaptive"`` (small waves of cells of any depth), ``"popnas"`` (the thesis),
            ``"pnas"`` (most accurate cells, no time) or ``"popnas-v1"`` (Sec. 3.4: no
            exploration, no equivalence, every operator reads lookback -1).
        max_children: At most so many cells of the front are trained per level (K).
        beam: Which K cells of a longer front are kept: ``"hypervolume"``, those that lose least
            of it, or ``"accuracy"``, the most accurate ones. Left out, that of the mode:
            ``"accuracy"`` in ``"popnas-v1"``, ``"hypervolume"`` otherwise.
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
        total_cells: Cells of a network that reads lookback -1, for the time predictor; what the
            trials say if None.
        budget_seconds: Seconds of training that mode ``"adaptive"`` spends; without it, it ends
            when cells promise little.
        time_range: Seconds of training that matter to the user, from and to: mode
            ``"adaptive"`` counts only what the front gains in between.
        first_cells: Cells that mode ``"adaptive"`` trains before it learns from them.
        wave_size: Cells that mode ``"adaptive"`` chooses at a time, with many workers more.

    Raises:
        ValueError: A setting is out of range.
    """

    mode: str = "popnas"
    max_children: int = 128
    beam: str | None = None
    max_exploration_children: int = 16
    time_limit: float | None = None
    limits: dict[str, float] = field(default_factory=dict)
    objectives: tuple[str, ...] = ()
    reserve: int = 0
    pilot: int = 0
    probes: int = 24
    optimism: float = 0.0
    max_candidates: int = 4_000_000
    total_cells: int | None = None
    budget_seconds: float | None = None
    time_range: tuple[float, float] | None = None
    first_cells: int = 8
    wave_size: int = 8

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise ValueError(
                f"`mode` must be one of {', '.join(map(repr, MODES))}, but got {self.mode!r}."
            )
        if self.beam not in (None, *BEAMS):
            raise ValueError(
                f"`beam` must be one of {', '.join(map(repr, BEAMS))}, but got {self.beam!r}."
            )
        for name, low in (
            *((("total_cells", 1),) if self.total_cells is not None else ()),
            ("max_children", 1),
            ("max_exploration_children", 0),
            ("reserve", 0),
            ("pilot", 0),
            ("probes", 0),
            ("max_candidates", 1),
            ("first_cells", 2),
            ("wave_size", 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < low:
                raise ValueError(
                    f"`{name}` must be an integer of at least {low}, but got {value!r}."
                )
        if not self.optimism >= 0:
            raise ValueError(f"`optimism` must be at least 0, but got {self.optimism!r}.")
        for name, reason in _IGNORED[self.mode].items():
            given, default = getattr(self, name), self.__dataclass_fields__[name].default
            if given and given != default:
                raise ValueError(
                    f"`{name}` must be left out in mode {self.mode!r}, as {reason}, "
                    f"but got {given!r}."
                )
        if self.budget_seconds is not None and self.mode != "adaptive":
            raise ValueError(
                f"`budget_seconds` must be None in mode {self.mode!r}, but got "
                f"{self.budget_seconds!r}. Mode 'adaptive' has a budget."
            )
        self._check_time_range()
        upper = {"time_limit": self.time_limit, "budget_seconds": self.budget_seconds}
        for name, limit in {**upper, **self.limits}.items():
            if limit is not None and not limit > 0:
                raise ValueError(f"`{name}` must be greater than 0, but got {limit!r}.")

    @property
    def keeps(self) -> str:
        """The rule of the beam."""
        return self.beam or ("accuracy" if self.mode == "popnas-v1" else "hypervolume")

    def _check_time_range(self) -> None:
        if self.time_range is None:
            return
        if self.mode != "adaptive":
            raise ValueError(
                f"`time_range` must be None in mode {self.mode!r}, but got {self.time_range!r}. "
                "Mode 'adaptive' has one."
            )
        try:
            low, high = map(float, self.time_range)
        except (TypeError, ValueError):
            low, high = 1.0, 0.0
        if not 0 <= low < high < np.inf:
            raise ValueError(
                f"`time_range` must be two numbers of seconds, the smaller one first, "
                f"but got {self.time_range!r}."
            )
        object.__setattr__(self, "time_range", (low, high))

    def check_space(self, space: SearchSpace) -> None:
        """Raise ValueError if this mode cannot search this space."""
        if self.mode == "popnas-v1" and space.lookbacks != 1:
            raise ValueError(
                "`lookbacks` must be 1 in mode 'popnas-v1' (Sec. 3.4.1), "
                f"but got {space.lookbacks}. Build the space with lookbacks=1."
            )
