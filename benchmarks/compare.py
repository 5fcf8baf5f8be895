"""Compare searches at equal cost, on every bench.

    python benchmarks/compare.py --quick                    two minutes, a line a bench
    python benchmarks/compare.py [--bench fashion] [--method tpe popnas] [--seeds 20]
    python benchmarks/compare.py --write                    renew docs/benchmarks.md

Cost is seconds of training; a cell that was trained before costs nothing. Every method searches
through an Optuna study in memory until the bench's budget is spent. At each cost are known, all of
them expected values, not those that one training measured:

* the hypervolume of the cells trained so far, as a share of that of the best known front, with
  seconds as they are and in logarithms;
* the accuracy of the cell that measured best.

Results are kept in ``benchmarks/results``, a line a search; what is there is not run again.
Seeds of comparisons start at 0; whatever was chosen, was chosen with seeds from 1000 on.
"""

from __future__ import annotations

import os


for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse  # noqa: E402
from collections.abc import Iterable  # noqa: E402
from concurrent.futures import ProcessPoolExecutor  # noqa: E402
import multiprocessing  # noqa: E402
from pathlib import Path  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
import warnings  # noqa: E402

import bench  # noqa: E402
import optuna  # noqa: E402
import peers  # noqa: E402
import results  # noqa: E402
from results import Record  # noqa: E402


QUICK_BENCHES = ("nb201-cifar10", "fashion8")
QUICK_METHODS = ("adaptive", "tpe", "nsga2", "random")
QUICK_SEEDS = 2
# These take long to plan, and get fewer seeds.
SLOW = {"gp": 3, "popnas": 5, "popnas-v1": 5, "pnas": 5}


def search(bench_name: str, method: str, seed: int) -> Record:
    """Run one search."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    trajectory = peers.search(bench.load(bench_name), method, seed)
    return results.summarize(trajectory, method)


def wanted(
    benches: Iterable[str], methods: Iterable[str], seeds: int
) -> list[tuple[str, str, int]]:
    """Return the searches that are asked for, seed by seed."""
    methods = list(methods)
    return [
        (name, method, seed)
        for seed in range(seeds)
        for name in benches
        for method in methods
        if seed < SLOW.get(method, seeds)
    ]


def run_missing(asked: list[tuple[str, str, int]], folder: Path, processes: int) -> None:
    """Run the searches whose results are not kept yet."""
    known = {
        (record.bench, record.method, record.seed)
        for name in {name for name, _, _ in asked}
        for record in results.read(folder, bench.load(name))
    }
    left = [one for one in asked if one not in known]
    if not left:
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        for number, record in enumerate(pool.map(search, *zip(*left)), 1):
            results.append(folder, record)
            print(
                f"{number}/{len(left)} {record.bench} {record.method} seed {record.seed}: "
                f"{record.trainings} trainings, hypervolume {record.volume[-1]:.4f}, "
                f"planned {record.planning:.1f} s",
                file=sys.stderr,
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bench", nargs="+", choices=bench.names())
    parser.add_argument("--method", nargs="+", choices=peers.METHODS)
    parser.add_argument("--seeds", type=int)
    parser.add_argument("--quick", action="store_true", help="two minutes: few of everything")
    parser.add_argument("--processes", type=int, default=max((os.cpu_count() or 2) // 2, 1))
    parser.add_argument("--results", type=Path, help="folder of results; none kept if --quick")
    parser.add_argument("--table", action="store_true", help="run nothing, print what is kept")
    parser.add_argument("--write", action="store_true", help="renew docs/benchmarks.md")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as nowhere:
        folder = options.results or (Path(nowhere) if options.quick else results.FOLDER)
        compare(options, folder)


def compare(options: argparse.Namespace, folder: Path) -> None:
    """Run what is missing and print tables, or write the page."""
    quick = options.quick
    benches = options.bench or (QUICK_BENCHES if quick else bench.names())
    methods = options.method or [
        name for name in (QUICK_METHODS if quick else peers.METHODS) if name in peers.METHODS
    ]
    seeds = options.seeds or (QUICK_SEEDS if quick else 20)
    if not options.table and not options.write:
        run_missing(wanted(benches, methods, seeds), folder, options.processes)
    if options.write:
        import pictures

        pictures.write(folder, bench.names())
        return
    verdicts = []
    for name in benches:
        table = bench.load(name)
        records = [
            record
            for record in results.read(folder, table)
            if record.method in methods and record.seed < seeds
        ]
        if records:
            print(f"\n{name}, budget {table.budget:.0f} s of training")
            print(results.table(records))
            verdicts.append(f"{name}: {results.verdict(records)}")
    print("\n" + "\n".join(verdicts))


if __name__ == "__main__":
    main()
