"""Table 6.4 of the thesis: PNAS and POPNASv2, each at its own length.

    python benchmarks/thesis_table.py --bench fashion --seeds 20    surrogate, the thesis' K and J
    python benchmarks/thesis_table.py --seeds 3                     Fashion-MNIST, at a small size
    python benchmarks/thesis_table.py --thesis --seeds 3            CIFAR-10, Sec. 6.1 (a GPU)
    python benchmarks/thesis_table.py --table                       what has been run

On a surrogate, search time is seconds of training and processor seconds of planning; top-1 and
top-5 are the expected accuracies of the cells that measured best. On images, search time is
processor seconds of the whole search (wall seconds on a GPU), and the five cells that validated
best are trained anew with three fresh seeds and tested on the test images. Validation images are
so many that the binomial noise of one accuracy is below .006 from accuracies of .7 on.

Results are a line a search in ``benchmarks/results/thesis_table.jsonl``; an interrupted search of
images goes on where it was (``--folder``), and what has a line is not run again.
"""

from __future__ import annotations

import os


for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse  # noqa: E402
from dataclasses import asdict  # noqa: E402
from dataclasses import dataclass  # noqa: E402
import json  # noqa: E402
from pathlib import Path  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402

import numpy as np  # noqa: E402
import optuna  # noqa: E402

import optuna_popnas as popnas  # noqa: E402
from optuna_popnas.objective.final import candidate_cells  # noqa: E402
from optuna_popnas.training import ImageData  # noqa: E402


RESULTS = Path(__file__).parent / "results" / "thesis_table.jsonl"
MODES = ("pnas", "popnas")
_TOP = 5
_FRESH = 3  # trainings of each of them
_RESAMPLES = 10_000


@dataclass(frozen=True)
class Size:
    """What is searched and trained.

    Attributes:
        data: The images.
        space: The cells.
        children: K.
        exploration: J.
        network: How networks are made of cells.
        training: How they are trained.
        image_size: Pixels to a side; the images' own if None.
        images: Images for training, and for validation; all of them, and a tenth, if None.
    """

    data: str
    space: popnas.SearchSpace
    children: int
    exploration: int
    network: popnas.NetworkConfig
    training: popnas.TrainingConfig
    image_size: int | None = None
    images: tuple[int, int] | None = None

    def load(self) -> ImageData:
        """Return the images; those left out of training and validation are not used."""
        samples = None if self.images is None else sum(self.images)
        share = 0.1 if self.images is None else self.images[1] / sum(self.images)
        return popnas.load_dataset(
            self.data, image_size=self.image_size, samples=samples, validation_fraction=share
        )


_SMALL = ("identity", "3x3 dconv", "3x3 conv")
SMALL = Size(
    "fashion-mnist",
    popnas.SearchSpace(_SMALL, max_blocks=3),
    children=16,
    exploration=4,
    network=popnas.NetworkConfig(motifs=2, normal_cells=1, filters=8),
    training=popnas.TrainingConfig(epochs=9, restart_epochs=3, batch_size=64, batch_norm="epoch"),
    image_size=14,
    images=(2000, 6000),
)
THESIS = Size(
    "cifar10",
    popnas.SearchSpace(),
    children=128,
    exploration=16,
    network=popnas.NetworkConfig(),
    training=popnas.TrainingConfig(),
)


@dataclass(frozen=True)
class Line:
    """One search.

    Attributes:
        what: The surrogate, or the images.
        mode: Of the search.
        seed: Its seed.
        networks: Cells that were trained.
        top1: The best cell's accuracy.
        top5: Mean of the five best cells' accuracies.
        seconds: Search time.
        training: The part of it that is training.
        date: When it ended.
    """

    what: str
    mode: str
    seed: int
    networks: int
    top1: float
    top5: float
    seconds: float
    training: float
    date: str


def on_surrogate(name: str, mode: str, seed: int) -> Line:
    """Search a bench with the thesis' K and J, to the end."""
    import bench

    table = bench.load(name)

    def sampler(space: popnas.SearchSpace, seed: int) -> popnas.POPNASSampler:
        total = table.total_cells
        return popnas.POPNASSampler(
            space, mode=mode, max_children=128, total_cells=total, seed=seed,
        )  # fmt: skip

    directions = ("maximize",) if mode == "pnas" else ("maximize", "minimize")
    ran = bench.run(table, sampler, float("inf"), seed, directions=directions)
    values = ran.values()
    best = values["accuracy"][np.argsort(-values["measured"], kind="stable")][:_TOP]
    return Line(
        name, mode, seed, len(ran.steps), float(best[0]), float(best.mean()),
        ran.spent + ran.planning, ran.spent, time.strftime("%Y-%m-%d"),
    )  # fmt: skip


def on_images(size: Size, mode: str, seed: int, folder: Path) -> Line:
    """Search with real trainings; goes on with what a file of the folder has."""
    data = size.load()
    objective = popnas.TrainingObjective(
        size.space, data, network=size.network, training=size.training, seed=seed
    )
    clock = time.perf_counter if objective.device.type == "cuda" else time.process_time
    sampler = popnas.POPNASSampler(
        size.space, mode=mode, max_children=size.children,
        max_exploration_children=size.exploration if mode == "popnas" else 0,
        total_cells=size.network.total_cells, seed=seed,
    )  # fmt: skip
    name = f"{size.data}-{mode}-{seed}"
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=name, storage=f"sqlite:///{folder / name}.db", load_if_exists=True,
        sampler=sampler, directions=["maximize", "minimize"],
    )  # fmt: skip
    begin, before = clock(), float(study.user_attrs.get("searched", 0.0))

    def keep_time(study: optuna.Study, _: object) -> None:
        study.set_user_attr("searched", before + clock() - begin)

    popnas.optimize_steadily(study, objective, callbacks=[keep_time])
    seconds = float(study.user_attrs["searched"])
    view = optuna.load_study(study_name=name, storage=f"sqlite:///{folder / name}.db")
    done = [trial for trial in view.trials if trial.state.name == "COMPLETE"]
    first = max(done, key=lambda trial: trial.values[0]).user_attrs["cell"]
    cells = candidate_cells(view, popnas.Cell.parse(first), _TOP)
    tested = [_tested(size, data, cell) for cell in cells]
    return Line(
        size.data, mode, seed, len(done), tested[0], float(np.mean(tested)), seconds,
        sum(trial.values[1] for trial in done), time.strftime("%Y-%m-%d"),
    )  # fmt: skip


def _tested(size: Size, data: ImageData, cell: popnas.Cell) -> float:
    """Return the mean test accuracy of a cell's network under fresh seeds."""
    tested = [
        popnas.retrain(
            cell, data, network=size.network, training=size.training, seed=1000 + fresh
        ).figures["test_accuracy"]
        for fresh in range(_FRESH)
    ]
    return float(np.mean(tested))


def read() -> list[Line]:
    """Return what has been run."""
    if not RESULTS.exists():
        return []
    lines = RESULTS.read_text(encoding="utf-8").splitlines()
    return [Line(**json.loads(line)) for line in lines]


def table(lines: list[Line]) -> str:
    """Return Table 6.4, and the ratio of search times with its interval."""
    out = []
    for what in dict.fromkeys(line.what for line in lines):
        ours = [line for line in lines if line.what == what]
        out += ["", f"{what}, {max(line.date for line in ours)}"]
        out += ["| | seeds | networks | top-1 | top-5 | search time, s | of which training |"]
        out += ["|---|---|---|---|---|---|---|"]
        for mode in MODES:
            rows = [line for line in ours if line.mode == mode]
            if rows:
                cells = [
                    f"{np.mean([row.networks for row in rows]):.0f}",
                    *(spread([getattr(row, k) for row in rows], 4) for k in ("top1", "top5")),
                    *(
                        spread([getattr(row, k) for row in rows], 0)
                        for k in ("seconds", "training")
                    ),
                ]
                out.append(f"| {mode} | {len(rows)} | {' | '.join(cells)} |")
        out += [f"PNAS / POPNASv2: {ratios(ours)}"]
    return "\n".join(out)


def spread(values: list[float], digits: int) -> str:
    """Return a mean, with its standard deviation over seeds."""
    if len(values) < 2:
        return f"{values[0]:,.{digits}f}"
    return f"{np.mean(values):,.{digits}f} ± {np.std(values, ddof=1):,.{digits}f}"


def ratios(lines: list[Line]) -> str:
    """Return PNAS's search time over POPNASv2's, seed by seed, with a bootstrap's interval."""
    times = {(line.mode, line.seed): line.seconds for line in lines}
    seeds = sorted(seed for mode, seed in times if mode == "pnas" and ("popnas", seed) in times)
    if not seeds:
        return "no seed has both"
    logs = np.log([times["pnas", seed] / times["popnas", seed] for seed in seeds])
    mean = f"{np.exp(logs.mean()):.2f}x"
    if len(seeds) < 3:
        return f"{mean} ({len(seeds)} seeds, no interval); in the thesis 4.0x"
    rng = np.random.default_rng(0)
    means = logs[rng.integers(0, len(logs), (_RESAMPLES, len(logs)))].mean(axis=1)
    low, high = np.exp(np.quantile(means, [0.025, 0.975]))
    return f"{mean} [{low:.2f}, {high:.2f}] ({len(seeds)} seeds); in the thesis 4.0x"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bench", help="a surrogate, instead of images")
    parser.add_argument("--thesis", action="store_true", help="Sec. 6.1 on CIFAR-10")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--folder", type=Path, default=Path("thesis_table"))
    parser.add_argument("--table", action="store_true", help="run nothing")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    size = THESIS if options.thesis else SMALL
    RESULTS.parent.mkdir(exist_ok=True)
    what = options.bench or size.data
    for seed in range(0 if options.table else options.seeds):
        for mode in MODES:
            if any((x.what, x.mode, x.seed) == (what, mode, seed) for x in read()):
                continue
            if options.bench:
                line = on_surrogate(options.bench, mode, seed)
            else:
                line = on_images(size, mode, seed, options.folder)
            with RESULTS.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(line)) + "\n")
            print(line, flush=True)
    print(table(read()))


if __name__ == "__main__":
    main()
