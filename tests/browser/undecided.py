"""A policy that fails, with a message that must not become markup."""

from typing import Any, Never


def policy(obs: dict[str, Any], deploy: str) -> Never:  # noqa: ARG001 # a policy's arguments
    """Decide nothing."""
    raise RuntimeError("<b>no</b> idea")
