"""Make every picture of README and docs from one fresh search: `make figures`.

    python docs/make_figures.py                      search first, as `make search` does
    python docs/make_figures.py sqlite:///popnas.db  from that study

Needs Chromium and optuna-dashboard. The date and the version stand below the pictures, in
`docs/images/made.txt`.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from urllib.request import urlopen

import optuna
from PIL import Image

import optuna_popnas
from optuna_popnas import visualization
from optuna_popnas.study import view_study


DOCS = Path(__file__).parent
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


def dashboard(storage: str, folder: Path, number: int) -> None:
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
        picture(f"{base}/dashboard/studies/1", "dashboard.png", 1280, 4200)
        with Image.open(IMAGES / "dashboard.png") as page:  # below the dashboard's own figures
            page.crop((0, 1730, 1280, 3700)).save(IMAGES / "dashboard.png")
        trial = f"{base}/dashboard/studies/1/trials?numbers={number}"
        picture(trial, "dashboard_trial.png", 1280, 1000)
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    """Search, if need be, and photograph."""
    with tempfile.TemporaryDirectory() as text:
        work = Path(text)
        storage = sys.argv[1] if len(sys.argv) > 1 else f"sqlite:///{work}/popnas.db"
        artifacts = Path("artifacts") if len(sys.argv) > 1 else work / "artifacts"
        if len(sys.argv) == 1:
            example = DOCS.parent / "examples" / "digits.toml"
            command = [sys.executable, "-m", "optuna_popnas", "search", str(example)]
            subprocess.run(
                [*command, "--storage", storage, "--artifacts", str(artifacts)], check=True
            )
        study = optuna.load_study(study_name=None, storage=storage)
        view = view_study(study)
        figures = {
            "front.png": visualization.plot_pareto_front(view),
            "predictions.png": visualization.plot_predictions(view, "seconds"),
        }
        for name, figure in figures.items():
            figure.update_layout(paper_bgcolor="white", width=900)
            figure.write_html(work / "figure.html", config={"displayModeBar": False})
            picture((work / "figure.html").as_uri(), name, 916, int(figure.layout.height) + 16)
        visualization.report(view, work / "report.html", storage="sqlite:///popnas.db")
        picture((work / "report.html").as_uri(), "report.png", 1100, 1500)
        visualization.update_dashboard(study)
        dashboard(storage, artifacts, view.front[0].number)
        made = f"{date.today()}, optuna-popnas {optuna_popnas.__version__}: {len(view.complete)}"
        (IMAGES / "made.txt").write_text(f"{made} cells of examples/digits.toml\n")


if __name__ == "__main__":
    main()
