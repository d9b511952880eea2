"""Text in Markdown. What others wrote is data: it is shown as it is, never as markup."""

import re
from collections.abc import Iterable, Sequence

__all__ = ["Marked", "escape", "fenced", "table"]


class Marked(str):
    """Text that is Markdown already, such as a link of ours."""

    __slots__ = ()


def escape(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    line = " ".join(text.split())
    line = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    line = re.sub(r"([\\`*_{}\[\]()#+\-.!|~=:@])", r"\\\1", line)
    return line.replace("\\:", "&#58;").replace("\\@", "&#64;")


def fenced(text: str, language: str = "") -> str:
    """Return text as a code block that it cannot end itself."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[bool] = ()
) -> str:
    """Return a table.

    Args:
        columns: their names, as text
        rows: their cells, as text; one that is `Marked` stays as it is
        numbers: for each column whether it stands on the right; all on the left if not given
    """
    right = numbers or [False] * len(columns)
    lines = [[escape(name) for name in columns], ["---:" if one else "---" for one in right]]
    lines += [
        [value if isinstance(value, Marked) else escape(value) for value in row] for row in rows
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
