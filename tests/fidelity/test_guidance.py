"""Guided runs: the real choices are replayed, and those that the engine does not permit are found.

Compiling the guided loop takes longer than these runs, so they run in plain Python.
"""

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numba
import pytest

from sim_arena.fidelity import Counts
from sim_arena.nodes import Node
from tests.fidelity.guidance import Verdict, guide
from tests.fidelity.recording import Application, Moment, Recording
from tests.fidelity.run import DATA, RECORDED
from tests.fidelity.scenarios import Scenario
from tests.fidelity.store import read, recording_of
from tests.fidelity.watching import LogRow

if TYPE_CHECKING:
    from traces import Trace

_PLAIN = bool(numba.config.DISABLE_JIT)
plain = pytest.mark.skipif(not _PLAIN, reason="run by the last test, in plain Python")

_S = 1_000_000_000
_START = 1_700_000_000
# Deployments; DaemonSets, Jobs and a ReplicaSet; a StatefulSet whose pods end; quotas and delays.
KEPT = (33, 4, 64, 10)


@plain
@pytest.mark.parametrize("seed", KEPT)
def test_what_really_happened_is_permitted_and_gives_the_same(seed: int) -> None:
    (row,) = (r for r in read([DATA / RECORDED]) if (r["version"], r["seed"]) == (2, seed))
    assert [verdict.complaints for verdict in guide(recording_of(row), attempts=2).verdicts] == [
        () for _ in row["moments"]
    ]


@plain
def test_a_node_that_is_none_of_the_best_is_not_permitted() -> None:
    assert last(scaled(first_node="large", victim=2)).agrees
    worse = last(scaled(first_node="small", victim=2))
    assert not worse.permitted
    assert "none of the best" in worse.complaints[0]


@plain
def test_a_victim_that_may_not_go_first_is_not_permitted() -> None:
    assert last(scaled(first_node="large", victim=2)).agrees
    older = last(scaled(first_node="large", victim=0))
    assert not older.permitted
    assert "may not go first" in older.complaints[0]


@plain
def test_a_pod_too_many_is_a_difference() -> None:
    verdict = last(scaled(first_node="large", victim=None))
    assert verdict.permitted
    assert not verdict.counts


@pytest.mark.skipif(_PLAIN, reason="this is plain Python already")
def test_the_tests_above_in_plain_python() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout


def last(recording: Recording) -> Verdict:
    """The verdict at the end, with the times as they are."""
    return guide(recording, attempts=1).verdicts[-1]


def scaled(first_node: str, victim: int | None) -> Recording:
    """A ReplicaSet of two, then three, then two pods; the third is 30 s old, the others 40 s.

    Args:
        first_node: where the first pod went; `large` is the best, the others went there too.
        victim: number of the pod that was deleted; None: none was.
    """
    nodes = (Node("large", 16_000, 64 << 30, 110), Node("small", 2_000, 2 << 30, 110))
    log = [
        change(0, 0, "A", kind="ReplicaSet", name="web"),
        *pod(0, 1, first_node),
        *pod(0, 2, "large"),
        *pod(10, 3, "large"),
    ]
    if victim is not None:
        log += [change(40, 1 + victim, "M", deleted=True), change(40, 1 + victim, "D")]
    sizes = ((0, 2), (10, 3), (40, 2))
    events = [
        {"ts": _START + at, "applied_objs": [replica_set(size)], "deleted_objs": []}
        for at, size in sizes
    ]
    trace: Trace = {
        "version": 2,
        "config": {"trackedObjects": {}},
        "events": events,
        "index": {},
        "pod_lifecycles": {},
    }
    moments = tuple(
        Moment(at, at * _S, (at + 5) * _S, (Counts("ReplicaSet", "shop", "web", 0, 0, 0, ()),), ())
        for at, _ in sizes
    )
    applications = tuple(
        Application(number, "apply", "ReplicaSet shop/web", at * _S, at * _S)
        for number, (at, _) in enumerate(sizes)
    )
    scenario = Scenario(0, 2, trace, nodes, "plain", ())
    numbered = tuple(row._replace(revision=number) for number, row in enumerate(log))
    return Recording(scenario, moments, None, 0.0, _START, applications, numbered)


def pod(at: int, thing: int, node: str) -> list[LogRow]:
    """The log of a pod that is made, bound and started at one time."""
    return [
        change(at, thing, "A", kind="Pod", name=f"web-{thing}", owner=0),
        change(at, thing, "M", node=node),
        change(at, thing, "M", phase="Running", ready=True),
    ]


def change(at: int, thing: int, verb: str, **fields: Any) -> LogRow:
    """One row of a log."""
    if "kind" in fields:
        stamp = f"2023-11-14T22:13:{20 + at:02d}Z"  # _START and so many seconds
        fields |= {"namespace": "shop", "created": stamp}
    return LogRow(at * _S + 1_000_000, 0, verb, thing, json.dumps(fields))


def replica_set(replicas: int) -> dict[str, Any]:
    """The ReplicaSet with a size."""
    container = {"name": "main", "image": "app:1", "resources": {"requests": {"cpu": "1"}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [container]},
            },
        },
    }
