"""Scenarios that disagree for a reason that is known; whoever removes the reason empties this."""

KNOWN: dict[tuple[int, int], str] = {}
"""By version and seed."""
