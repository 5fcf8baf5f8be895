"""Searches with real trainings are compared by trainings with fresh seeds."""

from __future__ import annotations

import json
from pathlib import Path

from bench.catalogue import corpus_rows
import real

from optuna_popnas import Cell


def _step(cell: Cell, spent: float, accuracy: float, seconds: float, **more: bool) -> dict:
    step = {"cell": str(cell), "spent": spent, "accuracy": accuracy, "seconds": seconds}
    return {**step, "stopped": False, **more}


def test_what_a_search_had_found_at_a_cost() -> None:
    a, b, c, d = (row.cell for row in corpus_rows("fashion")[1:5])
    steps = [
        _step(a, 1.0, 0.7, 1.0),
        _step(b, 3.0, 0.9, 2.0),
        _step(c, 4.0, 0.99, 0.5, stopped=True),
        _step(d, 6.0, 0.8, 2.5),
        _step(b, 8.0, 0.4, 2.0),  # a second look says that the first was lucky
    ]
    assert real.found(steps, 3.0) == ([b, a], [b, a])
    front, top = real.found(steps, 6.0)
    assert (front, top) == ([b, a], [b, d, a])
    front, top = real.found(steps, 9.0)
    assert (set(front), top) == ({d, a}, [d, a, b])


def test_a_search_is_shown_when_its_cells_were_judged(tmp_path: Path) -> None:
    table = real.RealBench("fashion", None, tmp_path)
    rows = corpus_rows("fashion")[1:40]
    steps, spent = [], 0.0
    for row in rows:
        spent += row.seconds
        steps.append(_step(row.cell, spent, row.accuracy[0], row.seconds))
    path = tmp_path / "real-fashion.jsonl"
    lines = [{"method": name, "seed": 0, "steps": steps} for name in ("adaptive", "tpe")]
    lines[1]["steps"] = steps[:20]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert real.table_of(table, path).count("\n") == 1
    for row in rows:
        real.rows.append(table.fresh, row)
    first, second = real.table_of(table, path).splitlines()[2:]
    assert first.startswith("| adaptive | 1 | 39 |") and second.startswith("| tpe | 1 | 20 |")
    accuracy, _ = table.expected([max(rows, key=lambda r: r.accuracy[0]).cell])
    assert f"{accuracy[0]:.3f} [{accuracy[0]:.3f}" in first
