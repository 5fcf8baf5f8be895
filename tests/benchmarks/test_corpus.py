"""The corpus is collected as it says: cells, seeds, curves; its files hold what was measured."""

from __future__ import annotations

from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest


FOLDER = Path(__file__).parents[2] / "benchmarks" / "corpus"


@pytest.fixture
def corpus(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import collect

    return collect


def test_rows_are_read_as_they_were_written(corpus, tmp_path: Path) -> None:
    from optuna_popnas import Cell

    cell = Cell([(-2, "identity", -1, "3x3 conv")])
    row = corpus.Row(cell, 30, (0.5, 0.75), ((0.25, 0.5), (0.5, 0.7)), 1.5, 0.75, 100, 2000)
    corpus.rows.append(tmp_path / "a.csv", row)
    corpus.rows.append(tmp_path / "a.csv", row)
    assert corpus.rows.read(tmp_path / "a.csv") == [row, row]


def test_tables_have_every_cell_once(corpus) -> None:
    for name, by_blocks in {"digits4": [1, 36, 2178], "digits2": [1, 10, 165, 3840]}.items():
        space = corpus.tasks.TASKS[name].space
        cells = corpus.all_cells(space)
        assert len(set(cells)) == len(cells)
        assert np.bincount([len(cell) for cell in cells]).tolist() == by_blocks


def test_cells_of_a_large_space_are_new_and_of_all_depths(corpus) -> None:
    task = corpus.tasks.TASKS["fashion"]
    done = corpus.rows.read(FOLDER / "fashion.csv")
    chosen = corpus.next_cells(task, done, 20)
    assert len(set(chosen)) == 20 and not set(chosen) & {row.cell for row in done}
    assert {len(cell) for cell in chosen} >= {2, 3, 4, 5}
    assert chosen == corpus.next_cells(task, done, 20)


@pytest.mark.slow
def test_a_stack_of_seeds_is_trained_and_measured(corpus) -> None:
    from optuna_popnas import Cell

    task = corpus.tasks.TASKS["digits"]
    data = corpus.tasks.load("digits")
    assert data.test_labels is not None and len(data.test_labels) == 2 * 797
    row = corpus.Trainer(task, data).train(Cell([(-1, "3x3 conv", -1, "identity")]), 0, 2)
    assert len(row.accuracy) == len(row.curve) == 2
    assert all(0.3 < accuracy < 1 for accuracy in row.accuracy)
    assert len(row.curve[0]) == 5 and 0.3 < row.relative < 2


def test_the_kept_corpus_is_as_it_should_be() -> None:
    found = subprocess.run(
        [sys.executable, str(FOLDER / "check.py")], capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout + found.stderr
