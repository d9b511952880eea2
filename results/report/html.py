"""A report as one HTML page that needs nothing else: no network, no script.

The page is made by Jinja with escaping on: whatever a trace says is text in it. The pictures are
the tables' own cells, with bars that CSS draws, and outlines in SVG that are stretched to the
page while their labels stay text; so they follow the page's colours, in the dark and in print,
wrap with it in a narrow window, and need no library for drawing.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from results.report.document import Bar, Chart, Code, Document, Table

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["page"]

_HERE = Path(__file__).parent
_BIDI = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F])


def page(document: Document) -> str:
    """Return a report as HTML."""
    style = (_HERE / "style.css").read_text("utf-8")
    return _template().render(document=document, style=style)


@cache
def _template() -> "Template":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415 # heavy: only a report needs it

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"plain": _plain, "lengths": _lengths}
    environment.tests |= {
        "table": lambda block: isinstance(block, Table),
        "chart": lambda block: isinstance(block, Chart),
        "code": lambda block: isinstance(block, Code),
    }
    return environment.get_template("page.html.j2")


def _plain(text: str) -> str:
    """Return text without what would steer its display: control characters are written out."""
    shown = text.translate(_BIDI)
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in shown)


def _lengths(bar: Bar) -> str:
    """Return a bar's lengths as CSS variables."""
    parts = {"value": bar.value, "whole": bar.whole, "low": bar.low, "high": bar.high}
    return ";".join(f"--{name}:{part:.4f}" for name, part in parts.items() if part is not None)
