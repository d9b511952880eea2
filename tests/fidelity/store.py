"""Recordings and comparisons in Parquet files: one small file a scenario, or all in one.

A scenario's file appears whole or not at all, so a run that was killed goes on where it stopped.
"""

import dataclasses
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sim_arena.fidelity import Counts
from sim_arena.nodes import Node, Taint
from tests.fidelity.recording import Application, Moment, Recording
from tests.fidelity.scenarios import Scenario
from tests.fidelity.watching import LogRow
from traces import dumps, loads

Row = dict[str, Any]
# Where a speed lets the first two events coincide, some recordings begin with a moment before
# any event, which has no times.
_DAY_NS = 86_400 * 1_000_000_000

_WORKLOAD = pa.struct(
    [
        ("kind", pa.string()),
        ("namespace", pa.string()),
        ("name", pa.string()),
        ("ready", pa.int32()),
        ("pending", pa.int32()),
        ("total", pa.int32()),
        ("reasons", pa.map_(pa.string(), pa.int32())),
    ]
)
_PLACEMENT = pa.struct([("workload", pa.string()), ("node", pa.string())])
_MOMENT = pa.struct(
    [
        ("due_s", pa.int32()),
        ("applied_ns", pa.int64()),
        ("seen_ns", pa.int64()),
        ("workloads", pa.list_(_WORKLOAD)),
        ("placements", pa.list_(_PLACEMENT)),
    ]
)
_APPLICATION = pa.struct(
    [
        ("event", pa.int32()),
        ("verb", pa.string()),
        ("thing", pa.string()),
        ("began_ns", pa.int64()),
        ("ended_ns", pa.int64()),
    ]
)
_LOG = pa.struct(
    [
        ("at_ns", pa.int64()),
        ("revision", pa.int64()),
        ("verb", pa.string()),
        ("thing", pa.int32()),
        ("fields", pa.string()),
    ]
)
RECORDINGS = pa.schema(
    [
        ("seed", pa.int64()),
        ("version", pa.int32()),
        ("replay", pa.string()),
        ("features", pa.list_(pa.string())),
        ("kubernetes", pa.string()),
        ("kwok", pa.string()),
        ("nodes", pa.string()),  # JSON
        ("trace", pa.binary()),
        ("moments", pa.list_(_MOMENT)),
        ("error", pa.string()),
        ("wall_s", pa.float64()),
        # From version 2 on; null before.
        ("delays_ms", pa.list_(pa.int32())),
        ("speed", pa.float64()),
        ("start_second", pa.int32()),
        ("tail_s", pa.int32()),
        ("start_s", pa.int64()),
        ("applications", pa.list_(_APPLICATION)),
        ("log", pa.list_(_LOG)),
    ]
)


def write(rows: list[Row], schema: pa.Schema, path: Path) -> None:
    """Write a file in one go."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    table = pa.Table.from_pylist(rows, schema)
    pq.write_table(table, partial, compression="zstd", compression_level=12)
    partial.replace(path)


def read(paths: Iterable[Path]) -> Iterator[Row]:
    """The rows of files, in their order."""
    for path in paths:
        yield from pq.read_table(path).to_pylist()


def recording_file(folder: Path, scenario: Scenario) -> Path:
    """Where a scenario's recording lies."""
    return folder / f"v{scenario.version}-{scenario.seed:06d}.parquet"


def recording_row(recording: Recording, versions: dict[str, str]) -> Row:
    """A recording as a row of `RECORDINGS`.

    Args:
        recording: what was recorded.
        versions: of the control plane, by name.
    """
    scenario = recording.scenario
    return {
        "seed": scenario.seed,
        "version": scenario.version,
        "replay": scenario.replay,
        "features": list(scenario.features),
        "kubernetes": versions["kubernetes"],
        "kwok": versions["kwok"],
        "nodes": json.dumps([dataclasses.asdict(n) for n in scenario.nodes], default=sorted),
        "trace": dumps(scenario.trace),
        "moments": [_moment_row(moment) for moment in recording.moments],
        "error": recording.error,
        "wall_s": recording.wall_s,
        "delays_ms": list(scenario.delays),
        "speed": scenario.speed,
        "start_second": scenario.start_second,
        "tail_s": scenario.tail,
        "start_s": recording.start_s,
        "applications": [
            dict(zip(_APPLICATION.names, found, strict=True)) for found in recording.applications
        ],
        "log": [dict(zip(_LOG.names, found, strict=True)) for found in recording.log],
    }


def _moment_row(moment: Moment) -> Row:
    return {
        "due_s": moment.due,
        "applied_ns": moment.applied,
        "seen_ns": moment.seen,
        "workloads": [found._asdict() for found in moment.workloads],
        "placements": [{"workload": w, "node": n} for w, n in moment.placements],
    }


def recording_of(row: Row) -> Recording:
    """The recording that a row holds."""
    nodes = tuple(_node(fields) for fields in json.loads(row["nodes"]))
    scenario = Scenario(
        row["seed"],
        row["version"],
        loads(row["trace"]),
        nodes,
        row["replay"],
        tuple(row["features"]),
        *_later_fields(row),
    )
    moments = tuple(
        Moment(
            moment["due_s"],
            moment["applied_ns"],
            moment["seen_ns"],
            tuple(
                Counts(**{**found, "reasons": tuple(found["reasons"])})
                for found in moment["workloads"]
            ),
            tuple((placed["workload"], placed["node"]) for placed in moment["placements"]),
        )
        for moment in row["moments"]
        if moment["applied_ns"] > -_DAY_NS and moment["seen_ns"] < _DAY_NS
    )
    applications = tuple(Application(*found.values()) for found in row.get("applications") or ())
    log = tuple(LogRow(*found.values()) for found in row.get("log") or ())
    return Recording(
        scenario,
        moments,
        row["error"],
        row["wall_s"],
        row.get("start_s"),
        applications,
        log,
    )


def _node(fields: dict[str, Any]) -> Node:
    taints = tuple(Taint(**taint) for taint in fields["taints"])
    features = frozenset(fields.get("features", ()))
    return Node(**{**fields, "taints": taints, "features": features})


def _later_fields(row: Row) -> tuple[Any, ...]:
    """What scenarios have from version 2 on."""
    if row.get("delays_ms") is None:
        return ()
    return (tuple(row["delays_ms"]), row["speed"], row["start_second"], row["tail_s"])
