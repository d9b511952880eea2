"""Find a policy by its name, an entry point, or `module:attribute`."""

import importlib
import sys
from collections.abc import Callable
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from sim_arena.errors import PolicyError
from sim_arena.policies import base, fixed
from sim_arena.policies.base import Policy
from sim_arena.policies.heuristic import heuristic
from sim_arena.policies.random_policy import RandomPolicy

__all__ = ["ENTRY_POINTS", "REGISTRY", "available", "describe", "load"]

ENTRY_POINTS = "sim_arena.policies"
"""The entry point group in which an installed package offers policies."""

REGISTRY: dict[str, Callable[..., object]] = {
    "noop": fixed.noop,
    "heuristic": heuristic,
    "random": RandomPolicy,
    "bump_cpu": fixed.bump_cpu,
    "bump_mem": fixed.bump_mem,
    "scale_replicas": fixed.scale_replicas,
}
"""The policies that come with the arena: functions `policy(obs, deploy)`, or classes."""


def load(spec: str, *, allow_import: bool = False, seed: int = 0) -> Policy:
    """Return a policy that is ready to play.

    Args:
        spec: a name of `REGISTRY`, the name of an entry point of an installed package, or
            `module:attribute`, looked for in the working directory too
        allow_import: whether `module:attribute` may import code. A name that came over a
            network must not, so it is off unless a caller who is at the keyboard asks for it
        seed: for the policy's `reset`, if it has one

    Raises:
        PolicyError: no such policy, or it could not be imported, or importing is not allowed
    """
    policy = base.adapt(_find(spec, allow_import=allow_import), spec)
    base.reset(policy, seed)
    return policy


def available() -> dict[str, str]:
    """Return the names that `load` knows, each with one line that describes it.

    Entry points of installed packages are named and not imported.
    """
    listed = {name: describe(policy) for name, policy in REGISTRY.items()}
    for name, entry in _entries().items():
        listed.setdefault(name, f"from {entry.value}")
    return listed


def describe(policy: object) -> str:
    """Return the first line of a policy's docstring."""
    return (getattr(policy, "__doc__", None) or "").strip().partition("\n")[0]


def _find(spec: str, *, allow_import: bool) -> object:
    if spec in REGISTRY:
        return REGISTRY[spec]
    if ":" in spec:
        return _import(spec, allow_import=allow_import)
    entry = _entries().get(spec)
    if entry is None:
        raise PolicyError(_unknown(spec))
    try:
        return entry.load()
    except (Exception, SystemExit) as error:
        raise PolicyError(
            f"policy {spec!r}: its entry point {entry.value!r} could not be loaded: "
            f"{type(error).__name__}: {error}"
        ) from error


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def _unknown(spec: str) -> str:
    names = sorted(available())
    close = get_close_matches(spec, names, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"expected a policy, one of {', '.join(names)} or module:attribute, found {spec!r}{hint}"


def _import(spec: str, *, allow_import: bool) -> object:
    if not allow_import:
        raise PolicyError(
            f"policy {spec!r} names Python code, and importing code is not allowed here: name "
            f"one of {', '.join(sorted(available()))}, or use allow_import=True (the local "
            f"command line does), or offer the policy as an entry point of {ENTRY_POINTS!r}"
        )
    module_name, _, attribute = spec.partition(":")
    try:
        target: object = _module(module_name)
        for part in attribute.split("."):
            target = getattr(target, part)
    except (Exception, SystemExit) as error:
        raise PolicyError(
            f"policy {spec!r}: expected module:attribute, found {type(error).__name__}: {error}"
        ) from error
    return target


def _module(name: str) -> object:
    """Import a module, also from the working directory, where people keep their policies."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    return importlib.import_module(name)
