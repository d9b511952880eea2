"""What is printed for people."""

import pytest

from flows.cli import output


def test_a_warning_is_a_line_whatever_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    output.warn(["first\nsim-arena: done", "\x1b[2Jsecond"])
    assert capsys.readouterr().err.splitlines() == [
        "sim-arena: warning: first sim-arena: done",
        "sim-arena: warning: \\x1b[2Jsecond",
    ]
