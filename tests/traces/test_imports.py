import subprocess
import sys

import traces

CHECK = """
import sys
import traces
heavy = {"kubernetes", "pandas", "yaml", "numpy", "numba", "prefect", "pyarrow", "pydantic"}
print(sorted(heavy & sys.modules.keys()))
traces.bump_cpu_small(traces.generate(1, 1)[0][1], "web")
print(sorted(heavy & sys.modules.keys()))
"""


def test_importing_loads_nothing_heavy() -> None:
    done = subprocess.run([sys.executable, "-c", CHECK], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "[]"]


def test_everything_exported_is_there_and_documented() -> None:
    for name in traces.__all__:
        assert getattr(traces, name).__doc__, name
