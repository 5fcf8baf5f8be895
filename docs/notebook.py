"""A notebook run anew, its outputs stored as Jupyter stores them."""

from __future__ import annotations

import ast
import json
import os
from pathlib import Path
from typing import Any


def refresh(path: Path, folder: Path) -> None:
    """Run the code of a notebook in a folder, and store what its cells show."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    names: dict[str, Any] = {}
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    before = Path.cwd()
    os.chdir(folder)
    try:
        for count, cell in enumerate(code, start=1):
            tree = ast.parse("".join(cell["source"]))
            last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, path.name, "exec"), names)
            shown = None
            if isinstance(last, ast.Expr):
                shown = eval(compile(ast.Expression(last.value), path.name, "eval"), names)
            cell["execution_count"] = count
            cell["outputs"] = [] if shown is None else [_output(shown, count)]
    finally:
        os.chdir(before)
    path.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _output(value: Any, count: int) -> dict[str, Any]:
    if hasattr(value, "to_plotly_json"):
        data = {"application/vnd.plotly.v1+json": json.loads(value.to_json())}
        return {"data": data, "metadata": {}, "output_type": "display_data"}
    data = {"text/plain": [repr(value)]}
    if hasattr(value, "_repr_svg_"):
        data = {"image/svg+xml": [value._repr_svg_()], **data}
    return {
        "data": data,
        "execution_count": count,
        "metadata": {},
        "output_type": "execute_result",
    }
