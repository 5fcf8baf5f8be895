"""What docs/paper.md, docs/architecture.md and CONTRIBUTING.md name is there."""

from __future__ import annotations

import inspect
from pathlib import Path
import re

import pytest

import optuna_popnas
from optuna_popnas import visualization
from optuna_popnas.cli import COMMANDS
from optuna_popnas.search import SearchConfig


ROOT = Path(optuna_popnas.__file__).parents[1]
PAGES = ("docs/paper.md", "docs/architecture.md", "CONTRIBUTING.md")


def codes(page: str) -> list[str]:
    """Return what is set in backticks."""
    return re.findall(r"`([^`\n]+)`", (ROOT / page).read_text())


@pytest.mark.parametrize("page", PAGES)
def test_paths_exist(page: str) -> None:
    found = []
    for code in codes(page):
        for name in re.findall(r"[\w./]+/[\w./*]*|[\w/]+\.(?:py|md|toml)", code):
            if re.fullmatch(r"[\w./]+", name) and not name.startswith(("1/", "(")):
                found.append(name)
    missing = [name for name in found if re.search(r"[a-z]{3}", name) and not places(name)]
    assert found and missing == []


def places(name: str) -> list[Path]:
    """Return where a path that a page names may be: a bare name stands for any such file."""
    bases = (ROOT, ROOT / "optuna_popnas", ROOT / "tests")
    exact = [base / name for base in bases if (base / name).exists()]
    if exact or "/" in name.rstrip("/"):
        return exact
    return [path for base in bases[1:] for path in base.rglob(name.rstrip("/"))]


@pytest.mark.parametrize("page", PAGES)
def test_files_hold_what_is_said_to_be_theirs(page: str) -> None:
    """As in "`name` of `file.py`"."""
    text = (ROOT / page).read_text()
    for names, file in re.findall(r"((?:`\w+`(?:,| and)? )+)(?:of|in) `([\w/]+\.py)`", text):
        source = "\n".join(path.read_text() for path in places(file))
        for name in re.findall(r"\w+", names.replace(" and ", " ")):
            assert re.search(rf"^(?:def |class )?{name}\b", source, re.M), f"{name} in {file}"


def test_every_step_of_a_walk_names_what_its_files_hold() -> None:
    steps = re.findall(r"^\d+\. .*", (ROOT / "docs/architecture.md").read_text(), re.M)
    assert len(steps) == 20
    for step in steps:
        found = re.findall(r"`([^`]+)`", step)
        files = [path for code in found if code.endswith(".py") for path in places(code)]
        words = set(re.findall(r"\w+", "\n".join(path.read_text() for path in files)))
        for code in found:
            if files and not code.endswith((".py", "/")):
                assert set(re.findall(r"[a-zA-Z_]\w*", code)) <= words, f"{code} in: {step}"


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES)
def test_commands_exist(page: str) -> None:
    for code in codes(page):
        match = re.match(r"optuna-popnas (\w+)", code)
        if match:
            assert match[1] in COMMANDS, code


def test_pages_show_every_command_and_every_figure() -> None:
    commands, figures = (set(codes(f"docs/{page}.md")) for page in ("command_line", "figures"))
    text = (ROOT / "docs/command_line.md").read_text()
    for command in COMMANDS:
        assert command in commands or f"optuna-popnas {command}" in text, command
    drawn = {re.split(r"\W", code)[0] for code in figures}
    assert {name for name in visualization.__all__ if name.startswith("plot_")} <= drawn


def test_names_and_arguments_of_the_paper_exist() -> None:
    known = {*optuna_popnas.__all__, "PlanReport"}
    arguments = set(inspect.signature(optuna_popnas.POPNASSampler).parameters)
    arguments |= set(SearchConfig.__dataclass_fields__)
    for code in codes("docs/paper.md"):
        room, _, name = code.partition(".")
        if room in ("predictors", "visualization", "search") and name.isidentifier():
            assert hasattr(getattr(optuna_popnas, room), name) or room == "search", code
        match = re.fullmatch(
            r"(POPNASSampler|SearchSpace|NetworkConfig|TrainingConfig)\((.*)\)", code
        )
        if match:
            assert match[1] in known
            accepted = set(inspect.signature(getattr(optuna_popnas, match[1])).parameters)
            assert set(re.findall(r"(\w+)=", match[2])) <= accepted, code
    assert {"beam", "accuracy_predictor", "time_predictor"} <= arguments
