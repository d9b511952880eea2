"""What the API server said of the pods that it did not take, word for word.

kubectl shows it as the message of a ReplicaSet's ReplicaFailure condition and of FailedCreate
events, behind `pods "NAME" is `; the name is random and left out. A quantity is written as
Kubernetes does, but its notation is not remembered: bytes that are whole KiB are written so.

Sources: Kubernetes `plugin/pkg/admission/priority/admission.go`,
`plugin/pkg/admission/limitranger/admission.go`, `pkg/apis/core/validation/validation.go`,
`staging/src/k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sim_arena.engine.jit import interpreted
from sim_arena.engine.program import (
    COUNT_PODS,
    CPU,
    CRON_JOB,
    DAEMON_SET,
    EXTENDED,
    INIT,
    JOB,
    LIMITS_CPU,
    LIMITS_MEMORY,
    MEMORY,
    PASSES,
    POD,
    PODS,
    REGULAR,
    SIDECAR,
    STATEFUL_SET,
    Program,
)
from sim_arena.engine.requests import pod_level_request, sum_of_containers
from sim_arena.engine.state import (
    BY_LIMITS,
    BY_POLICY,
    BY_PRIORITY,
    BY_VALIDATION,
    BY_VALUE,
    NOT_REFUSED,
    State,
)
from traces.arithmetic import UNSET
from traces.quantities import format_cpu

__all__ = ["desired_daemons", "refusals", "refused_pods"]

_BINARY = ("Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
_DECIMAL = ("k", "M", "G", "T", "P", "E")


def refusals(program: Program, state: State, w: int) -> dict[str, int]:
    """Return for a workload what was said of its missing pods, and how many they are."""
    if not program.arrays.header["admission"][0] or not state.workloads["exists"][w]:
        return {}
    workload = program.arrays.workloads[w]
    found: dict[str, int] = {}
    for s in _sets(program, workload):
        if state.admission["refused"][s] == NOT_REFUSED:
            continue
        missing = _missing(program, state, w, s)
        if missing > 0:
            text = _text(program, state, s)
            found[text] = found.get(text, 0) + missing
    return dict(sorted(found.items()))


def refused_pods(program: Program, state: State) -> list[str]:
    """Return a sentence for each bare pod that was refused: SimKube's run ends there."""
    return [
        f"{ref}: {text}: SimKube's run would end with an error, the engine goes on"
        for w, ref in enumerate(program.workloads)
        if ref.kind == "Pod"
        for text in refusals(program, state, w)
    ]


def desired_daemons(program: Program, state: State, w: int) -> int:
    """Return how many nodes a DaemonSet's pods should run on."""
    row = program.arrays.templates["daemon"][state.workloads["template"][w]]
    return int((program.arrays.static["reason"][row] == PASSES).sum())


def _sets(program: Program, workload: Any) -> list[int]:
    """Return the sets whose pods are a workload's: those of a CronJob's Jobs are its own."""
    header = program.arrays.header[0]
    behind = int(header["templates"] - header["workloads"])
    jobs = range(behind + workload["first_job"], behind + workload["end_job"])
    return [*range(workload["first_template"], workload["end_template"]), *jobs]


def _missing(program: Program, state: State, w: int, s: int) -> int:
    kind = program.arrays.workloads["kind"][w]
    if kind == POD:
        return 1
    if kind == STATEFUL_SET:
        application = state.workloads["application"][w]
        return int(program.arrays.applications["replicas"][application] - state.sets["active"][s])
    if kind in (JOB, CRON_JOB):
        job = state.workloads[state.sets["workload"][s]]
        wanted = program.arrays.applications["replicas"][job["application"]]
        return max(0, int(wanted - state.sets["active"][s])) if job["exists"] else 0
    if kind == DAEMON_SET:
        return desired_daemons(program, state, w) - int(state.sets["active"][s])
    if not state.sets["exists"][s]:
        return 0
    return int(state.sets["replicas"][s] - state.sets["active"][s])


def _text(program: Program, state: State, s: int) -> str:
    facts = state.admission[s]
    variant, by = int(facts["variant"]), int(facts["by"])
    if facts["refused"] == BY_PRIORITY:
        return f"forbidden: no PriorityClass with name {program.objects[by]} was found"
    if facts["refused"] in (BY_VALUE, BY_POLICY):
        return "forbidden: " + _other_than_class(
            program, variant, by_value=facts["refused"] == BY_VALUE
        )
    if facts["refused"] == BY_VALIDATION:
        return _joined("invalid: ", _invalid(program, state, variant))
    if facts["refused"] == BY_LIMITS:
        return _joined("forbidden: ", _outside(program, state, variant, by))
    return "forbidden: " + _quota(program, state, s, variant, by)


def _other_than_class(program: Program, variant: int, *, by_value: bool) -> str:
    template = program.arrays.templates[variant]
    what, named = "integer value of priority", template["priority"]
    found = template["class_priority"]
    if not by_value:
        policies = ("PreemptLowerPriority", "Never")
        what, named = "string value of PreemptionPolicy", policies[template["never_preempts"]]
        found = policies[1 - template["never_preempts"]]
    return (
        f"the {what} ({named}) must not be provided in pod spec; priority admission controller "
        f"computed {found} from the given PriorityClass name"
    )


def _joined(start: str, texts: Iterator[str]) -> str:
    """Join errors as Kubernetes does: several stand in brackets."""
    found = list(dict.fromkeys(texts))
    return start + (found[0] if len(found) == 1 else f"[{', '.join(found)}]")


def _rows(program: Program, variant: int) -> range:
    template = program.arrays.templates[variant]
    return range(template["first_container"], template["end_container"])


def _name(program: Program, row: int) -> str:
    return program.container_names[program.arrays.containers["name"][row]]


def _invalid(program: Program, state: State, variant: int) -> Iterator[str]:
    init = regular = 0
    for row in _rows(program, variant):
        one = state.filled[row]
        if one["kind"] in (INIT, SIDECAR):
            path, init = f"initContainers[{init}]", init + 1
        else:
            path, regular = f"containers[{regular}]", regular + 1
        for resource, formatted in (("cpu", format_cpu), ("memory", _bytes)):
            request, limit = int(one[f"{resource}_request"]), int(one[f"{resource}_limit"])
            if limit != UNSET and request > limit:
                yield (
                    f'spec.{path}.resources.requests: Invalid value: "{formatted(request)}": '
                    f"must be less than or equal to {resource} limit of {formatted(limit)}"
                )
    template = program.arrays.templates.view(np.recarray)[variant]
    named = program.arrays.containers.view(np.recarray)
    kinds = (("cpu", format_cpu), ("memory", _bytes))
    for resource, formatted in kinds:
        most = int(interpreted(pod_level_request)(template, named, resource == "cpu"))
        together = interpreted(sum_of_containers)(template, state.filled, resource == "cpu", 0)
        if most != UNSET and together > most:
            yield (
                f'spec.resources.requests[{resource}]: Invalid value: "{formatted(most)}": '
                f"must be greater than or equal to aggregate container requests of "
                f"{formatted(together)}"
            )
    regulars = [row for row in _rows(program, variant) if state.filled["kind"][row] == REGULAR]
    for number, row in enumerate(regulars):
        for resource, formatted in kinds:
            limit, most = (
                int(state.filled[f"{resource}_limit"][row]),
                int(template[f"pod_{resource}_limit"]),
            )
            if most != UNSET and limit > most:
                yield (
                    f"spec.resources.containers[{number}][{resource}].limits: Invalid value: "
                    f'"{formatted(limit)}": must be less than or equal to pod limits of '
                    f"{formatted(most)}"
                )


def _outside(program: Program, state: State, variant: int, by: int) -> Iterator[str]:
    rule = program.arrays.rules[by]
    for bound in program.arrays.amounts[rule["first"] : rule["end"]]:
        resource = "cpu" if bound["resource"] == CPU else "memory"
        if bound["whole_pod"]:
            pairs = [_of_pod(program, state, variant, resource)]
        else:
            pairs = [
                (
                    int(state.filled[f"{resource}_request"][row]),
                    int(state.filled[f"{resource}_limit"][row]),
                )
                for row in _rows(program, variant)
            ]
        for request, limit in pairs:
            yield from _broken(bound, resource, request, limit)


def _of_pod(program: Program, state: State, variant: int, resource: str) -> tuple[int, int]:
    """Return what a pod requests and its limit, without overhead; UNSET where nothing is named."""
    template = program.arrays.templates[variant]
    overhead = int(template[f"overhead_{resource}"])
    named = [state.filled[f"{resource}_request"][row] for row in _rows(program, variant)]
    request = int(state.sets[resource][variant]) - overhead
    if max(*named, template[f"pod_{resource}"], UNSET) == UNSET and request == 0:
        request = UNSET
    limit = int(state.admission[f"{resource}_limit"][variant])
    return request, limit - overhead if limit else UNSET


def _broken(bound: Any, resource: str, request: int, limit: int) -> Iterator[str]:
    formatted = format_cpu if resource == "cpu" else _bytes
    per = f"{resource} usage per {'Pod' if bound['whole_pod'] else 'Container'} is"
    least, most, ratio = int(bound["least"]), int(bound["most"]), int(bound["ratio"])
    yield from _below(f"minimum {per} {formatted(least)}", formatted, least, request, limit)
    yield from _above(f"maximum {per} {formatted(most)}", formatted, most, request, limit)
    if ratio != UNSET:
        text = f"{resource} max limit to request ratio {per.partition(' usage ')[2]}"
        text = f"{text} {format_cpu(ratio)}, but"
        if request <= 0:
            yield f"{text} no request is specified or request is 0"
        elif limit <= 0:
            yield f"{text} no limit is specified or limit is 0"
        elif limit / request * 1000 > ratio:
            yield f"{text} provided ratio is {limit / request:.6f}"


Formatter = Callable[[int], str]


def _below(text: str, formatted: Formatter, least: int, request: int, limit: int) -> Iterator[str]:
    if least != UNSET:
        if request == UNSET:
            yield f"{text}.  No request is specified"
        elif request < least:
            yield f"{text}, but request is {formatted(request)}"
        elif limit != UNSET and limit < least:
            yield f"{text}, but limit is {formatted(limit)}"


def _above(text: str, formatted: Formatter, most: int, request: int, limit: int) -> Iterator[str]:
    if most != UNSET:
        if limit == UNSET:
            yield f"{text}.  No limit is specified"
        elif limit > most:
            yield f"{text}, but limit is {formatted(limit)}"
        elif request > most:
            yield f"{text}, but request is {formatted(request)}"


def _quota(program: Program, state: State, s: int, variant: int, by: int) -> str:
    rule, names = program.arrays.rules[by], program.rules[by]
    amounts = program.arrays.amounts[rule["first"] : rule["end"]]
    missing = {
        name: lacking
        for name, amount in zip(names.resources, amounts, strict=True)
        if (lacking := _lacking(program, state, variant, int(amount["resource"])))
    }
    if missing:
        parts = "; ".join(f"{name} for: {','.join(found)}" for name, found in missing.items())
        return f"failed quota: {names.name}: must specify {parts}"
    exceeded: list[tuple[str, tuple[int, int, int]]] = []
    for name, amount, used in zip(names.resources, amounts, state.used[s], strict=False):
        need = _charge(program, state, variant, amount)
        if need > 0 and used + need > amount["most"]:
            exceeded.append((name, (need, int(used), int(amount["most"]))))
    columns = [
        ",".join(f"{name}={_written(name, found[column])}" for name, found in exceeded)
        for column in range(3)
    ]
    return "exceeded quota: {}, requested: {}, used: {}, limited: {}".format(names.name, *columns)


def _lacking(program: Program, state: State, variant: int, resource: int) -> list[str]:
    template = program.arrays.templates[variant]
    levels = ("pod_cpu", "pod_memory", "pod_cpu_limit", "pod_memory_limit")
    if any(template[level] != UNSET for level in levels):
        return []
    column = {
        CPU: "cpu_request",
        MEMORY: "memory_request",
        LIMITS_CPU: "cpu_limit",
        LIMITS_MEMORY: "memory_limit",
    }.get(resource)
    if column is None:
        return []
    rows = _rows(program, variant)
    return sorted({_name(program, row) for row in rows if state.filled[column][row] == UNSET})


def _charge(program: Program, state: State, variant: int, amount: Any) -> int:
    resource = amount["resource"]
    if resource in (PODS, COUNT_PODS):
        return 1
    if resource == EXTENDED:
        column = amount["column"]
        table = program.arrays.template_extended
        return 0 if column == UNSET else int(table[variant, column])
    if resource in (CPU, MEMORY):
        return int(state.sets["cpu" if resource == CPU else "memory"][variant])
    facts = state.admission[variant]
    return int(facts["cpu_limit" if resource == LIMITS_CPU else "memory_limit"])


def _written(name: str, amount: int) -> str:
    if name.endswith("cpu"):
        return format_cpu(amount)
    if name.endswith(("memory", "storage")):
        return _bytes(amount)
    return _scaled(amount, 1000, _DECIMAL)


def _bytes(size: int) -> str:
    if size and size % 1024 == 0:
        return _scaled(size, 1024, _BINARY)
    return _scaled(size, 1000, _DECIMAL)


def _scaled(amount: int, base: int, suffixes: tuple[str, ...]) -> str:
    suffix = ""
    for larger in suffixes:
        if amount == 0 or amount % base:
            break
        amount //= base
        suffix = larger
    return f"{amount}{suffix}"
