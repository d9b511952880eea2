"""Where a real cluster without usage would show a workload as healthy that is not."""

from pathlib import Path

from sim_arena.clusters.kube.usage import usage_trouble
from traces import Trace, WorkloadRef, load_trace

ROOT = Path(__file__).parents[2]
REPORTS = WorkloadRef("Deployment", "shop", "reports")


def trouble(trace: Trace, *, nodes: str = "2x8cpu,4Gi", duration: int = 120) -> list[str]:
    return usage_trouble(trace, REPORTS, nodes, duration, "simkube")


def eviction() -> Trace:
    return load_trace(str(ROOT / "docs" / "examples" / "eviction.sktrace"))


def limited(trace: Trace, memory: str, ts: int) -> None:
    """Apply the workload again later, with a limit."""
    first = trace["events"][0]["applied_objs"]
    web = next(obj for obj in first if obj["metadata"]["name"] == "reports")
    template = {**web["spec"]["template"], "spec": {**web["spec"]["template"]["spec"]}}
    template["spec"]["containers"] = [
        {**one, "resources": {**one.get("resources", {}), "limits": {"memory": memory}}}
        for one in template["spec"]["containers"]
    ]
    again = {**web, "spec": {**web["spec"], "template": template}}
    trace["events"].append({"ts": ts, "applied_objs": [again], "deleted_objs": []})


def test_nodes_that_run_short_of_memory_are_trouble_without_any_limit() -> None:
    [found] = trouble(eviction())
    assert found == "its nodes run short of memory, which the embedded cluster shows"
    assert trouble(eviction(), nodes="4x8cpu,64Gi") == []


def test_the_workload_counts_as_it_is_at_the_end_of_the_window() -> None:
    trace = eviction()
    start = trace["events"][0]["ts"]
    limited(trace, "1Mi", start + 60)
    limited(trace, "64Gi", start + 600)
    [found] = trouble(trace)
    assert found.endswith("uses more memory than its limit")
    assert trouble(trace, nodes="4x8cpu,64Gi", duration=700) == []
