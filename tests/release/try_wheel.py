"""Install wheel and sdist as users do, away from the checkout; run README's first example.

The wheel alone, the sdist with the extra for ONNX files.

    python tests/release/try_wheel.py dist [--with-packages-of-this-environment]

With the flag, libraries are taken from this environment, and only the package itself is new.
"""

from __future__ import annotations

import os
from pathlib import Path
import subprocess
import sys
import tempfile
import venv


sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.release.snippets import shortened
from tests.release.snippets import snippets


PHOTOS = """
import numpy as np
from pathlib import Path
from PIL import Image
from sklearn.datasets import load_digits
digits = load_digits()
for number in range(300):
    folder = Path("photos", str(digits.target[number]))
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray((digits.images[number] * 15.9).astype("uint8")).save(folder / f"{number}.png")
Image.open("photos/0/0.png").save("cat.jpg")
"""


def main() -> None:
    dist, shared = Path(sys.argv[1]).resolve(), len(sys.argv) > 2
    constraints = Path(__file__).parents[2] / "constraints.txt"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    for kind in ("*.whl", "*.tar.gz"):
        (archive,) = dist.glob(kind)
        with tempfile.TemporaryDirectory() as text:
            place = Path(text)
            venv.create(place / "venv", with_pip=True)
            python = str(place / "venv" / "bin" / "python")
            if shared:
                packages = Path(
                    subprocess.check_output(
                        [sys.executable, "-c", "import numpy; print(numpy.__path__[0])"], text=True
                    ).strip()
                ).parent
                site = next((place / "venv" / "lib").glob("python*")) / "site-packages"
                (site / "shared.pth").write_text(f"{packages}\n")
            install = [python, "-m", "pip", "install", "--quiet", "-c", str(constraints)]
            if shared:
                install += ["--no-deps", "--ignore-installed"]
            extra = "[export]" if kind == "*.tar.gz" else ""
            subprocess.run([*install, f"{archive}{extra}"], check=True, env=environment)
            code = PHOTOS + shortened(snippets("README.md", "python")[0].text).replace(
                "0.004", "0.02"
            )
            check = (
                "import optuna_popnas, pathlib, sys\n"
                "assert str(pathlib.Path(optuna_popnas.__file__)).startswith(sys.prefix)\n"
            )
            subprocess.run([python, "-c", check + code], check=True, cwd=place, env=environment)
            made = {path.name for path in (place / "exported").iterdir()}
            assert {"model.pt2", "model.safetensors", "README.md"} <= made, made
            assert "model.onnx" in made or not (extra or shared), made
            program = place / "venv" / "bin" / "optuna-popnas"
            subprocess.run([str(program), "--version"], check=True, env=environment)
            print(f"{archive.name}: installed, and README's first example runs.", flush=True)


if __name__ == "__main__":
    main()
