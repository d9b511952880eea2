"""A sweep as a picture: how many of each policy's episodes succeeded, as bars.

It is an SVG in an address that holds it, so that a page in Markdown shows it without a file.
"""

from base64 import b64encode
from collections.abc import Mapping
from html import escape
from typing import Any

__all__ = ["picture"]

_WIDTH, _BAR, _GAP = 640, 22, 12  # pixels
_NAMES, _WORDS = 150, 170  # pixels to the left and to the right of the bars
_MOST = 20  # bars


def picture(groups: Mapping[str, Any]) -> str | None:
    """Return the figures of some groups of episodes as the address of a picture.

    Args:
        groups: figures by name, as a summary's `by_policy` has them

    Returns:
        a `data:` address, or None where nothing was played
    """
    shown = [(name, group) for name, group in groups.items() if group["success_rate"] is not None][
        :_MOST
    ]
    if not shown:
        return None
    bars = "".join(_bar(row, name, group) for row, (name, group) in enumerate(shown))
    height = len(shown) * (_BAR + _GAP) + _GAP
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        'font-family="sans-serif" font-size="13">'
        # A ground of its own: the page may be dark.
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>{bars}</svg>'
    )
    return "data:image/svg+xml;base64," + b64encode(svg.encode()).decode()


def _bar(row: int, name: str, group: Mapping[str, Any]) -> str:
    """Return one bar: the name, the share in colour on the whole in grey, and the numbers."""
    whole = _WIDTH - _NAMES - _WORDS
    top = _GAP + row * (_BAR + _GAP)
    text = top + _BAR * 0.7
    short = name if len(name) <= 20 else f"{name[:19]}\u2026"
    assessed = group["episodes"] - group.get("unassessable", 0)
    words = f"{group['success_rate']:.1%} of {assessed:,}"
    return (
        f'<text x="{_NAMES - 8}" y="{text:.0f}" text-anchor="end" fill="#1f2933">'
        f"{escape(short)}</text>"
        f'<rect x="{_NAMES}" y="{top}" width="{whole}" height="{_BAR}" fill="#e4e7eb"/>'
        f'<rect x="{_NAMES}" y="{top}" width="{whole * group["success_rate"]:.1f}" '
        f'height="{_BAR}" fill="#0f766e"/>'
        f'<text x="{_WIDTH - _WORDS + 8}" y="{text:.0f}" fill="#1f2933">{escape(words)}</text>'
    )
