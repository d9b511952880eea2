"""What the vectors ask and the engine does not model yet: the one place where that stands.

A plugin that the engine lacks stops only the cases in which the real one does something. These
are counted by reason, in the test's output and in docs/fidelity.md.
"""

from typing import Any

__all__ = ["UNMODELLED", "unmodelled"]

UNMODELLED: dict[str, str] = {
    "DynamicResources": "resource claims are not modelled; the program's warnings name them",
}


def unmodelled(answer: dict[str, Any]) -> str | None:
    """Return the plugin of `UNMODELLED` that has something to say about a case, or None."""
    for name in UNMODELLED:
        said = answer["prefilter"].get(name, {}).get("code", "Skip")
        if said not in ("Skip", "Success") or name in answer["filters"]:
            return name
        if any(answer.get("scores", {}).get(name, {}).get("normalised", ())):
            return name
    return None
