"""What the models that planned think of each operator."""

from __future__ import annotations

from functools import partial
import inspect
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from optuna_popnas import predictors
from optuna_popnas.space import Cell
from optuna_popnas.study.tables import total_cells
from optuna_popnas.study.view import StudyLike
from optuna_popnas.study.view import StudyView
from optuna_popnas.study.view import view_study
from optuna_popnas.visualization import palette
from optuna_popnas.visualization.figure import empty_figure
from optuna_popnas.visualization.figure import style_figure


Floats = npt.NDArray[np.float64]

_FEWEST = 20
_MOST = 200  # cells in which operators are exchanged
_SLOW = ("LSTMAccuracyPredictor", "CatBoostTimePredictor")  # minutes to fit


class ModelEffects(NamedTuple):
    """What a model expects when one operator of a cell is exchanged.

    Attributes:
        target: ``"accuracy"`` or ``"seconds"``.
        model: Name of the predictor that planned.
        operators: Those of the space.
        effects: ``(operators,)`` mean change against the mean of all operators: accuracy, or
            relative change of the seconds.
    """

    target: str
    model: str
    operators: tuple[str, ...]
    effects: Floats


def _get_effects_info(study: StudyLike) -> tuple[ModelEffects, ...]:
    view = view_study(study)
    cells = [trial.cell for trial in view.complete if trial.cell]
    if len(cells) < _FEWEST or len(view.space.operators) < 2:
        return ()
    rng = np.random.default_rng(0)
    chosen = [cells[row] for row in rng.permutation(len(cells))[:_MOST]]
    slots = [int(rng.integers(2 * len(cell))) for cell in chosen]
    names = view.space.operators
    changed = [_exchanged(c, slot, name) for c, slot in zip(chosen, slots) for name in names]
    found = []
    for target, trials in (("accuracy", view.complete), ("seconds", view.timed)):
        make = _planning_model(view, target)
        if make is None or len(trials) < _FEWEST:
            continue
        model = make(view.space, seed=0)
        model.fit([t.cell or Cell() for t in trials], [getattr(t, target) for t in trials])
        guesses = np.asarray(model.predict(changed), dtype=np.float64).reshape(-1, len(names))
        mean = guesses.mean(axis=1, keepdims=True)
        change = guesses - mean if target == "accuracy" else guesses / np.maximum(mean, 1e-9) - 1
        found.append(ModelEffects(target, type(model).__name__, names, change.mean(axis=0)))
    return tuple(found)


def _planning_model(view: StudyView, target: str) -> Any:
    """Return what makes the predictor that planned; None if there was none, or it is not known."""
    mode = str(view.settings.get("mode", ""))
    if not mode or (target == "seconds" and mode == "pnas"):
        return None
    key = "accuracy_predictor" if target == "accuracy" else "time_predictor"
    name = str(view.settings.get(key, "")).partition("(")[0]
    if name in _SLOW or name not in dir(predictors):
        return None
    make: Any = getattr(predictors, name)
    takes_total = "total_cells" in inspect.signature(make).parameters
    return partial(make, total_cells=total_cells(view)) if takes_total else make


def _exchanged(cell: Cell, slot: int, operator: str) -> Cell:
    blocks = list(cell)
    block = blocks[slot // 2]
    left, right = (block.op1, operator) if slot % 2 else (operator, block.op2)
    blocks[slot // 2] = block._replace(op1=left, op2=right)
    return Cell(blocks)


def plot_operator_effects(study: StudyLike) -> go.Figure:
    """Plot what the models that planned expect of each operator.

    In trained cells one operator is exchanged for each of the others; the figure shows by how
    much the predictions change, against the mean of all operators.

    Args:
        study: A study of :class:`~optuna_popnas.POPNASSampler`.
    """
    return _draw_effects(_get_effects_info(study))


def _draw_effects(info: tuple[ModelEffects, ...]) -> go.Figure:
    if not info:
        return empty_figure(
            "What the models think of each operator",
            f"Fewer than {_FEWEST} cells are finished, or the models are not known here.",
        )
    words = {"seconds": "training time", "accuracy": "accuracy, points"}
    figure = make_subplots(
        rows=1,
        cols=len(info),
        shared_yaxes=True,
        horizontal_spacing=0.06,
        subplot_titles=[words[part.target] for part in info],
    )
    models = " and ".join(part.model for part in info)
    style_figure(
        figure,
        "What the models that planned think of each operator",
        f"{models}: mean change when it takes another one's place in a trained cell",
        height=max(300, 150 + 26 * len(info[0].operators)),
    )
    order = np.argsort(info[-1].effects)
    for column, part in enumerate(info, start=1):
        form = "{:+.0f} %" if part.target == "seconds" else "{:+.1f}"
        figure.add_bar(
            y=[part.operators[i] for i in order],
            x=[100 * float(part.effects[i]) for i in order],
            orientation="h",
            row=1,
            col=column,
            marker_color=[palette.operator_colors(part.operators[i])[1] for i in order],
            text=[form.format(100 * part.effects[i]) for i in order],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:+.3g}<extra></extra>",
        )
        widest = 130 * max(float(np.abs(part.effects).max()), 1e-3)
        figure.update_xaxes(range=[-widest, widest], row=1, col=column)
    figure.update_layout(showlegend=False, bargap=0.3)
    return figure
