"""The Python of docs/scale.md is run as it stands, on a sweep."""

import os
import re
import subprocess
import sys
from pathlib import Path

from sim_arena.sweeps import SweepSpec, create, go_on

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(
    r"```python\n(.*?)```", (ROOT / "docs" / "scale.md").read_text("utf-8"), re.DOTALL
)


def test_other_programs_read_a_sweep_as_the_documentation_says(tmp_path: Path) -> None:
    assert len(BLOCKS) == 3
    asked = SweepSpec(traces=str(ROOT / "traces" / "demo" / "00*"), policies=("heuristic", "noop"))
    go_on(*create(asked, tmp_path / "runs"))
    printed = []
    for block in BLOCKS:
        done = subprocess.run(
            [sys.executable, "-c", block],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"
        printed.append(done.stdout)
    for text in printed[1:]:
        assert "heuristic" in text
        assert "noop" in text
