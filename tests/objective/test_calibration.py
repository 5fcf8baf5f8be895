"""Seconds of different devices."""

from __future__ import annotations

import optuna
import pytest

from optuna_popnas.objective.calibration import Calibration
from optuna_popnas.training.data.image_data import ImageData
from tests.objective.conftest import make
from tests.objective.conftest import ONE
from tests.objective.conftest import params


pytestmark = pytest.mark.usefixtures("quiet")


def test_seconds_are_converted_to_the_first_device(digits: ImageData) -> None:
    """The study's reference is the calibration of its first trial."""
    study = optuna.create_study(directions=["maximize", "minimize"])
    slow = Calibration("cpu: slow", 10.0, 110.0)
    study.add_trial(
        optuna.trial.create_trial(
            values=[0.1, 5.0], user_attrs={"calibration": slow.to_json(), "device": "cpu: slow"}
        )
    )
    study.enqueue_trial(params(ONE))
    objective = make(digits, normalize_seconds=True)
    study.optimize(objective, n_trials=1)
    own = objective.calibrate()
    facts = study.trials[1].user_attrs
    assert Calibration.from_json(facts["calibration"]) == own
    raw = facts["time_parts"]["train_seconds"]
    assert study.trials[1].values[1] == pytest.approx(own.convert(raw, slow))
    assert study.trials[1].values[1] > 5 * raw


def test_conversion_of_seconds() -> None:
    one, other = Calibration("a", 1.0, 3.0), Calibration("b", 2.0, 10.0)
    assert one.convert(1.0, other) == pytest.approx(2.0)
    assert one.convert(3.0, other) == pytest.approx(10.0)
    assert one.convert(4.0, other) == pytest.approx(14.0)
    assert one.convert(0.5, other) == pytest.approx(1.0)
    assert one.convert(7.0, one) == 7.0
    assert other.convert(one.convert(5.0, other), one) == pytest.approx(5.0)
    assert Calibration.from_json({"device": "a"}) is None
    assert Calibration.from_json([1]) is None


def test_devices_that_are_mixed_are_named(
    digits: ImageData, caplog: pytest.LogCaptureFixture
) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=["maximize", "minimize"])
    study.add_trial(
        optuna.trial.create_trial(values=[0.1, 5.0], user_attrs={"device": "cuda: Some GPU"})
    )
    study.enqueue_trial(params("[]"))
    optuna.logging.enable_propagation()
    try:
        study.optimize(make(digits), n_trials=1)
    finally:
        optuna.logging.disable_propagation()
    assert "seconds measured on 'cuda: Some GPU'" in caplog.text
