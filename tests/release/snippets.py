"""The code of README and docs, at sizes that a test has time for."""

from __future__ import annotations

from pathlib import Path
import re
import shlex
from typing import NamedTuple


ROOT = Path(__file__).parents[2]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

_BLOCK = re.compile(
    r"^(<!-- (?P<mark>[^>]*) -->\n+)?```(?P<kind>\w+)\n(?P<text>.*?)^```", re.M | re.S
)
# What is written -> what is run.
_SHORTER = {
    r'"fashion-mnist"': '"digits"',
    r", image_size=(14|32)\b": "",
    r"\bsamples=6000\b": "samples=200",
    r"\bhours=[0-9.]+": "hours=0.004",
    r"\bepochs=(9|21)\b": "epochs=3",
    r"popnas\.PAPER_OPERATORS": '["identity", "3x3 conv"]',
    r"max_blocks=[35]": "max_blocks=2",
    r"budget_seconds=[\d_]+": "budget_seconds=1",
    r"filters=\d+": "filters=2",
    r"motifs=2": "motifs=1",
    r"candidates=5": "candidates=2",
}


class Snippet(NamedTuple):
    """A block of code on a page.

    Attributes:
        line: Where it begins.
        kind: ``"python"``, ``"console"``, ``"text"`` ...
        mark: What a comment above it says to the tests: ``"not run: ..."``.
        text: The code.
    """

    line: int
    kind: str
    mark: str
    text: str


def snippets(page: str, kind: str) -> list[Snippet]:
    """Return the blocks of one kind on a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    return [
        Snippet(
            text[: match.start()].count("\n") + 1,
            match["kind"],
            match["mark"] or "",
            match["text"],
        )
        for match in _BLOCK.finditer(text)
        if match["kind"] == kind
    ]


def shortened(code: str) -> str:
    """Return code with sizes that take seconds."""
    for written, run in _SHORTER.items():
        code = re.sub(written, run, code)
    return code


def commands(page: str) -> list[list[str]]:
    """Return the calls of ``optuna-popnas`` on a page, without those that show an error."""
    found = []
    for snippet in (*snippets(page, "console"), *snippets(page, "text"), *snippets(page, "sh")):
        lines = snippet.text.replace("\\\n", " ").splitlines()
        for line, after in zip(lines, [*lines[1:], ""]):
            words = re.sub(r"\s+#.*", "", line).strip().removeprefix("$ ")
            shows_error = re.match(r"optuna-popnas \w+: ", after)
            if re.match(r"optuna-popnas \w+( |$)", words) and not shows_error:
                found.append(shlex.split(re.split(r"\s[|>&]", words)[0])[1:])
    return found
