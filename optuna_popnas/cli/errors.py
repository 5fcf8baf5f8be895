"""What a user did wrong, said so that it can be mended."""

from __future__ import annotations

from collections.abc import Iterable
import difflib


class ConfigError(ValueError):
    """A setting or argument that cannot be used; the text names it, the rule and the fix."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence with the nearest known name, or all names."""
    known = list(known)
    match = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if match:
        return f"Did you mean `{match[0]}`?"
    return f"There are {', '.join(known)}."
