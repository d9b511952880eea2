"""The README's Python is run as it stands, in a folder of its own, block after block."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)

pytestmark = pytest.mark.xdist_group("prefect")


@pytest.mark.usefixtures("prefect_server")
def test_the_readme_runs(tmp_path: Path) -> None:
    assert len(BLOCKS) == 6
    (tmp_path / "traces").symlink_to(ROOT / "traces")
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
