"""The table of operators (Sec. 4.1 and appendix B of the thesis).

An operator is a string, such as ``"3x3 conv"``. A family of operators is one entry of the table
below: a pattern of names, the function that builds the PyTorch module, and the function that
counts its parameters and multiply-accumulates. Adding an entry, with :func:`register_operator`,
is all that a new operator needs: search space, networks, costs and predictors read this table.

The builders are named, not imported: this package loads without PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
import re
from typing import Any


_BUILDERS = "optuna_popnas.networks.operations"
_COSTS = "optuna_popnas.networks.cost"

#: A builder or cost function, or where to find it: ``"module:function"``.
Reference = Callable[..., Any] | str


@dataclass(frozen=True, slots=True)
class OperatorFamily:
    """One entry of the operator table.

    Args:
        name: The name of the family, used in error messages and drawings.
        pattern: A regular expression that matches whole operator names. Its groups must be
            kernel sizes, written in decimal.
        build: ``build(kernel, in_channels, out_channels, stride) -> torch.nn.Module``, where
            ``kernel`` is the tuple of the groups. The module maps
            ``(N, in_channels, H, W)`` to ``(N, out_channels, ceil(H/stride), ceil(W/stride))``.
        cost: ``cost(kernel, in_channels, out_channels, stride, height, width) ->
            (parameters, macs)`` for one image whose *input* is ``height x width``. ``None``: the
            module is built without memory and measured.
        example: A valid name, shown in error messages.
    """

    name: str
    pattern: str
    build: Reference
    cost: Reference | None = None
    example: str = ""


_KERNEL = r"([0-9]+)x([0-9]+)"


def _builtin(name: str, suffix: str, function: str, *, twice: bool = False) -> OperatorFamily:
    kernel = f"{_KERNEL}-{_KERNEL}" if twice else _KERNEL
    return OperatorFamily(
        name=name,
        pattern=f"{kernel} {suffix}",
        build=f"{_BUILDERS}:{function}",
        cost=f"{_COSTS}:{function}",
        example=f"1x7-7x1 {suffix}" if twice else f"3x3 {suffix}",
    )


# The order of the families is the natural order of operators, that of the thesis' list.
_FAMILIES: list[OperatorFamily] = [
    OperatorFamily(
        "identity", "identity", f"{_BUILDERS}:identity", f"{_COSTS}:identity", "identity"
    ),
    _builtin("dconv", "dconv", "depthwise_separable"),
    _builtin("spatial conv", "conv", "spatially_separable", twice=True),
    _builtin("conv", "conv", "convolution"),
    _builtin("maxpool", "maxpool", "max_pooling"),
    _builtin("avgpool", "avgpool", "average_pooling"),
    _builtin("tconv", "tconv", "transposed"),
    _builtin("dilated conv", "dilated conv", "dilated"),
]

#: The twelve operators of the thesis' experiments (Sec. 4.1).
PAPER_OPERATORS: tuple[str, ...] = (
    "identity",
    "3x3 dconv",
    "5x5 dconv",
    "7x7 dconv",
    "1x3-3x1 conv",
    "1x5-5x1 conv",
    "1x7-7x1 conv",
    "1x1 conv",
    "3x3 conv",
    "5x5 conv",
    "2x2 maxpool",
    "2x2 avgpool",
)


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator name, read.

    Attributes:
        name: The name, such as ``"1x7-7x1 conv"``.
        family: Its entry in the table.
        kernel: Kernel sizes, such as ``(1, 7, 7, 1)``; empty where the family has none.
        rank: Place in the natural order of operators: by family, then kernel, then name.
    """

    name: str
    family: OperatorFamily
    kernel: tuple[int, ...]
    rank: tuple[int, tuple[int, ...], str]

    def build(self, in_channels: int, out_channels: int, stride: int) -> Any:
        """Return the PyTorch module, see :class:`OperatorFamily`."""
        return _resolve(self.family.build)(self.kernel, in_channels, out_channels, stride)

    @property
    def cost_function(self) -> Callable[..., Any] | None:
        """The family's cost function, or None, see :class:`OperatorFamily`."""
        return None if self.family.cost is None else _resolve(self.family.cost)


@cache
def parse_operator(name: str) -> Operator:
    """Read an operator name.

    Raises:
        ValueError: No family of the table has such a name, or a kernel size is 0 or too large.
    """
    if not isinstance(name, str):
        raise ValueError(f"An operator must be a string, but got {name!r}.")
    for index, family in enumerate(_FAMILIES):
        match = re.fullmatch(family.pattern, name)
        if match is None:
            continue
        kernel = tuple(int(group) for group in match.groups())
        if any(not 1 <= size <= 99 for size in kernel):
            raise ValueError(
                f"Kernel sizes must be between 1 and 99, but got operator {name!r}. "
                f"Write it like {family.example!r}."
            )
        return Operator(name, family, kernel, (index, kernel, name))
    known = ", ".join(repr(family.example) for family in _FAMILIES)
    raise ValueError(
        f"An operator must be one that is registered, but got {name!r}. "
        f"Use a name like {known} (any kernel size), or add your own with `register_operator`."
    )


def register_operator(
    pattern: str,
    build: Reference,
    *,
    cost: Reference | None = None,
    name: str | None = None,
    example: str | None = None,
) -> None:
    """Add a family of operators to the table, in this process.

    Worker processes and later sessions must register it, too, before they open the study.

    Args:
        pattern: A regular expression of whole operator names; its groups, if any, must be
            kernel sizes.
        build: See :class:`OperatorFamily`.
        cost: See :class:`OperatorFamily`. Left out, costs are measured on the module.
        name: The name of the family; the pattern, if left out.
        example: A valid operator name; the pattern, if left out.

    Raises:
        ValueError: The pattern is no regular expression, or the family is there already.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(
            f"`pattern` must be a regular expression, but got {pattern!r} ({error})."
        ) from None
    if any(family.pattern == pattern for family in _FAMILIES):
        raise ValueError(
            f"`pattern` must be new to the table, but {pattern!r} is registered. "
            "Call `unregister_operator` first to replace it."
        )
    _FAMILIES.append(
        OperatorFamily(name or pattern, pattern, build, cost, example=example or pattern)
    )
    parse_operator.cache_clear()


def unregister_operator(pattern: str) -> None:
    """Take a family that :func:`register_operator` added out of the table again.

    Raises:
        ValueError: No family has this pattern.
    """
    for family in _FAMILIES:
        if family.pattern == pattern:
            _FAMILIES.remove(family)
            parse_operator.cache_clear()
            return
    raise ValueError(f"`pattern` must be that of a registered family, but got {pattern!r}.")


def _resolve(reference: Reference) -> Callable[..., Any]:
    if not isinstance(reference, str):
        return reference
    module, _, function = reference.partition(":")
    return getattr(import_module(module), function)
