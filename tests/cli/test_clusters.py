from __future__ import annotations

import subprocess

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
