"""What the source of the package says of itself: who imports whom, how long things are.

Pure functions of a folder, so that they can be tried on a copy with something wrong in it;
``python -m tests.house`` prints the whole as a table.
Imports inside functions and those for type checkers alone count like all others.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
import re
import sys
from typing import NamedTuple


NAME = "optuna_popnas"

#: From the ground up: a room may import only rooms that stand before it.
ROOMS = (
    "space",
    "networks",
    "predictors",
    "search",
    "training",
    "sampler",
    "study",
    "objective",
    "visualization",
    "cli",
)


class Import(NamedTuple):
    """An import of one module by another.

    Attributes:
        file: The file it is in, from the folder of the package.
        target: What is imported, as ``module.name`` or a module.
    """

    file: str
    target: str


def files(root: Path) -> list[Path]:
    """Return all source files of the package."""
    return sorted(root.rglob("*.py"))


def room_of(path: str) -> str:
    """Return the room of a file or dotted name inside the package, "" for the front."""
    first = re.split(r"[./]", path)[0]
    return first if first in ROOMS else ""


def imports(root: Path) -> Iterator[Import]:
    """Yield every import of every file, lazy and type-only ones too."""
    for path in files(root):
        file = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (Import(file, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{file} imports relatively"
                yield from (Import(file, f"{node.module}.{alias.name}") for alias in node.names)


def _front_names(root: Path) -> dict[str, str]:
    """Return where the names of the package's front come from: name -> dotted name inside."""
    front = {}
    for node in ast.walk(ast.parse((root / "__init__.pyi").read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            front |= dict.fromkeys((alias.name for alias in node.names), node.module)
    return front


def inner(root: Path) -> Iterator[tuple[str, str]]:
    """Yield (file, dotted name inside the package) of all imports within the package."""
    front = _front_names(root)
    for file, target in imports(root):
        parts = target.split(".")
        if parts[0] != NAME:
            continue
        dotted = ".".join(parts[1:])
        yield file, front.get(dotted, dotted)


def arrows(root: Path) -> dict[str, set[str]]:
    """Return which other rooms each room imports; the package's front and main file are none."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for file, dotted in inner(root):
        here, there = room_of(file), room_of(dotted)
        if here and there and here != there:
            found[here].add(there)
    return found


def upward(root: Path) -> list[str]:
    """Return the imports that run back up, and those of the whole front from inside."""
    wrong = []
    for file, dotted in inner(root):
        here, there = room_of(file), room_of(dotted)
        if here and there and ROOMS.index(there) > ROOMS.index(here):
            wrong.append(f"{file} -> {dotted}")
        if here and here != "cli" and not dotted:
            wrong.append(f"{file} -> the front")
    return wrong


def circles(root: Path) -> list[list[str]]:
    """Return the groups of files that import each other in a circle."""
    graph: dict[str, set[str]] = {path.relative_to(root).as_posix(): set() for path in files(root)}
    for file, dotted in inner(root):
        parts = dotted.split(".")
        for count in range(len(parts), 0, -1):
            stem = "/".join(parts[:count])
            target = next((n for n in (f"{stem}.py", f"{stem}/__init__.py") if n in graph), None)
            if target is not None:
                if target != file:
                    graph[file].add(target)
                break
    return [sorted(group) for group in _components(graph) if len(group) > 1]


def _components(graph: dict[str, set[str]]) -> list[set[str]]:
    """Return the strongly connected components, by who reaches whom."""

    def reached(start: str, edges: dict[str, set[str]]) -> set[str]:
        seen, stack = {start}, [start]
        while stack:
            for following in edges[stack.pop()] - seen:
                seen.add(following)
                stack.append(following)
        return seen

    back: dict[str, set[str]] = {name: set() for name in graph}
    for name, targets in graph.items():
        for target in targets:
            back[target].add(name)
    left, found = set(graph), []
    while left:
        start = min(left)
        group = reached(start, graph) & reached(start, back)
        found.append(group)
        left -= group
    return found


def libraries(root: Path) -> dict[str, set[str]]:
    """Return which libraries each room imports, but for Python's own; "" is the front."""
    found: dict[str, set[str]] = {}
    for file, target in imports(root):
        library = target.split(".")[0]
        if library not in (NAME, "__future__") and library not in sys.stdlib_module_names:
            found.setdefault(room_of(file), set()).add(library)
    return found


def importers(root: Path, library: str) -> set[str]:
    """Return the files that import a library."""
    return {file for file, target in imports(root) if target.split(".")[0] == library}


def long_ones(root: Path, *, lines: int = 350, function: int = 80) -> list[str]:
    """Return files, and functions without their docstrings, that are longer than that."""
    found = []
    for path in files(root):
        text = path.read_text()
        name = path.relative_to(root).as_posix()
        if _lines(text) > lines:
            found.append(f"{name}: {_lines(text)} lines")
        found += [f"{name}: {f} has {n} lines" for f, n in _functions(text) if n > function]
    return found


def _functions(text: str) -> Iterator[tuple[str, int]]:
    """Yield every function and its lines, those of its docstring left out."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            first = node.body[0]
            if ast.get_docstring(node) is not None:
                length -= (first.end_lineno or first.lineno) - first.lineno + 1
            yield node.name, length


def lengths(root: Path) -> tuple[str, str]:
    """Return the longest file and the longest function, without docstrings, in words."""
    longest_file, longest_function = (0, ""), (0, "")
    for path in files(root):
        text = path.read_text()
        name = path.relative_to(root).as_posix()
        longest_file = max(longest_file, (text.count("\n"), name))
        for function, length in _functions(text):
            longest_function = max(longest_function, (length, f"{function} of {name}"))
    return f"{longest_file[1]}, {longest_file[0]}", f"{longest_function[1]}, {longest_function[0]}"


def table(root: Path) -> str:
    """Return the house in figures: lines by room, and what the guards look at."""
    rows = [("room", "files", "lines", "code", "tests")]
    for room in ("", *ROOMS):
        inside = [p for p in files(root) if room_of(p.relative_to(root).as_posix()) == room]
        texts = [path.read_text() for path in inside]
        places = [root.parent / "tests" / room] if room else []
        tests = sum(_lines(path.read_text()) for place in places for path in place.rglob("*.py"))
        counts = (len(inside), sum(map(_lines, texts)), sum(map(_code, texts)), tests)
        rows.append((room or "the front", *map(str, counts)))
    totals = [sum(int(row[column]) for row in rows[1:]) for column in range(1, 5)]
    totals[-1] = sum(_lines(p.read_text()) for p in (root.parent / "tests").rglob("*.py"))
    rows.append(("all", *map(str, totals)))
    text = [f"{row[0]:<14}" + "".join(f"{cell:>8}" for cell in row[1:]) for row in rows]
    file, function = lengths(root)
    count = sum(map(len, arrows(root).values()))
    return "\n".join(
        [
            *text,
            "",
            f"arrows between rooms {count}, up {len(upward(root))}, circles {len(circles(root))}",
            f"longest file {file}; longest function {function}",
        ]
    )


def _lines(text: str) -> int:
    return text.count("\n")


def _code(text: str) -> int:
    """Count lines that are neither blank nor comment, docstring or import."""
    left = {n for n, line in enumerate(text.splitlines(), 1) if line.strip()[:1] not in ("", "#")}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            node = node.body[0] if node.body and ast.get_docstring(node) is not None else None
        elif not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        if node is not None:
            left -= {*range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    return len(left)


if __name__ == "__main__":
    print(table(Path(__file__).parent.parent / NAME))
