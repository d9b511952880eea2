"""`make demo` plays an episode exactly as the manifest of the demo traces describes it."""

import re
from pathlib import Path

from traces import load_manifest

ROOT = Path(__file__).parents[2]


def test_the_demo_is_what_the_manifest_says() -> None:
    text = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    found = re.search(r"^DEMO := (.*)$", text, flags=re.MULTILINE)
    assert found is not None
    words = found[1].split()
    options = dict(zip(words[::2], words[1::2], strict=True))
    trace = Path(options["--trace"])
    entry = next(one for one in load_manifest(ROOT / trace.parent) if one.file == trace.name)
    assert options == {
        "--trace": f"traces/demo/{entry.file}",
        "--ns": entry.namespace,
        "--deploy": entry.name,
        "--target": str(entry.target),
        "--duration": str(entry.duration),
        "--nodes": entry.nodes,
    }
