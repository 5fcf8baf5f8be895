"""The objective of a study: values, attributes, failures, limits."""

from __future__ import annotations

from collections.abc import Iterator
import math
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import TrialState
import pytest
import torch
from torch import nn
from torch import Tensor

from optuna_popnas import Cell
from optuna_popnas import MachineConfig
from optuna_popnas import MachineFailure
from optuna_popnas import NetworkConfig
from optuna_popnas import POPNASSampler
from optuna_popnas import SearchSpace
from optuna_popnas import TrainingConfig
from optuna_popnas.space import register_operator
from optuna_popnas.space import unregister_operator
from optuna_popnas.training.data.image_data import ImageData
from tests.objective.conftest import make
from tests.objective.conftest import ONE
from tests.objective.conftest import params
from tests.objective.conftest import run
from tests.objective.conftest import SPACE


pytestmark = pytest.mark.usefixtures("quiet")
ATTRIBUTES = {
    "cell", "learning_curve", "train_loss", "parameters", "flops", "cells_built", "device",
    "total_cells", "seed", "settings", "epochs", "batch_size", "batch_norm",
    "peak_memory_bytes", "time_parts",
}  # fmt: skip


def test_two_objectives_and_attributes(digits: ImageData, tmp_path: Path) -> None:
    study = optuna.create_study(
        storage=f"sqlite:///{tmp_path}/study.db",
        directions=["maximize", "minimize"],
        sampler=POPNASSampler(SPACE, seed=0),
    )
    objective = make(digits, seed=3)
    study.optimize(objective, n_trials=3)
    reread = optuna.load_study(study_name=study.study_name, storage=study._storage)
    for trial in reread.trials:
        assert trial.state == TrialState.COMPLETE
        facts = trial.user_attrs
        assert ATTRIBUTES <= set(facts)
        assert trial.values[0] == pytest.approx(max(facts["learning_curve"]), abs=1e-6)
        assert trial.values[1] == facts["time_parts"]["train_seconds"] > 0
        assert facts["seed"] == 3
    assert reread.trials[0].user_attrs["cell"] == "[]"
    result = objective.last_result
    assert result is not None and result.accuracy == reread.trials[-1].values[0]


def test_works_under_any_sampler(digits: ImageData) -> None:
    study = optuna.create_study(
        directions=["maximize", "minimize"], sampler=optuna.samplers.TPESampler(seed=0)
    )
    study.optimize(make(digits), n_trials=2)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 2


def test_without_a_study(digits: ImageData) -> None:
    trial = optuna.trial.FixedTrial(params(ONE))
    values = make(digits)(trial)
    assert isinstance(values, tuple) and len(values) == 2
    assert trial.user_attrs["cell"] == ONE


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"objectives": ("accuracy", "energy")}, "must be among .*, but got 'energy'"),
        ({"limits": {"size": 1}}, "must be among .*, but got 'size'"),
        ({"network": NetworkConfig(motifs=6)}, "must be at least 32x32 pixels"),
        ({"training": TrainingConfig(folds=99)}, "Use fewer folds"),
        ({"training": TrainingConfig(class_weights=(1.0, 2.0))}, "each of the 10 classes"),
        ({"device": "tpu"}, '`device` must be "cpu"'),
        ({"device": "cuda:77"}, "`device` must be one that PyTorch sees"),
    ],
)
def test_bad_arguments(digits: ImageData, arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make(digits, **arguments)


def test_data_can_be_a_name() -> None:
    assert make("digits").data.name == "digits"  # type: ignore[arg-type]


class Greedy(nn.Module):
    """An operator that finds no memory for batches larger than it likes."""

    largest = 0

    def forward(self, x: Tensor) -> Tensor:
        if self.training and len(x) > Greedy.largest:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 GiB.\nMore.")
        return x


@pytest.fixture()
def greedy() -> Iterator[SearchSpace]:
    def build(kernel: Any, cin: int, cout: int, stride: int) -> nn.Module:
        return nn.Sequential(Greedy(), nn.Conv2d(cin, cout, 1, stride=stride))

    register_operator("greedy", build)
    yield SearchSpace(("identity", "greedy"), max_blocks=1)
    unregister_operator("greedy")


def test_out_of_memory_is_tried_with_half_the_batch(
    digits: ImageData, greedy: SearchSpace
) -> None:
    Greedy.largest = 70
    study = run(make(digits, greedy), "[(-1, 'greedy', -1, 'identity')]")
    trial = study.trials[0]
    assert trial.state == TrialState.COMPLETE
    assert trial.user_attrs["out_of_memory"] == {
        "batch_size": 64,
        "reason": "CUDA out of memory. Tried to allocate 1 GiB.",
    }
    assert trial.user_attrs["batch_size"] == 54


def test_out_of_memory_twice_fails_the_trial_not_the_study(
    digits: ImageData, greedy: SearchSpace
) -> None:
    Greedy.largest = 3
    study = run(make(digits, greedy), "[(-1, 'greedy', -1, 'identity')]", "[]")
    failed, after = study.trials
    assert failed.state == TrialState.FAIL
    assert failed.user_attrs["reason"].startswith("Out of memory: CUDA out of memory.")
    assert failed.user_attrs["parameters"] > 0
    assert after.state == TrialState.COMPLETE


def test_divergence_fails_the_trial(digits: ImageData) -> None:
    training = TrainingConfig(epochs=1, learning_rate=1e30, optimizer="l2", weight_decay=1e30)
    study = run(make(digits, training=training), ONE)
    assert study.trials[0].state == TrialState.FAIL
    assert "must stay finite" in study.trials[0].user_attrs["reason"]


def test_other_errors_are_raised(
    digits: ImageData, greedy: SearchSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Greedy, x: Tensor) -> Tensor:
        raise RuntimeError("a mistake of the user's operator")

    monkeypatch.setattr(Greedy, "forward", broken)
    with pytest.raises(RuntimeError, match="a mistake of the user's operator"):
        run(make(digits, greedy), "[(-1, 'greedy', -1, 'identity')]")


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        RuntimeError("CUDA error: unspecified launch failure\nMore."),
    ],
)
def test_failures_of_the_machine_are_told_apart(
    digits: ImageData, greedy: SearchSpace, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Greedy, x: Tensor) -> Tensor:
        if x.is_meta:  # costs are counted
            return x
        raise error

    monkeypatch.setattr(Greedy, "forward", broken)
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.enqueue_trial(params("[(-1, 'greedy', -1, 'identity')]"))
    with pytest.raises(MachineFailure, match=str(error).splitlines()[0][-20:]):
        study.optimize(make(digits, greedy), n_trials=1)
    assert study.trials[0].user_attrs["machine_failure"].startswith(type(error).__name__)


def test_a_damaged_image_is_no_fault_of_the_cell(digits: ImageData) -> None:
    class Damaged:
        shape = digits.images.shape

        def __len__(self) -> int:
            return len(digits.images)

        def __getitem__(self, index: int) -> Any:
            raise ValueError("Image 'cat.png' must be readable, but it is cut off.")

    data = ImageData("damaged", Damaged(), digits.labels, digits.class_names)
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.enqueue_trial(params(ONE))
    with pytest.raises(MachineFailure, match="cannot be read.*'cat.png' must be readable"):
        study.optimize(make(data, machine=MachineConfig(readers=0)), n_trials=1)


def test_probe(digits: ImageData) -> None:
    objective = make(digits)
    assert 0 < objective.probe(Cell()) < objective.probe(Cell.parse(ONE))


def test_failed_values_are_not_numbers(digits: ImageData, greedy: SearchSpace) -> None:
    Greedy.largest = 0
    objective = make(digits, greedy)
    values = objective(optuna.trial.FixedTrial(params("[(-1, 'greedy', -1, 'identity')]")))
    assert isinstance(values, tuple) and all(map(math.isnan, values))


def test_the_first_popnas_joins_by_concatenation(digits: ImageData) -> None:
    """Sec. 3.4.1; the command refused it, Python trained other networks without a word."""
    space = SearchSpace(("identity", "3x3 conv"), max_blocks=2, lookbacks=1)
    sampler = POPNASSampler(space, mode="popnas-v1", seed=0)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    with pytest.raises(ValueError, match="`network` must have the join 'concat' in mode"):
        study.optimize(make(digits, space), n_trials=1)
    joined = NetworkConfig(motifs=2, normal_cells=1, filters=4, join="concat")
    study.optimize(make(digits, space, network=joined), n_trials=1)
    assert study.trials[-1].state == TrialState.COMPLETE
