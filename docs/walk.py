"""One level and one wave of two real searches, step by step, as text for the documentation."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import optuna

from optuna_popnas.search import exploration_sets
from optuna_popnas.search import Plan
from optuna_popnas.search import PlannedCell
from optuna_popnas.space import CellBatch
from optuna_popnas.study import StudyView
from optuna_popnas.study import view_study
from optuna_popnas.study.levels import summarize_levels
from optuna_popnas.study.records import TrialRecord
from optuna_popnas.study.words import cell_words


def level_text(study: optuna.Study) -> str:
    """Return how the second level of a study of mode "popnas" was made."""
    view = view_study(study)
    plans = {plan.level: plan for plan in view.plans if plan.cells}
    first, second = (_measured(view, plans[level]) for level in (1, 2))
    plan, report = plans[2], plans[2].report
    front = [planned for planned in plan.cells if planned.role == "front"]
    extra = [planned for planned in plan.cells if planned.role == "exploration"]
    space = view.space
    empty = next(trial for trial in view.complete if not trial.cell)
    batch = CellBatch.from_cells(space, [planned.cell for planned in front])
    sets = exploration_sets(batch, blocks=2)
    quality = {row.level: row for row in summarize_levels(view)}[2]
    best = max(first, key=lambda trial: trial.accuracy or 0.0)
    worst = min(first, key=lambda trial: trial.accuracy or 0.0)
    quick = min(first, key=lambda trial: trial.seconds or 0.0)
    neglected = [f"input {value}" for value in sets.inputs]
    neglected += [f"`{space.operators[index]}`" for index in sets.operators]
    limit_inputs = 1 / (5 * len(space.inputs(1)))
    limit_operators = 1 / (5 * len(space.operators))
    lines = [
        f"1. **Level 0.** The empty cell, pooling and a linear layer, is trained: accuracy "
        f"{empty.accuracy:.3f} in {empty.seconds:.3f} s.",
        f"2. **Level 1.** All {len(plans[1].cells)} cells of one block are trained. The best, "
        f"*{cell_words(best.cell)}*, has {best.accuracy:.3f} in {best.seconds:.2f} s, the worst, "
        f"*{cell_words(worst.cell)}*, {worst.accuracy:.3f}; the quickest takes "
        f"{quick.seconds:.2f} s.",
        f"3. **Learn.** Two predictors are fitted to these {len(first) + 1} cells, one of "
        "accuracy, one of seconds.",
        f"4. **Expand.** Each of the {report.parents} cells gets each of the "
        f"{len(space.new_blocks(1)):,} blocks that can come next: {report.encodings:,} "
        f"encodings, {report.merged:,} of which are equivalent to another one. "
        f"{report.candidates:,} candidates are left, and both predictors judge all of them.",
        f"5. **Front.** {len(front)} candidates of the predicted Pareto front are kept (at most "
        f"K = {view.settings['max_children']}). The ends of it:",
        "",
        *_table(_ends(front), second),
        "",
        f"6. **Explore.** {_explore_words(neglected, limit_inputs, limit_operators)}"
        + _accepted(extra, view.settings["max_exploration_children"]),
    ]
    if extra:
        lines += ["", *_table(extra, second), ""]
    lines.append(
        f"7. **Train** all {len(plan.cells)}. What was predicted before is compared with what is "
        f"measured: rho {_rho(quality.accuracy_quality)} for accuracy, "
        f"{_rho(quality.seconds_quality)} for seconds. The best accuracy is now "
        f"{max(t.accuracy or 0.0 for t in (*first, *second)):.3f}."
    )
    lines.append("8. **Again** from step 3, with all cells so far, until cells have B blocks.")
    return "\n".join(lines) + "\n"


def wave_text(study: optuna.Study) -> str:
    """Return how a study of mode "adaptive" began, and a later wave of it."""
    view = view_study(study)
    plans = [plan for plan in view.plans if plan.cells]
    first = next(plan for plan in plans if len(plan.cells) > 1)
    later = next(
        plan
        for plan in plans[len(plans) // 3 :]
        if len({planned.role for planned in plan.cells}) > 1
    )
    before = [t for t in view.complete if t.number < _numbers(view, later)[0]]
    stopped = [t for t in view.stopped if t.number < _numbers(view, later)[0]]
    sizes = sorted(len(planned.cell) for planned in first.cells)
    report = later.report
    lines = [
        f"1. **Begin** with the empty cell and {len(first.cells)} cells that are as unlike as can "
        f"be, of {sizes[0]} to {sizes[-1]} blocks.",
        f"2. **Learn** after each wave. When wave {later.wave} is planned here, {len(before)} "
        f"trainings are finished and {len(stopped)} were ended early, as their curves promised "
        "nothing.",
        f"3. **Grow.** From trained and from promising untrained cells, {report.candidates:,} "
        "candidates of every depth are grown and judged: accuracy with its deviation, seconds.",
        "4. **Choose** one after the other by what each is expected to add to the front per "
        "second, some for the best accuracy, now and then one for knowledge, and some a second "
        "time:",
        "",
        *_table(later.cells, _measured(view, later), deviation=True),
        "",
    ]
    if report.expected_gain is not None:
        lines.append(
            f"5. **Go on or end.** The best cell of this wave promises to raise the "
            f"hypervolume by {report.expected_gain:.2g} per second. When that is next to nothing, "
            "or the budget is spent, the search ends."
        )
    lines += ["", f"This one ended so: {view.plans[-1].report.message}"]
    return "\n".join(lines) + "\n"


def _explore_words(neglected: Sequence[str], inputs: float, operators: float) -> str:
    limits = f"less than {inputs:.3f} of the inputs or {operators:.3f} of the operators"
    if not neglected:
        return f"No input or operator has {limits} of the front's slots: nothing is neglected."
    return f"{', '.join(neglected)} have {limits} of the front's slots: the front neglects them."


def _accepted(extra: Sequence[PlannedCell], most: int) -> str:
    if not extra:
        return ""
    return (
        f" {len(extra)} further candidates (at most J = {most}) that use them, and are no "
        "worse than the others in both respects, are trained, too:"
    )


def _ends(front: Sequence[PlannedCell]) -> list[PlannedCell]:
    order = sorted(front, key=lambda planned: -(planned.accuracy or 0.0))
    return [*order[:2], *order[-2:]] if len(order) > 4 else order


def _table(
    cells: Iterable[PlannedCell], trials: Sequence[TrialRecord], *, deviation: bool = False
) -> list[str]:
    """Return a table of planned cells: predicted, then measured."""
    trained = {trial.cell.canonical(): trial for trial in trials if trial.cell is not None}
    lines = [
        "| cell | chosen for | predicted | measured |",
        "|---|---|---|---|",
    ]
    for planned in cells:
        trial = trained.get(planned.cell.canonical())
        spread = f" ± {planned.accuracy_std:.3f}" if deviation and planned.accuracy_std else ""
        predicted = f"{planned.accuracy:.3f}{spread}, {planned.seconds:.2f} s"
        measured = "not trained"
        if trial is not None and trial.state == "PRUNED":
            measured = f"ended after epoch {trial.user_attrs.get('stopped')}"
        elif trial is not None and trial.accuracy is not None:
            measured = f"{trial.accuracy:.3f}, {trial.seconds:.2f} s"
        lines.append(f"| {cell_words(planned.cell)} | {planned.role} | {predicted} | {measured} |")
    return lines


def _measured(view: StudyView, plan: Plan) -> list[TrialRecord]:
    cells = {planned.cell.canonical() for planned in plan.cells}
    return [
        trial
        for trial in (*view.complete, *view.stopped)
        if trial.cell is not None and trial.cell.canonical() in cells
    ]


def _numbers(view: StudyView, plan: Plan) -> list[int]:
    return sorted(trial.number for trial in _measured(view, plan)) or [0]


def _rho(quality: object) -> str:
    rho = getattr(quality, "rho", None)
    return "unknown" if rho is None else f"{rho:.2f}"
