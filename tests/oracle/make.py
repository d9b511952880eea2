"""Ask the real scheduler's plugins about generated cases, and keep their answers.

Run `python -m tests.oracle.make` (`make oracle`); it needs Go. The answers come from the Go
program `tests/cluster/controlplane/cmd/oracle`, which links kube-scheduler's own plugins.
"""

import json
import os
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from tests.cluster.build import HERE as CLUSTER
from tests.cluster.build import required_version
from tests.oracle.cases import Case, generate

VECTORS = Path(__file__).parent / "vectors.parquet"
_SEED = 1
# A focus in one page: its cases are alike, and compress to a twentieth only if they stand together.
_PAGE = 1 << 28


def build(folder: Path) -> Path:
    """Build the Go program into a folder, slowly beside other work."""
    made = folder / "oracle"
    subprocess.run(
        ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", str(made), "./cmd/oracle"],
        cwd=CLUSTER / "controlplane",
        env=os.environ | {"CGO_ENABLED": "0"},
        check=True,
    )
    return made


def ask(oracle: Path, cases: list[Case]) -> list[str]:
    """Return the program's answers to the cases, one line of JSON for each."""
    lines = "".join(f"{compact(case)}\n" for case in cases)
    asked = subprocess.run([oracle], input=lines, stdout=subprocess.PIPE, text=True, check=True)
    return asked.stdout.splitlines()


def compact(value: object) -> str:
    """JSON without blanks."""
    return json.dumps(value, separators=(",", ":"))


def write(path: Path, seed: int, rows: list[tuple[str, str, str]]) -> None:
    """Write cases and answers, a row group for each focus; the metadata say where from."""
    origin = {
        "kubernetes": required_version("controlplane", "k8s.io/kubernetes"),
        "command": f"python -m tests.oracle.make --seed {seed}",
        "columns": "focus: the plugin that a case is about; case: the nodes, pods and pod;"
        " answer: what each plugin of the default profile says (JSON)",
        "focuses": ",".join(focuses := list(dict.fromkeys(focus for focus, _, _ in rows))),
    }
    text = pa.string()
    fields = [pa.field(name, text) for name in ("focus", "case", "answer")]
    schema = pa.schema(fields, metadata=origin)
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=17,
        use_dictionary=["focus"],
        data_page_size=_PAGE,
    ) as writer:
        for focus in focuses:
            columns = zip(*(row for row in rows if row[0] == focus), strict=True)
            writer.write_table(pa.table([list(c) for c in columns], schema), len(rows))


def main(
    seed: Annotated[int, typer.Option(help="Another seed gives other cases.")] = _SEED,
    share: Annotated[float, typer.Option(help="Of how many cases there usually are.")] = 1.0,
    out: Annotated[Path, typer.Option(help="The file to write.")] = VECTORS,
) -> None:
    """Make the scheduler's test vectors anew."""
    started = time.monotonic()
    made = list(generate(seed, share))
    with tempfile.TemporaryDirectory() as folder:
        answers = ask(build(Path(folder)), [case for _, case in made])
    rows = [
        (focus, compact(case), answer)
        for (focus, case), answer in zip(made, answers, strict=True)
        if "error" not in json.loads(answer)
    ]
    write(out, seed, rows)
    refused = len(made) - len(rows)
    typer.echo(
        f"{out}: {len(rows)} cases, {out.stat().st_size / 1e6:.1f} MB, "
        f"{refused} refused by the API server's validation, {time.monotonic() - started:.0f} s"
    )
    for focus, count in Counter(focus for focus, _, _ in rows).items():
        typer.echo(f"  {focus}: {count}")


if __name__ == "__main__":
    typer.run(main)
