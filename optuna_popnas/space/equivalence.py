"""Cell equivalence (Sec. 4.1.2) for whole arrays of cells.

Two encodings are the same cell if their graphs are isomorphic: blocks permuted, branches
swapped. Each class has one canonical encoding, the lexicographically smallest one, and one
64-bit key, a hash of it. Both are computed for all cells at once.

Encodings are integer arrays ``(n, b, 4)`` of ``(in1, op1, in2, op2)``, operators as indices.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


Codes = npt.NDArray[np.int64]

_CHUNK, _DEEP_CHUNK = 1 << 16, 1 << 12  # deep cells have more ties to follow
_DEEP = 8
_MOST_TIES = 8  # rows of a cell, from which those that differ by a symmetry are told


def canonicalize(
    encoding: npt.NDArray[np.int8], *, operators: int, lookbacks: int
) -> npt.NDArray[np.int8]:
    """Return the canonical encoding of each cell.

    Blocks are chosen one after the other: of those whose inputs are placed, the one with the
    smallest code. Where several blocks tie, all choices are followed, and the smallest result
    wins, so that the outcome is exact: two cells get the same rows if and only if their graphs
    are isomorphic. Of a cell with many ties, choices that colour refinement (the test of
    Weisfeiler and Leman, 1968) cannot tell apart are followed once, as their number grows as a
    factorial does. The smallest graphs that mislead it have 12 blocks.

    Args:
        encoding: ``(n, b, 4)`` integers, every cell with exactly ``b`` blocks.
        operators: Number of operators.
        lookbacks: Number of lookbacks.

    Returns:
        ``(n, b, 4)`` integers, a new array.
    """
    n, b, _ = encoding.shape
    if b == 0 or n == 0:
        return np.array(encoding)
    out: npt.NDArray[np.int8] = np.empty(encoding.shape, dtype=np.int8)
    chunk = _CHUNK if b <= _DEEP else _DEEP_CHUNK
    for start in range(0, n, chunk):
        part = encoding[start : start + chunk]
        out[start : start + chunk] = _canonical_chunk(part, operators, lookbacks)
    return out


def _canonical_chunk(
    encoding: npt.NDArray[np.int8], operators: int, lookbacks: int
) -> npt.NDArray[np.int8]:
    n, b, _ = encoding.shape
    inputs = encoding[:, :, 0::2].astype(np.int32)  # (n, b, 2)
    ops = encoding[:, :, 1::2].astype(np.int32)
    base = np.int64((lookbacks + b) * operators)
    taken = base * base  # larger than every code: a block that cannot be placed now

    origin = np.arange(n)  # the cell that a row stands for; ties add rows
    # Where each input has been placed; lookbacks are placed from the start, blocks nowhere yet.
    place = np.full((n, lookbacks + b), b, dtype=np.int64)
    place[:, :lookbacks] = np.arange(-lookbacks, 0)
    used = np.zeros((n, b), dtype=bool)
    referenced = _referenced(inputs, b)
    result = np.empty((n, b), dtype=np.int64)

    for step in range(b):
        source = np.take_along_axis(place, (inputs + lookbacks).reshape(len(origin), -1), 1)
        source = source.reshape(inputs.shape)
        branch = (source + lookbacks) * operators + ops
        low, high = branch.min(axis=2), branch.max(axis=2)
        code = low * base + high  # (rows, b)
        code[used | (source.max(axis=2) >= step)] = taken
        best = code.min(axis=1)
        if len(origin) > n:  # of a cell's rows, equal so far, those that are behind now have lost
            least = np.full(n, taken)
            np.minimum.at(least, origin, best)
            rows = np.flatnonzero(best == least[origin])
            state = origin, place, used, inputs, ops, result, referenced
            origin, place, used, inputs, ops, result, referenced = _rows(rows, *state)
            code, best = code[rows], best[rows]
        tied = code == best[:, None]
        if step < b - 1:
            # Twins that nobody reads are interchangeable: the first one stands for all.
            open_tie = (tied.sum(axis=1) > 1) & (tied & referenced).any(axis=1)
        else:
            open_tie = np.zeros(len(origin), dtype=bool)
        rows = np.arange(len(origin))
        choice = tied.argmax(axis=1)
        if open_tie.any():
            more_rows, more_choice = np.nonzero(tied & open_tie[:, None])
            rows = np.concatenate([rows[~open_tie], more_rows])
            choice = np.concatenate([choice[~open_tie], more_choice])
            state = origin, place, used, inputs, ops, result, referenced
            origin, place, used, inputs, ops, result, referenced = _rows(rows, *state)
            best = best[rows]
        at = np.arange(len(origin))
        place[at, lookbacks + choice] = step
        used[at, choice] = True
        result[:, step] = best
        crowded = np.bincount(origin, minlength=n)[origin] > _MOST_TIES
        if crowded.any():
            rows = np.flatnonzero(crowded)
            keys = _colours(inputs[rows], ops[rows], place[rows], lookbacks)
            pairs = np.stack([origin[rows].astype(np.uint64), keys])
            first = np.unique(pairs, axis=1, return_index=True)[1]
            rows = np.concatenate([np.flatnonzero(~crowded), rows[first]])
            state = origin, place, used, inputs, ops, result, referenced
            origin, place, used, inputs, ops, result, referenced = _rows(rows, *state)

    if len(origin) > n:  # all rows of a cell are equal
        result = result[np.unique(origin, return_index=True)[1]]
    else:
        result = result[np.argsort(origin)]
    low, high = result // base, result % base
    canonical = np.empty_like(encoding)
    canonical[:, :, 0] = low // operators - lookbacks
    canonical[:, :, 1] = low % operators
    canonical[:, :, 2] = high // operators - lookbacks
    canonical[:, :, 3] = high % operators
    return canonical


def _rows(rows: npt.NDArray[np.intp], *arrays: Any) -> Any:
    return tuple(array[rows] for array in arrays)


def _colours(
    inputs: npt.NDArray[np.int32],
    ops: npt.NDArray[np.int32],
    place: npt.NDArray[np.int64],
    lookbacks: int,
) -> npt.NDArray[np.uint64]:
    """Return a number per row, equal for graphs that colour refinement cannot tell apart.

    Nodes that have been placed differ by their places; the others by what they read, and by who
    reads them.
    """
    rows, b, _ = inputs.shape
    at = (np.arange(rows)[:, None, None], inputs + lookbacks)
    by_op = _mix(ops.astype(np.uint64))
    colours = _mix(place.astype(np.uint64))
    for _ in range(b):
        read = _mix(colours[at] ^ by_op).sum(axis=2)
        told = np.zeros_like(colours)
        np.add.at(told, at, _mix(colours[:, lookbacks:, None] + by_op))
        told[:, lookbacks:] += read
        colours = _mix(colours ^ _mix(told))
    return _mix(colours).sum(axis=1)


def add_blocks(
    encoding: npt.NDArray[np.int8],
    blocks: npt.NDArray[np.int8],
    pairs: npt.NDArray[np.intp],
    *,
    operators: int,
    lookbacks: int,
) -> npt.NDArray[np.int8]:
    """Return the canonical encodings of cells that have one block more.

    A canonical cell keeps the order of its blocks when a block is added that nobody reads yet:
    positions only shift, so the new block goes before the first one with a larger code, once its
    inputs are placed. Only where a cell has twins (blocks with equal codes) can the new block
    make a difference between them: those cells are ordered from scratch.

    Args:
        encoding: ``(n, b, 4)`` canonical encodings.
        blocks: ``(m, 4)`` new blocks, the smaller branch first.
        pairs: ``(k,)`` which cell gets which block: ``cell * m + block``.
        operators: Number of operators.
        lookbacks: Number of lookbacks.

    Returns:
        ``(k, b + 1, 4)`` integers.
    """
    n, b, _ = encoding.shape
    m = len(blocks)
    code, new = _codes(encoding, operators, lookbacks), _codes(blocks, operators, lookbacks)
    ready = np.maximum(blocks[:, 2], -1) + 1  # the first position after its inputs
    place = np.full((n, m), b, dtype=np.int8)
    for step in range(b - 1, -1, -1):
        place[(new < code[:, step, None]) & (ready <= step)] = step
    parent, block = np.divmod(pairs, m)
    at = place.reshape(-1)[pairs].astype(np.intp)

    # Each cell with a gap at each position: what is behind the gap, and reads behind it, shifts.
    gap = np.arange(b + 1)
    source = gap - (gap > gap[:, None])  # (gap, position)
    apart = np.zeros((n, b + 1, b + 1, 4), dtype=np.int8)
    if b:
        apart[:] = encoding[:, np.minimum(source, b - 1)]
    apart[:, :, :, 0::2] += apart[:, :, :, 0::2] >= gap[:, None, None]

    words = apart.view(np.uint32).reshape(n * (b + 1), b + 1)
    children = np.take(words, parent * (b + 1) + at, axis=0)
    children[np.arange(len(at)), at] = np.ascontiguousarray(blocks).view(np.uint32)[block, 0]
    out = children.view(np.int8).reshape(len(at), b + 1, 4)
    ordered = np.sort(code, axis=1)
    twins = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1)
    if twins.any():
        rows = np.flatnonzero(twins[parent])
        out[rows] = canonicalize(out[rows], operators=operators, lookbacks=lookbacks)
    return out


def _codes(encoding: npt.NDArray[np.int8], operators: int, lookbacks: int) -> Codes:
    """Return one number per block, ordered as its inputs and operators are."""
    in1, op1, in2, op2 = np.moveaxis(encoding.astype(np.int64), -1, 0)
    # int8 bounds every input
    base = np.int64((lookbacks + 128) * operators)
    return ((in1 + lookbacks) * operators + op1) * base + (in2 + lookbacks) * operators + op2


def _referenced(inputs: npt.NDArray[np.int32], b: int) -> npt.NDArray[np.bool_]:
    return np.stack([(inputs == j).any(axis=(1, 2)) for j in range(b)], axis=1)


def hash_encoding(encoding: npt.NDArray[np.int8]) -> npt.NDArray[np.uint64]:
    """Return a 64-bit hash of each row of canonical encodings, equal on every machine.

    Two of a million different cells collide with probability 3e-8.

    Args:
        encoding: ``(n, b, 4)`` integers.
    """
    n, b, _ = encoding.shape
    key = _mix(np.full(n, b, dtype=np.uint64))
    words = np.ascontiguousarray(encoding).view(np.uint32).reshape(n, b)
    for step in range(b):
        key = _mix(key ^ words[:, step].astype(np.uint64))
    return key


def _mix(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    # The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: npt.NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return mixed
