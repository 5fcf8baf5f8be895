"""Settings of the documentation: `make docs` builds it, and takes warnings for errors."""

from __future__ import annotations

from pathlib import Path
import re
import sys
from typing import Any


DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent))
sys.path.insert(0, str(DOCS))

import reference  # noqa: E402

import optuna_popnas  # noqa: E402


project = "optuna-popnas"
copyright = "the optuna-popnas developers"
release = version = optuna_popnas.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_rtd_theme",
]
root_doc = "index"
exclude_patterns = ["_build"]
html_theme = "sphinx_rtd_theme"
html_theme_options = {"navigation_depth": 2, "prev_next_buttons_location": "bottom"}
html_static_path = ["_static"]
html_css_files = ["wide.css"]
html_show_sphinx = False

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # members are documented among the attributes, once

#: Where files of the repository are, that are no pages.
SOURCE = "https://github.com/optuna-popnas/optuna-popnas/blob/main/"


def _files_as_links(app: Any, docname: str, source: list[str]) -> None:
    """Lead links out of docs/ to the repository."""
    source[0] = re.sub(r"\]\(\.\./([^)]+)\)", rf"]({SOURCE}\1)", source[0])


def _skip_fields(
    app: Any, what: str, name: str, value: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out the fields of named tuples, which the class describes."""
    return True if type(value).__name__ == "_tuplegetter" else None


def setup(app: Any) -> None:
    """Write the references made from the code, before anything is read."""
    app.connect("builder-inited", lambda app: reference.write(DOCS))
    app.connect("source-read", _files_as_links)
    app.connect("autodoc-skip-member", _skip_fields)
