from __future__ import annotations

import json
import subprocess

import pytest

from optuna_popnas.cli import main
from optuna_popnas.cli.clusters import kubernetes_job
from optuna_popnas.cli.clusters import slurm_script


def test_slurm_script_is_one_that_bash_can_read() -> None:
    text = slurm_script(
        ["optuna-popnas", "search", "my config.toml"],
        8,
        hours=1.5,
        partition="gpu",
        setup=["source .venv/bin/activate"],
    )
    assert "#SBATCH --array=0-7\n" in text
    assert "#SBATCH --time=01:30:00\n" in text
    assert "#SBATCH --requeue\n" in text
    assert text.endswith("exec optuna-popnas search 'my config.toml'\n")
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_names_of_users_break_no_line() -> None:
    text = slurm_script(["true"], 1, name="my photos; rm -rf $HOME")
    assert "#SBATCH --job-name=my-photos-rm--rf-HOME\n" in text


def test_the_scripts_run_search(capsys: pytest.CaptureFixture[str]) -> None:
    """They ran the flags without the command."""
    url = "postgresql+psycopg://u:s3cret@h/db"
    assert main(["search", "digits", "--storage", url, "--slurm", "2"]) == 0
    text = capsys.readouterr().out
    assert text.endswith(f"exec optuna-popnas search digits --storage {url} --workers 1\n")
    assert main(["search", "digits", "--storage", url, "--kubernetes", "2"]) == 0
    text = capsys.readouterr().out
    assert "s3cret" not in text
    (container,) = json.loads(text)["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["optuna-popnas", "search", "digits", "--workers", "1"]


def test_the_kubernetes_job_is_valid() -> None:
    job = json.loads(kubernetes_job(["optuna-popnas"], 3, name="My Photos_1"))
    assert job["metadata"]["name"] == "my-photos-1"
    assert job["spec"]["completions"] == 3
    validator = pytest.importorskip("kubernetes_validate")
    validator.validate(job, validator.latest_version(), strict=True)
