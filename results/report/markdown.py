"""A report as Markdown, for a pull request: the same sections and tables, without the pictures."""

from results.markdown import escape, fenced, table
from results.report.document import Cell, Chart, Code, Document, Head, Section, Table

__all__ = ["markdown"]

_MOST_ROWS = 30


def markdown(document: Document) -> str:
    """Return a report as Markdown. Charts are left out; what only repeats them is, too."""
    facts = table(["", ""], document.facts)
    parts = [f"# {escape(document.title)}", escape(document.headline), facts]
    for section in document.sections:
        parts += _section(section)
    parts += ["## How to read this", *(escape(line) for line in document.notes)]
    return "\n\n".join(parts) + "\n"


def _section(section: Section) -> list[str]:
    blocks = [block for block in section.blocks if not isinstance(block, Chart)]
    if section.blocks and not blocks:
        return []
    parts = [f"## {escape(section.title)}", *(escape(line) for line in section.lines)]
    for block in blocks:
        if isinstance(block, Code):
            parts.append(fenced(block.text, block.language))
        elif block.folded:
            inside = _table(block)
            summary = escape(block.caption)
            parts.append(f"<details><summary>{summary}</summary>\n\n{inside}\n\n</details>")
        else:
            parts += [f"**{escape(block.caption)}**", _table(block)]
    return parts


def _table(block: Table) -> str:
    rows = [[_cell(cell) for cell in row] for row in block.rows[:_MOST_ROWS]]
    numbers = [one.number for one in block.columns]
    shown = table([_head(one) for one in block.columns], rows, numbers)
    more = len(block.rows) - len(rows)
    return f"{shown}\n\n{more:,} more rows are in the HTML report." if more > 0 else shown


def _head(one: Head) -> str:
    return f"{one.name}, {one.unit}" if one.unit else one.name


def _cell(cell: Cell) -> str:
    return f"{cell.text} ({cell.note})" if cell.note else cell.text
