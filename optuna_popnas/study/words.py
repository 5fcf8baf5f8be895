"""Numbers, time spans, levels and cells in plain words."""

from __future__ import annotations

from optuna_popnas.space import Cell


def level_name(level: int | None) -> str:
    """Return a level in words."""
    if level is None:
        return "unknown size"
    return {0: "empty cell", 1: "1 block"}.get(level, f"{level} blocks")


def digits(value: float | None, form: str) -> str:
    """Return a number in this form, nothing for None."""
    return "" if value is None else format(value, form)


def duration_words(seconds: float) -> str:
    """Return a time span in words: ``"42 s"``, ``"3 min 20 s"``, ``"2 h 05 min"``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 48 * 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86400} days {whole % 86400 // 3600} h"


def cell_words(cell: Cell | None) -> str:
    """Return a cell in plain words, as short as it can be.

    Example:
        >>> cell_words(Cell([(-2, "3x3 conv", -1, "identity")]))
        '3x3 conv of -2 + identity of -1'
    """
    if cell is None:
        return "unknown"
    if not cell.blocks:
        return "empty cell: pooling and a linear layer"
    parts = []
    for block in cell:
        sides = [
            f"{operator} of {value if value < 0 else f'block {value}'}"
            for value, operator in ((block.in1, block.op1), (block.in2, block.op2))
        ]
        parts.append(f"twice {sides[0]}" if sides[0] == sides[1] else " + ".join(sides))
    if len(parts) == 1:
        return parts[0]
    return "; ".join(f"{index}: {part}" for index, part in enumerate(parts))
