"""SimKube trace files: reading, writing, checking, editing and generating them.

A trace is a plain dict, typed as `Trace`. Whatever is wrong with one is a `TraceError`.
"""

from traces.codec import dumps, load_trace, loads, save_trace
from traces.differences import diff, patch
from traces.document import (
    Trace,
    WorkloadRef,
    gvk,
    object_name,
    pod_spec_template_paths,
    pod_template,
)
from traces.edits import (
    Change,
    bump_cpu_limit,
    bump_cpu_small,
    bump_mem_limit,
    bump_mem_small,
    edit_container,
    edit_replicas,
    reduce_cpu_limit,
    reduce_cpu_small,
    reduce_mem_limit,
    reduce_mem_small,
    scale_down_replicas,
    scale_up_replicas,
    set_cpu_limit,
    set_mem_limit,
)
from traces.errors import QuantityError, TraceError, TraceNotice
from traces.generator import generate, write_demo
from traces.manifest import ManifestEntry, load_manifest
from traces.rules import Finding, findings
from traces.siphash import object_hash
from traces.timing import due_events, events_within
from traces.workloads import containers, find_deployments, find_workload

__all__ = [
    "Change",
    "Finding",
    "ManifestEntry",
    "QuantityError",
    "Trace",
    "TraceError",
    "TraceNotice",
    "WorkloadRef",
    "bump_cpu_limit",
    "bump_cpu_small",
    "bump_mem_limit",
    "bump_mem_small",
    "containers",
    "diff",
    "due_events",
    "dumps",
    "edit_container",
    "edit_replicas",
    "events_within",
    "find_deployments",
    "find_workload",
    "findings",
    "generate",
    "gvk",
    "load_manifest",
    "load_trace",
    "loads",
    "object_hash",
    "object_name",
    "patch",
    "pod_spec_template_paths",
    "pod_template",
    "reduce_cpu_limit",
    "reduce_cpu_small",
    "reduce_mem_limit",
    "reduce_mem_small",
    "save_trace",
    "scale_down_replicas",
    "scale_up_replicas",
    "set_cpu_limit",
    "set_mem_limit",
    "write_demo",
]
