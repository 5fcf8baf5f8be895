"""Parts of the adaptive search can be taken out, and are put back."""

from __future__ import annotations

import ablations
import bench
import pytest

from optuna_popnas.search import wave


@pytest.mark.parametrize("name", ["look ahead", "spread start", "size", "second looks"])
def test_a_search_without_a_part(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    table = bench.load("nb201-cifar10")
    monkeypatch.setattr(table, "budget", table.budget / 4)
    before = wave._AGAIN
    whole = ablations.search(table, "whole", 0)
    record = ablations.search(table, name, 0)
    assert wave._AGAIN == before
    assert (record.method, record.trainings > 5) == (name, True)
    assert record.volume != whole.volume or name == "second looks"


def test_who_knows_all_finds_the_front(monkeypatch: pytest.MonkeyPatch) -> None:
    table = bench.load("nb201-cifar10")
    monkeypatch.setattr(table, "budget", table.budget / 2)
    assert ablations.search(table, "ignorance", 0).volume[-1] > 0.99
