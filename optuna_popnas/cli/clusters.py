"""What job systems start: a script for SLURM, a Job for Kubernetes."""

from __future__ import annotations

from collections.abc import Sequence
from json import dumps
import re
import shlex
from typing import Any


def slurm_script(
    command: Sequence[str],
    count: int,
    *,
    name: str = "popnas",
    gpus: int = 1,
    cpus: int = 4,
    memory: str = "16G",
    hours: float = 24.0,
    partition: str | None = None,
    setup: Sequence[str] = (),
) -> str:
    """Return a SLURM array script that runs ``count`` workers, one per task.

    Args:
        command: What each worker runs, the same as on one machine.
        count: How many workers.
        name: Name of the job.
        gpus: GPUs per worker.
        cpus: CPU cores per worker.
        memory: Memory per worker.
        hours: Time limit. Workers that reach it are requeued and go on.
        partition: Partition; the cluster's default if left out.
        setup: Shell lines that come first, such as ``module load`` or ``source .venv/...``.
    """
    if count < 1:
        raise ValueError(f"`count` must be at least 1, but got {count}.")
    minutes = max(1, round(60 * hours))
    name = re.sub(r"[^\w.-]+", "-", name).strip("-") or "popnas"  # a line has no quotes
    options = [
        f"--job-name={name}",
        f"--array=0-{count - 1}",
        f"--cpus-per-task={cpus}",
        f"--mem={memory}",
        f"--time={minutes // 60:02d}:{minutes % 60:02d}:00",
        "--requeue",
        "--open-mode=append",
        f"--output={name}-%A-%a.log",
    ]
    if gpus:
        options.append(f"--gres=gpu:{gpus}")
    if partition:
        options.append(f"--partition={partition}")
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in options),
        "",
        "# A worker that is killed or preempted loses at most the cell it was training;",
        "# requeued, it joins the study again.",
        *setup,
        f"export OMP_NUM_THREADS={cpus}",
        f"exec {shlex.join(command)}",
    ]
    return "\n".join(lines) + "\n"


def kubernetes_job(
    command: Sequence[str], count: int, *, name: str = "popnas", gpus: int = 1, cpus: int = 4
) -> str:
    """Return a Job manifest for Kubernetes that runs ``count`` workers, one per index.

    The storage's URL comes from the key ``storage`` of the secret ``popnas``; no password is in
    the text. It is JSON, which ``kubectl apply -f -`` takes as it takes YAML.

    Args:
        command: What each worker runs, without ``--storage``.
        count: How many workers.
        name: Name of the job; what a name there must not have becomes a dash.
        gpus: GPUs per worker.
        cpus: CPU cores per worker.
    """
    name = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50] or "popnas"
    limits: dict[str, Any] = {"cpu": str(cpus), "memory": "16Gi"}
    if gpus:
        limits["nvidia.com/gpu"] = str(gpus)
    secret = {"secretKeyRef": {"name": "popnas", "key": "storage"}}
    container = {
        "name": "worker",
        "image": "optuna-popnas:latest",
        "command": list(command),
        "env": [{"name": "POPNAS_STORAGE", "valueFrom": secret}],
        "resources": {"limits": limits},
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completionMode": "Indexed",
            "completions": count,
            "parallelism": count,
            "backoffLimit": 10 * count,
            "template": {"spec": {"restartPolicy": "OnFailure", "containers": [container]}},
        },
    }
    return dumps(job, indent=2) + "\n"
