"""Check the corpus: every line can be read, no cell is there twice, sums are those written down.

python benchmarks/corpus/check.py            check, print what there is
python benchmarks/corpus/check.py --write    write the sums anew after a collection
"""

from __future__ import annotations

import argparse
import hashlib
import sys

import numpy as np
import rows
import tasks

from optuna_popnas.networks import cell_costs


SUMS = "SHA256SUMS"
_IMAGES = {"digits": (1, 8), "fashion-mnist": (1, 14), "cifar10": (3, 16)}
_LIMIT = 3_000_000


def problems(name: str, found: list[rows.Row]) -> list[str]:
    """Return what is wrong with the rows of a task."""
    task = tasks.TASKS[name]
    wrong = []
    canonical = [row.cell.canonical(task.space.operators) for row in found]
    if len(set(canonical)) < len(found):
        wrong.append(f"{name}: {len(found) - len(set(canonical))} cells are there twice")
    epochs = sum(epoch <= task.epochs for epoch in tasks.CURVE)
    channels, pixels = _IMAGES[task.data]
    costs = cell_costs(
        [row.cell for row in found],
        task.network,
        in_channels=channels,
        classes=10,
        image_size=pixels,
        space=task.space,
    )
    for row, parameters in zip(found, costs.parameters.tolist()):
        task.space.check(row.cell)
        curves = {len(curve) for curve in row.curve}
        if len(row.curve) != len(row.accuracy) or curves != {epochs}:
            wrong.append(f"{name}: {row.cell} has {len(row.curve)} curves of {curves} epochs")
        if not all(0 <= value <= 1 for value in row.accuracy) or not row.relative > 0:
            wrong.append(f"{name}: {row.cell} has impossible values")
        if row.parameters != parameters:
            wrong.append(f"{name}: {row.cell} has {parameters} parameters, not {row.parameters}")
    return wrong


def noise(found: list[rows.Row]) -> float:
    """Return the standard deviation of one accuracy, from cells with several trainings."""
    variances = [np.var(row.accuracy, ddof=1) for row in found if len(row.accuracy) > 1]
    return float(np.sqrt(np.mean(variances))) if variances else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the sums anew")
    options = parser.parse_args()
    folder = tasks.output_folder()
    sums, wrong, size = {}, [], 0
    print("task        cells  by blocks                      noise  seconds, median")
    for name in tasks.TASKS:
        path = folder / f"{name}.csv"
        found = rows.read(path)
        if not found:
            continue
        content = path.read_bytes()
        size += len(content)
        sums[path.name] = hashlib.sha256(content).hexdigest()
        wrong += problems(name, found)
        lengths = np.bincount([len(row.cell) for row in found], minlength=1)
        seconds = float(np.median([row.seconds for row in found]))
        print(
            f"{name:10} {len(found):6}  {' '.join(map(str, lengths)):30} {noise(found):.4f}  "
            f"{seconds:.2f}"
        )
    path = folder / SUMS
    if options.write:
        path.write_text("".join(f"{value}  {name}\n" for name, value in sums.items()))
    written = dict(reversed(line.split()) for line in path.read_text().splitlines())
    wrong += [
        f"{name}: its sum is not the one in {SUMS}"
        for name in sums
        if sums[name] != written.get(name)
    ]
    if size > _LIMIT:
        wrong.append(f"The files have {size} bytes, more than {_LIMIT}")
    print("\n".join(wrong) or f"{len(sums)} files of {size} bytes are as they should be.")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
