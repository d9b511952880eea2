"""The latest counts of the mutation check, module by module, and which sources they are of."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.oracle import vectors
from tests.oracle.mutants import source_of

__all__ = ["RESULT", "is_current", "keep", "kept"]

RESULT = Path(__file__).parent / "mutation.json"


def keep(module: str, counts: Mapping[str, int]) -> None:
    """Keep the counts of a module of which no mutant survived without a reason."""
    found = {**kept(), module: {**counts, "vectors": vectors.count(), "of": _digest(module)}}
    text = json.dumps(dict(sorted(found.items())), indent=2)
    RESULT.write_text(f"{text}\n", encoding="utf-8")


def kept() -> dict[str, dict[str, Any]]:
    """Return the counts by module."""
    if not RESULT.exists():
        return {}
    found: dict[str, dict[str, Any]] = json.loads(RESULT.read_text(encoding="utf-8"))
    return found


def is_current(module: str) -> bool:
    """Say whether a module's counts are those of its source as it is."""
    return module in (found := kept()) and found[module]["of"] == _digest(module)


def _digest(module: str) -> str:
    return hashlib.sha256(source_of(module).read_bytes()).hexdigest()[:16]
