"""What an ask costs with thousands of finished trials and hundreds of workers.

Studies of made-up trainings on a real storage. An ask is one trial: it is created, gets its cell
(``space.suggest``) and is told, while as many other trials as there are workers are under way.

    python benchmarks/scale.py                                  PostgreSQL and gRPC, some minutes
    python benchmarks/scale.py --storage postgresql --finished 5000 20000 --workers 1 16 64 256
    python benchmarks/scale.py --planning                       only what the plan of a wave costs

The first table has one process that asks: median milliseconds of the clock and of its processor,
and the latter with Optuna's RandomSampler, which chooses nothing: what the storage itself costs.
The second has several processes that ask at the same time: asks a second of all together. On few
cores these share them with the storage. The third is the plan of a wave in mode "adaptive", where
so many workers ask at once: the first of them plan what the others take.
"""

from __future__ import annotations

import os


for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
import datetime  # noqa: E402
import multiprocessing  # noqa: E402
from pathlib import Path  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402
import warnings  # noqa: E402

import numpy as np  # noqa: E402
import optuna  # noqa: E402
from optuna.storages import BaseStorage  # noqa: E402
import sqlalchemy  # noqa: E402

import optuna_popnas as popnas  # noqa: E402
from optuna_popnas.sampler.parameters import cell_distributions  # noqa: E402


sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.services import open_storage  # noqa: E402
from tests.services import Service  # noqa: E402


# 62 operators: 7,750 cells of one block, so that no level ends while the clock runs.
OPERATORS = [f"{k}x{k} {kind}" for kind in ("dconv", "conv") for k in range(1, 32)]
SPACE = popnas.SearchSpace(OPERATORS, max_blocks=5)
DIRECTIONS = ["maximize", "minimize"]


def sampler() -> popnas.POPNASSampler:
    return popnas.POPNASSampler(SPACE, mode="popnas", seed=0)


def metrics(cell: popnas.Cell) -> tuple[float, float]:
    """Return made-up accuracy and seconds."""
    draw = np.random.default_rng(abs(hash(cell)) % 2**32).random(2)
    return float(draw[0]), 1.0 + float(draw[1])


def fill(url: str, name: str, finished: int) -> None:
    """Write a study with so many finished trials of two-block cells, all rows at once."""
    study = optuna.create_study(study_name=name, storage=url, directions=DIRECTIONS)
    cells = SPACE.random_cells(2, 2 * finished, rng=np.random.default_rng(0)).unique()
    engine = sqlalchemy.create_engine(url)
    tables = sqlalchemy.MetaData()
    tables.reflect(engine)
    distributions = cell_distributions(SPACE)
    texts = {
        key: optuna.distributions.distribution_to_json(value)
        for key, value in distributions.items()
    }
    now = datetime.datetime.now()
    rows: dict[str, list[dict[str, Any]]] = {
        key: [] for key in ("trials", "trial_values", "trial_params")
    }
    with engine.begin() as connection:
        last = connection.execute(sqlalchemy.text("SELECT max(trial_id) FROM trials")).scalar()
        for number in range(finished):
            cell, key = cells[number], (last or 0) + 1 + number
            rows["trials"].append(
                {"trial_id": key, "number": number, "study_id": study._study_id,
                 "state": "COMPLETE", "datetime_start": now, "datetime_complete": now}
            )  # fmt: skip
            rows["trial_values"] += [
                {"trial_id": key, "objective": index, "value": value, "value_type": "FINITE"}
                for index, value in enumerate(metrics(cell))
            ]
            rows["trial_params"] += [
                {"trial_id": key, "param_name": param, "distribution_json": texts[param],
                 "param_value": distributions[param].to_internal_repr(value)}
                for param, value in cell.params().items()
            ]  # fmt: skip
        for table, values in rows.items():
            connection.execute(tables.tables[table].insert(), values)
        if engine.dialect.name == "postgresql":
            connection.execute(
                sqlalchemy.text(
                    "SELECT setval('trials_trial_id_seq', (SELECT max(trial_id) FROM trials))"
                )
            )
    engine.dispose()


def load(address: str, name: str, method: str = "popnas") -> optuna.Study:
    chosen = sampler() if method == "popnas" else optuna.samplers.RandomSampler(seed=0)
    return optuna.load_study(study_name=name, storage=_opened(address), sampler=chosen)


def _opened(address: str) -> BaseStorage:
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return open_storage(address)


def ask(study: optuna.Study) -> tuple[optuna.Trial, popnas.Cell]:
    trial = study.ask()
    return trial, SPACE.suggest(trial)


def ask_and_tell(study: optuna.Study) -> None:
    trial, cell = ask(study)
    study.tell(trial, metrics(cell))


def one_process(study: optuna.Study, asks: int) -> tuple[float, float]:
    """Return median milliseconds of an ask, by the clock and of this process' processor."""
    wall, cpu = [], []
    ask_and_tell(study)  # what is cached
    for _ in range(asks):
        started, used = time.perf_counter(), time.process_time()
        ask_and_tell(study)
        wall.append(1e3 * (time.perf_counter() - started))
        cpu.append(1e3 * (time.process_time() - used))
    return statistics.median(wall), statistics.median(cpu)


def asker(address: str, name: str, seconds: float) -> float:
    """Ask for some time, as one of several processes; returns asks a second."""
    study = load(address, name)
    ask_and_tell(study)
    started, count = time.monotonic(), 0
    while time.monotonic() - started < seconds:
        ask_and_tell(study)
        count += 1
    return count / (time.monotonic() - started)


def together(address: str, name: str, processes: int, seconds: float) -> float:
    """Return the asks a second of several processes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        jobs = [pool.submit(asker, address, name, seconds) for _ in range(processes)]
        return sum(job.result() for job in jobs)


def storage_tables(kinds: Sequence[str], options: argparse.Namespace) -> None:
    head = f"{'storage':12}{'finished':>9}{'under way':>11}"
    print(f"{head}{'ms an ask':>11}{'processor':>11}{'of random sampling':>20}")
    later = []
    for kind in kinds:
        with tempfile.TemporaryDirectory() as folder, Service(kind, Path(folder)) as service:
            url = getattr(service, "database", service.address.partition(" ")[2])
            for finished in options.finished:
                name = f"study-{finished}"
                fill(url, name, finished)
                study = load(service.address, name)
                ask_and_tell(study)  # the first plan, and what is cached
                held: list[Any] = []
                for workers in options.workers:
                    held += [ask(study) for _ in range(workers - 1 - len(held))]
                    wall, cpu = one_process(study, options.asks)
                    plain = one_process(load(service.address, name, "random"), options.asks)[1]
                    line = f"{kind:12}{finished:>9,}{workers:>11}{wall:>11.1f}{cpu:>11.1f}"
                    print(f"{line}{plain:>20.1f}", flush=True)
                for processes in options.processes:
                    rate = together(service.address, name, processes, options.seconds)
                    later.append((kind, finished, len(held), processes, rate))
    print(f"\n{head}{'processes':>11}{'asks a second':>15}")
    for kind, finished, count, processes, rate in later:
        print(f"{kind:12}{finished:>9,}{count:>11}{processes:>11}{rate:>15.1f}")


def planning_table(options: argparse.Namespace) -> None:
    """Print what the plan of a wave costs, in mode "adaptive", in memory."""
    head = f"{'finished':>9}{'asked at once':>15}{'plans':>7}{'cells of the last':>19}"
    print(f"\n{head}{'processor seconds a plan':>26}")
    space = popnas.SearchSpace(max_blocks=5)
    for finished in options.finished:
        cells = space.random_cells(4, 2 * finished, rng=np.random.default_rng(0)).unique()
        study = optuna.create_study(
            directions=DIRECTIONS, sampler=popnas.POPNASSampler(space, mode="adaptive", seed=0)
        )
        distributions = cell_distributions(space)
        study.add_trials(
            [
                optuna.trial.create_trial(
                    params=params,
                    distributions={key: distributions[key] for key in params},
                    values=metrics(cell),
                )
                for cell in (cells[number] for number in range(finished))
                for params in [cell.params()]
            ]
        )
        before = 0
        for workers in options.workers:
            trials = [study.ask() for _ in range(workers)]
            started = time.process_time()
            for trial in trials:
                space.suggest(trial)
            seconds = time.process_time() - started
            plans = popnas.study.view_study(study).plans
            made, before = len(plans) - before, len(plans)
            line = f"{finished:>9,}{workers:>15}{made:>7}{len(plans[-1].cells):>19}"
            print(f"{line}{seconds / max(made, 1):>26.1f}", flush=True)
            for trial in trials:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--storage", nargs="+", default=["postgresql", "grpc"])
    parser.add_argument("--finished", type=int, nargs="+", default=[500, 5000, 20_000])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 16, 64, 256])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--asks", type=int, default=15, help="per line of the first table")
    parser.add_argument("--seconds", type=float, default=10.0, help="per line of the second")
    parser.add_argument("--planning", action="store_true", help="only the third table")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if not options.planning:
        storage_tables(options.storage, options)
    planning_table(options)


if __name__ == "__main__":
    main()
