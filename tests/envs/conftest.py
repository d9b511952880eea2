from pathlib import Path

import pytest

from traces.generator import write_demo


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a few traces, one of each family."""
    out = tmp_path_factory.mktemp("traces")
    write_demo(out, seed=5, count=11)
    return out
