"""A journal file survives a full disk."""

from __future__ import annotations

from pathlib import Path

import optuna

from optuna_popnas.sampler.journal import SoundJournalFile


def test_a_full_disk_leaves_a_journal_readable(tmp_path: Path) -> None:
    """One line that a full disk had torn made a journal unreadable for good."""
    path = tmp_path / "study.log"
    storage = optuna.storages.JournalStorage(SoundJournalFile(str(path)))
    study = optuna.create_study(study_name="x", storage=storage)
    study.optimize(lambda trial: 0.0, n_trials=2)
    with path.open("ab") as file:
        file.write(b'{"op_code": 5, "worker_id": "torn')  # of a process without the care
    study.optimize(lambda trial: 0.0, n_trials=2)
    again = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    assert len(optuna.load_study(study_name="x", storage=again).trials) == 4
