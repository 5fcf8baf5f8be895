"""Tables, figures and checks of the benches: each is made, and says what was measured."""

from __future__ import annotations

from pathlib import Path

import bench
import compare
import numpy as np
from peers import METHODS
import pictures
import pytest
import results
import surrogates

from optuna_popnas import Cell
from optuna_popnas import SearchSpace


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Searches that are kept: two seeds of two methods, one named for what is judged."""
    found = tmp_path_factory.mktemp("results")
    table = bench.load("nb201-cifar10")
    for method, searched in {"adaptive": "nsga2", "pnas": "local", "random": "random"}.items():
        for seed in range(3):
            trajectory = bench.run(table, METHODS[searched](table), seed=seed)
            results.append(found, results.summarize(trajectory, method))
    return found


def test_the_page_is_renewed_between_its_marks(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text(f"before\n{pictures.BEGIN}\nold\n{pictures.END}\nafter\n")
    for _ in range(2):
        pictures.write(folder, ["nb201-cifar10", "nb201-cifar100"], tmp_path)
        text = page.read_text()
        assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
        assert text.count("### nb201-cifar10") == 1 and "nb201-cifar100" not in text
    for kind in ("hypervolume", "accuracy"):
        assert (tmp_path / "images" / f"benchmarks-{kind}.png").stat().st_size > 10_000


def test_a_page_without_marks_is_left_alone(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "benchmarks.md"
    page.write_text("text")
    with pytest.raises(ValueError, match="Add both lines"):
        pictures.write(folder, ["nb201-cifar10"], tmp_path)
    assert page.read_text() == "text"


def test_the_duel_counts_costs_as_shares_of_the_budget() -> None:
    rising = np.linspace(0.0, 0.8, 31).tolist()

    def record(method: str, values: list[float]) -> results.Record:
        series = dict.fromkeys(("volume", "log_volume", "best", "top5"), values)
        numbers = {"data": "d", "budget": 1.0, "trainings": 64, "repeats": 0, "planning": 0.0}
        never: list[float | None] = [None, None]
        return results.Record(
            bench="fashion8",
            method=method,
            seed=0,
            count=np.round(100 * results.GRID).astype(int).tolist(),
            reached=never,
            log_reached=never,
            chosen=values[20::5],
            **series,
            **numbers,
        )

    ahead = [record("adaptive", [0.0] * 20 + [0.9] * 11), record("pnas", rising)]
    line = pictures.against_best({"fashion8": ahead}).splitlines()[-1]
    # Grid point 20 is a quarter of the budget; PNAS has its final top five with 100 trainings.
    assert line.startswith("| `fashion8` | 0.900 / 0.800 (`pnas`) | 0.25 |")
    # Of the twelve costs from 20 trainings on, the other one is ahead at the first.
    assert "| 1 of 12 | 0.9000 / 0.8000 (`pnas`) | 0.25 | 4.0 |" in line
    behind = [record("adaptive", [0.1] * 31), record("pnas", rising)]
    line = pictures.against_best({"fashion8": behind}).splitlines()[-1]
    assert "0.100 / 0.800 (`pnas`) | never" in line and "not reached" in line


def test_a_quick_comparison_keeps_nothing_and_ends_with_the_verdicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    monkeypatch.setattr(
        "sys.argv",
        ["compare.py", "--quick", "--bench", "nb201-cifar10", "--method", "nsga2", "random"],
    )
    compare.main()
    assert not list(tmp_path.iterdir())
    last = capsys.readouterr().out.strip().splitlines()[-1]
    assert last.startswith("nb201-cifar10: best of ours / best peer")


def test_half_a_table_is_served_by_a_surrogate_with_the_same_cells() -> None:
    table, half = surrogates.nas_bench("cifar10")
    missing = Cell([(-1, "3x3 conv", -1, "3x3 conv")] * 2)
    assert half.evaluate(missing, seed=0) is None
    accuracy, _ = table.expected(table.cells)
    predicted, _ = half.expected(table.cells)
    assert len(half.sample.cells) == 1 + (len(table) - 1) // 2
    assert np.corrcoef(accuracy, predicted)[0, 1] > 0.7
    assert half.volume(*half.front) == pytest.approx(1.0)


def test_orders_agree_with_themselves() -> None:
    rng = np.random.default_rng(0)
    ahead = {
        method: rng.normal(number, 0.1, (5, 4)) for number, method in enumerate(surrogates.METHODS)
    }
    pairs = len(ahead) * (len(ahead) - 1) // 2
    assert surrogates.agreement(ahead, ahead) == (pytest.approx(1.0), f"{pairs} of {pairs}")
    reversed_ = {method: -values for method, values in ahead.items()}
    assert surrogates.agreement(ahead, reversed_) == (pytest.approx(-1.0), f"0 of {pairs}")


def test_later_rows_of_the_corpus_change_no_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench import catalogue

    whole = catalogue.corpus_rows("digits")
    before = catalogue.corpus_surrogate("digits").expected([whole[5].cell])
    monkeypatch.setattr(catalogue, "corpus_rows", lambda name: [*whole, *whole[1:40]])
    after = catalogue.corpus_surrogate("digits").expected([whole[5].cell])
    assert before[0] == after[0] and before[1] == after[1]


def test_few_own_cells_are_ranked_no_worse_than_size_alone() -> None:
    from own_cells import corpus
    from own_cells import SizeAlone
    from predictors import score

    from optuna_popnas.predictors import SizeAwareAccuracyPredictor
    from optuna_popnas.search import prediction_quality

    table = corpus("fashion")
    deep = np.flatnonzero(table.cells.lengths > 1)
    train, test = deep[:12], deep[12:300]
    rho = {}
    for model in (SizeAlone, SizeAwareAccuracyPredictor):
        found = score(lambda: model(table.cells.space, seed=0), table, table.accuracy, train, test)  # noqa: B023
        rho[model] = prediction_quality(found, table.accuracy[test]).rho
    assert rho[SizeAwareAccuracyPredictor] > rho[SizeAlone] - 0.02 > 0.4
    assert isinstance(table.cells.space, SearchSpace)
