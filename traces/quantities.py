"""Kubernetes quantities, such as `500m` or `256Mi`, as whole numbers and back.

CPU is counted in milli-CPU, memory in bytes, anything else in units; fractions round up, as
the scheduler does. Kubernetes' grammar is checked here first, because the client's parser
alone takes `NaN`, `1mi` and `1_000`; the conversion itself is the client's.

Source: Kubernetes `staging/src/k8s.io/apimachinery/pkg/api/resource/quantity.go`.
"""

import importlib.util
import re
from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal, localcontext
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, cast

from traces.errors import QuantityError, describe

__all__ = [
    "LARGEST",
    "Resource",
    "format_cpu",
    "format_memory",
    "format_resource",
    "parse_count",
    "parse_cpu",
    "parse_memory",
    "parse_resource",
]

Resource = Literal["cpu", "memory"]

LARGEST = 1 << 53
"""No quantity may be larger: sums over all pods of a cluster must stay within 64 bits."""

_GRAMMAR = re.compile(
    r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?:[KMGTPE]i|[numkMGTPE]|[eE](?P<exponent>[+-]?[0-9]+))?"
)
_LONGEST = 64
_BINARY = ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki")


def parse_cpu(quantity: str | float) -> int:
    """Return CPU in milli-CPU, rounded up: `parse_cpu("500m") == 500`.

    Raises:
        QuantityError: The text is no quantity, is negative, or is too large.
    """
    return _parse(quantity, 1000)


def parse_memory(quantity: str | float) -> int:
    """Return memory in bytes, rounded up: `parse_memory("256Mi") == 2**28`.

    Raises:
        QuantityError: The text is no quantity, is negative, or is too large.
    """
    return _parse(quantity, 1)


def parse_count(quantity: str | float) -> int:
    """Return a number of units, such as pods or GPUs, rounded up.

    Raises:
        QuantityError: The text is no quantity, is negative, or is too large.
    """
    return _parse(quantity, 1)


def format_cpu(milli: int) -> str:
    """Return milli-CPU in Kubernetes' canonical notation: `500m`, `2`."""
    return str(milli // 1000) if milli % 1000 == 0 else f"{milli}m"


def format_memory(size: int) -> str:
    """Return bytes in the largest binary unit that divides them: `256Mi`, `1000`."""
    for power, suffix in zip(range(6, 0, -1), _BINARY, strict=True):
        if size and size % 1024**power == 0:
            return f"{size // 1024**power}{suffix}"
    return str(size)


def parse_resource(resource: Resource, quantity: str | float) -> int:
    """Return a quantity of `cpu` in milli-CPU or of `memory` in bytes."""
    return parse_cpu(quantity) if resource == "cpu" else parse_memory(quantity)


def format_resource(resource: Resource, amount: int) -> str:
    """Return milli-CPU or bytes in Kubernetes' notation."""
    return format_cpu(amount) if resource == "cpu" else format_memory(amount)


def _parse(quantity: str | float, scale: int) -> int:
    if isinstance(quantity, bool) or not isinstance(quantity, str | int | float):
        raise QuantityError(f'expected a quantity such as "500m", found {describe(quantity)}')
    return _parse_text(quantity if isinstance(quantity, str) else repr(quantity), scale)


@lru_cache(maxsize=4096)
def _parse_text(text: str, scale: int) -> int:
    match = _GRAMMAR.fullmatch(text) if len(text) <= _LONGEST else None
    # Two digits of exponent are enough for any real quantity, and keep the numbers small.
    if match is None or len((match["exponent"] or "").lstrip("+-").lstrip("0")) > 2:
        raise QuantityError(
            f'expected a Kubernetes quantity such as "500m" or "256Mi", found {describe(text)}'
        )
    # Enough digits that nothing is rounded before the last step, which rounds up.
    with localcontext(prec=400):
        value = _client_parser()(text) * scale
        if value < 0:
            raise QuantityError(f"expected a quantity of at least 0, found {describe(text)}")
        if value > LARGEST:
            raise QuantityError(f"expected a quantity of at most 8Pi, found {describe(text)}")
        return int(value.to_integral_value(ROUND_CEILING))


@cache
def _client_parser() -> Callable[[str], Decimal]:
    """Return `kubernetes.utils.quantity.parse_quantity`, without the client around it.

    Importing it the usual way loads every API model first, which takes most of a second.
    """
    package = importlib.util.find_spec("kubernetes")
    folders = (package.submodule_search_locations if package else None) or []
    for folder in folders:
        spec = importlib.util.spec_from_file_location(
            "_kubernetes_quantity", Path(folder, "utils", "quantity.py")
        )
        if spec and spec.loader and Path(folder, "utils", "quantity.py").is_file():
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return cast("Callable[[str], Decimal]", module.parse_quantity)
    from kubernetes.utils.quantity import parse_quantity  # noqa: PLC0415 - slow, rarely needed

    return cast("Callable[[str], Decimal]", parse_quantity)
