"""Progress of an episode while it runs, from the lines that it writes to step.jsonl."""

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.cli import output

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["follow", "step_line"]

_PERIOD = 0.1  # seconds between two looks at the file


@contextmanager
def follow(journal: Path, steps: int, *, quiet: bool = False) -> Iterator[None]:
    """Show the steps on stderr as they are recorded: a bar on a terminal, lines elsewhere.

    Args:
        journal: The run's `step.jsonl`, which need not be there yet.
        steps: How many steps there are at most.
        quiet: Show nothing unless stderr is a terminal.
    """
    if quiet and not sys.stderr.isatty():
        yield
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
    )
    screen = output.console(stderr=True)
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        watcher = _Watcher(journal, bar, bar.add_task("starting Prefect", total=steps))
        watcher.start()
        try:
            yield
        finally:
            watcher.stop()


def step_line(row: dict[str, Any]) -> str:
    """Return a step as one line."""
    from flows.cli.output import printable
    from results.words import rewarded

    head = f"step {row['step'] + 1}"
    if row.get("error"):
        return printable(f"{head}: failed: {row['error']}")
    state = f"{row['obs_ready']} of {row['target']} ready, {row['obs_pending']} pending"
    return f"{head}: {state} -> {row.get('action_type') or 'done'}, {rewarded(row['reward'])}"


class _Watcher(threading.Thread):
    """Reads new lines of a journal and shows them."""

    def __init__(self, journal: Path, bar: "Progress", task: "TaskID") -> None:
        super().__init__(name="progress", daemon=True)
        self._journal = journal
        # Steps that an earlier, interrupted command has played are no progress of this one.
        self._offset = journal.stat().st_size if journal.exists() else 0
        self._bar = bar
        self._task = task
        self._ended = threading.Event()

    def run(self) -> None:
        while not self._ended.wait(_PERIOD):
            self._look()
        self._look()

    def stop(self) -> None:
        """Show what is there, then end."""
        self._ended.set()
        self.join()

    def _look(self) -> None:
        if not self._journal.exists():
            return
        with self._journal.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):  # being written
                    return
                self._offset += len(line)
                self._show(json.loads(line))

    def _show(self, row: dict[str, Any]) -> None:
        text = step_line(row)
        self._bar.update(self._task, completed=row["step"] + 1, description=text)
        if not self._bar.console.is_terminal:
            print(text, file=sys.stderr, flush=True)
