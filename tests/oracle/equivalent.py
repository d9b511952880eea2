"""Mutants that change nothing that can be observed, each with the reason."""

__all__ = ["EQUIVALENT"]

EQUIVALENT: dict[str, str] = {}
