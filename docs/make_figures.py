"""Make every picture and number of README and docs from fresh searches: `make figures`.

    python docs/make_figures.py                      search first, as `make search` does
    python docs/make_figures.py sqlite:///popnas.db  from the studies "digits", "thesis_small"

Needs Chromium and optuna-dashboard. Numbers go between the comments `<!-- part: NAME -->` of the
pages, the date and the version among them.
"""

from __future__ import annotations

from datetime import date
import os
from pathlib import Path
import re
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from urllib.request import urlopen

import notebook
import numpy as np
import optuna
from PIL import Image
from references import references
import torch
import walk

import optuna_popnas as popnas
from optuna_popnas import visualization
from optuna_popnas.objective.proxies import PROXIES
from optuna_popnas.objective.proxies import time_cells
from optuna_popnas.objective.proxies import TRAINING_SHARE
from optuna_popnas.objective.proxies import TRAININGS
from optuna_popnas.study import StudyView
from optuna_popnas.study import summarize
from optuna_popnas.study import view_study
from optuna_popnas.study.findings import findings


DOCS = Path(__file__).parent
EXAMPLES = DOCS.parent / "examples"
IMAGES = DOCS / "images"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "chrome"))), None)


def picture(address: str, name: str, width: int, height: int, *, wait: int = 20_000) -> None:
    """Photograph a page."""
    assert BROWSER is not None, "Install chromium."
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
                "--no-first-run", "--disable-background-networking", "--disable-sync",
                "--disable-component-update", "--hide-scrollbars", f"--user-data-dir={profile}",
                f"--window-size={width},{height}", f"--virtual-time-budget={wait}",
                f"--screenshot={IMAGES / name}", address,
            ],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
    print(f"Written: {IMAGES / name}")


def dashboard(storage: str, folder: Path, key: int, number: int) -> None:
    """Photograph optuna-dashboard: the study's figures and a trial of the front."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["optuna-dashboard", storage, "--port", str(port)]
    if folder.is_dir():
        command += ["--artifact-dir", str(folder)]
    program = Path(sys.executable).with_name("optuna-dashboard")
    server = subprocess.Popen(
        [str(program), *command[1:]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        base = f"http://127.0.0.1:{port}"
        for _ in range(60):
            try:
                urlopen(base, timeout=2).close()
                break
            except OSError:
                time.sleep(0.5)
        picture(f"{base}/dashboard/studies/{key}", "dashboard.png", 1280, 4200)
        with Image.open(IMAGES / "dashboard.png") as page:  # below the dashboard's own figures
            page.crop((0, 1730, 1280, 3700)).save(IMAGES / "dashboard.png")
        trial = f"{base}/dashboard/studies/{key}/trials?numbers={number}"
        picture(trial, "dashboard_trial.png", 1280, 1000)
    finally:
        server.terminate()
        server.wait()


def drawings(study: StudyView) -> None:
    """Draw cells and a network."""
    one = popnas.Cell([(-2, "3x3 conv", -1, "2x2 maxpool")])
    three = popnas.Cell.parse(
        "[(-2, '3x3 conv', -1, '2x2 maxpool'), (-1, '2x2 maxpool', -1, '1x7-7x1 conv'), "
        "(0, '3x3 conv', -1, '1x7-7x1 conv')]"
    )
    chosen = study.front[0].cell
    assert chosen is not None
    network = popnas.NetworkConfig(motifs=2, normal_cells=2, filters=8)
    pictures = {
        "cells.svg": visualization.draw_cells({"one block": one, "three blocks": three}),
        "network.svg": visualization.draw_network(one, network),
        "chosen.svg": visualization.draw_cell(chosen),
    }
    for name, text in pictures.items():
        (IMAGES / name).write_text(text, encoding="utf-8")


def budget_table() -> str:
    """Return what `--hours` chooses from, with the seconds and hours of some images."""
    rng = np.random.default_rng(0)
    lines = [
        "2,000 colour photographs of 64 pixels or more, one core of this machine; hours are those "
        "of a search with two workers, 150 trainings in four fifths of the time:",
        "",
        "| pixels | filters | motifs, normal cells | epochs | seconds of a training | hours |",
        "|---|---|---|---|---|---|",
    ]
    for proxy in PROXIES:
        images = rng.integers(0, 256, (2000, proxy.side, proxy.side, 3), dtype=np.uint8)
        objective = popnas.TrainingObjective(
            popnas.SearchSpace(popnas.PAPER_OPERATORS, max_blocks=5),
            popnas.load_dataset((images, np.arange(2000) % 10)),
            network=proxy.network,
            training=popnas.TrainingConfig(epochs=proxy.epochs),
            device="cpu",
        )
        seconds = float(np.mean([s for _, s in time_cells(objective, 3)]))
        hours = TRAININGS * seconds / TRAINING_SHARE / 2 / 3600
        lines.append(
            f"| {proxy.side} | {proxy.filters} | {proxy.motifs}, {proxy.normal_cells} "
            f"| {proxy.epochs} | {seconds:.3g} | {hours:.2g} |"
        )
    return "\n".join(lines) + "\n"


def search(name: str, storage: str, artifacts: Path) -> None:
    """Search with the settings of an example."""
    command = [sys.executable, "-m", "optuna_popnas", "search", str(EXAMPLES / name)]
    subprocess.run([*command, "--storage", storage, "--artifacts", str(artifacts)], check=True)


def fill(name: str, text: str) -> None:
    """Put a text between the comments of this name, on all pages."""
    pattern = re.compile(rf"(<!-- part: {re.escape(name)} -->\n).*?(<!-- end of part -->)", re.S)
    for page in (DOCS.parent / "README.md", *DOCS.glob("*.md")):
        old = page.read_text(encoding="utf-8")
        new = pattern.sub(lambda found: f"{found[1]}\n{text.strip()}\n\n{found[2]}", old)
        if new != old:
            page.write_text(new, encoding="utf-8")
            print(f"Written: {name} into {page.name}")


def words(study: optuna.Study, networks: dict[str, tuple[float, float]]) -> None:
    """Write down what the search said, and when."""
    view = view_study(study)
    summary = summarize(view)
    found = {finding.title: finding.text for finding in findings(view, summary)}
    known = "; ".join(f"{name} {acc:.3f} in {s:.2g} s" for name, (acc, s) in networks.items())
    fill("made", f"Made {date.today()} with optuna-popnas {popnas.__version__}, on two cores.")
    fill(
        "found",
        f"{summary.complete} trainings to the end and {len(view.stopped)} ended early, "
        f"{summary.training_seconds:.0f} s of training in all. {found['The cell to take']}\n\n"
        f"**Did deeper cells pay?** {found['Did deeper cells pay?']}\n\n"
        f"**How sure?** {found['How sure the accuracies are']}\n\n"
        f"**Known networks**, as wide and trained in the same way: {known}.",
    )
    fill("wave", walk.wave_text(study))


def shown(command: list[str], folder: Path) -> str:
    """Run a command of this package; return what it said, as a block, without its progress."""
    run = subprocess.run(
        [sys.executable, "-m", "optuna_popnas", *command],
        cwd=folder, text=True, check=False, env={**os.environ, "COLUMNS": "100"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    if run.returncode not in (0, 1):
        raise SystemExit(run.stdout)
    text = re.sub(r"\S*/(optuna-\w+)", r"\1", run.stdout)
    lines = [x for x in text.splitlines() if not re.match(r"(starting|wave \d+|\[W |Epoch)", x)]
    return "```text\n" + "\n".join(lines).strip() + "\n```"


def started(folder: Path) -> None:
    """Do what the page "Get started" does."""
    page = (DOCS / "get_started.md").read_text(encoding="utf-8")
    code = re.findall(r"```python\n(.*?)```", page, re.S)[0]
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True)
    lines = {
        words[1]: words[1:]
        for words in map(shlex.split, re.findall(r"\$ (optuna-popnas .*)", page))
    }
    fill("started_search", shown(lines["search"], folder))
    fill("started_retrain", shown(lines["retrain"], folder))
    texts = [shown(lines[name], folder) for name in ("evaluate", "predict", "export")]
    fill("started_use", "\n\n".join(texts))


def pictures(
    study: optuna.Study,
    networks: dict[str, tuple[float, float]],
    storage: str,
    artifacts: Path,
    work: Path,
) -> None:
    """Photograph the figures, the report and the dashboard."""
    view = view_study(study)
    drawings(view)
    figures = {
        "front.png": visualization.plot_pareto_front(view, references=networks),
        "predictions.png": visualization.plot_predictions(view, "seconds"),
    }
    for name, figure in figures.items():
        figure.update_layout(paper_bgcolor="white", width=900)
        figure.write_html(work / "figure.html", config={"displayModeBar": False})
        picture((work / "figure.html").as_uri(), name, 916, int(figure.layout.height) + 16)
    visualization.report(
        view, work / "report.html", storage="sqlite:///popnas.db", references=networks
    )
    picture((work / "report.html").as_uri(), "report.png", 1100, 1500)
    picture((work / "report.html").as_uri(), "report_phone.png", 400, 1600)
    visualization.update_dashboard(study)
    dashboard(storage, artifacts, study._study_id, view.front[0].number)


def main() -> None:
    """Search, if need be, and photograph."""
    with tempfile.TemporaryDirectory() as text:
        work = Path(text)
        storage = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{work}/popnas.db"
        artifacts = Path("artifacts") if len(sys.argv) > 1 else work / "artifacts"
        if len(sys.argv) == 1:
            search("digits.toml", storage, artifacts)
            search("thesis_small.toml", storage, artifacts)
        study = optuna.load_study(study_name="digits", storage=storage)
        torch.set_num_threads(1)
        networks = references(study.user_attrs["settings"])
        words(study, networks)
        fill(
            "level", walk.level_text(optuna.load_study(study_name="thesis_small", storage=storage))
        )
        fill("budget_table", budget_table())
        fill("profile", shown(["profile", str(EXAMPLES / "digits.toml")], work))
        notebook.refresh(EXAMPLES / "tour.ipynb", work)
        (work / "started").mkdir()  # with a database of its own
        started(work / "started")
        pictures(study, networks, storage, artifacts, work)


if __name__ == "__main__":
    main()
