"""Runs every example in a folder of its own; exit code 1 if one fails or takes too long.

python examples/run_all.py [NAME ...]
"""

from __future__ import annotations

import json
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time


HERE = Path(__file__).resolve().parent
LIMIT = 300.0  # seconds of wall time, on a machine with other work to do
ARGUMENTS = {"end_to_end.py": ["model", "--quick"]}


def notebook_script(path: Path) -> str:
    """Return the code of a notebook as a script that shows what the notebook would show."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    return (
        f"import ast\nnames = {{}}\nfor source in {sources!r}:\n"
        "    tree = ast.parse(source)\n"
        "    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None\n"
        "    exec(compile(tree, 'notebook', 'exec'), names)\n"
        "    if last is not None:\n"
        "        value = eval(compile(ast.Expression(last.value), 'notebook', 'eval'), names)\n"
        "        svg = getattr(value, '_repr_svg_', None)\n"
        "        page = getattr(value, '_repr_html_', None)\n"
        "        shown = svg() if svg else page() if page else repr(value)\n"
        "        print(type(value).__name__, len(str(shown)), 'characters')\n"
    )


def main() -> int:
    names = sys.argv[1:] or sorted(
        path.name
        for pattern in ("*.py", "*.ipynb")
        for path in HERE.glob(pattern)
        if path.name != Path(__file__).name
    )
    failed = []
    for name in names:
        path = HERE / name
        command = [sys.executable, str(path), *ARGUMENTS.get(name, [])]
        if path.suffix == ".ipynb":
            command = [sys.executable, "-c", notebook_script(path)]
        begin = time.monotonic()
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": os.pathsep.join(
                filter(None, [str(HERE.parent), os.environ.get("PYTHONPATH")])
            ),
        }
        with tempfile.TemporaryDirectory() as folder:
            try:
                code = subprocess.run(
                    command, cwd=folder, timeout=LIMIT, env=environment
                ).returncode
            except subprocess.TimeoutExpired:
                code = -1
        state = "ok" if code == 0 else "FAILED"
        print(f"{name}: {state} after {time.monotonic() - begin:.1f} s", flush=True)
        if code:
            failed.append(name)
    print(f"{len(names) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
