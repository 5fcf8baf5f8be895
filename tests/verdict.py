"""How the trainings of a search under faults ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from optuna_popnas.sampler.facts import DEAD
from optuna_popnas.sampler.facts import INTERRUPTED
from optuna_popnas.space import Cell
from optuna_popnas.study import StudyView


#: A cell, and how often it was trained on purpose before.
Key = tuple[Cell, int]


class Ends(NamedTuple):
    """How often each cell was trained.

    Attributes:
        done: To valid values.
        failed: To a failure of the cell.
        excused: Not to the end, as the worker died or was interrupted.
    """

    done: Counter[Key]
    failed: Counter[Key]
    excused: Counter[Key]


def ends(view: StudyView) -> Ends:
    """Count the trials of each cell."""
    found = Ends(Counter(), Counter(), Counter())
    for trial in view.trials:
        if trial.cell is None:
            continue
        key = trial.cell.canonical(), trial.user_attrs.get("popnas", {}).get("repeat", 0)
        if trial.is_valid:
            found.done[key] += 1
        elif trial.state == "FAIL":
            blameless = (trial.reason or DEAD).startswith((DEAD, INTERRUPTED))
            (found.excused if blameless else found.failed)[key] += 1
    return found


def planned(view: StudyView) -> Iterator[Key]:
    """Yield what was planned."""
    times: Counter[Cell] = Counter()
    for plan in view.plans:
        for item in plan.cells:
            cell = item.cell.canonical()
            yield cell, times[cell] if item.role == "repeat" else 0
            times[cell] += 1
