"""What an action does to the arrays of one environment's program.

It equals `engine.Program.edit_container` and `edit_replicas`, which return a new program: the
same rows are edited, by the same functions of `traces.arithmetic`.
"""

from typing import Any

from sim_arena.engine.jit import jit
from sim_arena.engine.program import REGULAR, STATEFUL_SET
from sim_arena.envs.kernels.plain import count_of, pair_of
from sim_arena.envs.kernels.records import CPU
from traces.arithmetic import UNSET

__all__ = ["edit_container", "edit_replicas", "moved_pair"]


@jit
def moved_pair(record: Any, choice: Any) -> Any:
    """Return the request and limit of a container as an action leaves them."""
    if choice.resource == CPU:
        request, limit = record.cpu_request, record.cpu_limit
    else:
        request, limit = record.memory_request, record.memory_limit
    return pair_of(choice.op, request, limit, choice.amount, choice.low, choice.high)


@jit
def edit_container(program: Any, w: int, name: int, choice: Any) -> bool:
    """Edit the container of a name in each of a workload's templates; say if one changed."""
    workload = program.workloads[w]
    changed = False
    for t in range(workload.first_template, workload.end_template):
        template = program.templates[t]
        for row in range(template.first_container, template.end_container):
            record = program.containers[row]
            if record.name == name and record.kind == REGULAR:
                changed = _edit_record(record, choice) or changed
                break
    return changed


@jit
def _edit_record(record: Any, choice: Any) -> bool:
    request, limit = moved_pair(record, choice)
    if choice.resource == CPU:
        changed = request != record.cpu_request or limit != record.cpu_limit
        record.cpu_request = request
        record.cpu_limit = limit
    else:
        changed = request != record.memory_request or limit != record.memory_limit
        record.memory_request = request
        record.memory_limit = limit
    return changed


@jit
def edit_replicas(program: Any, w: int, choice: Any) -> bool:
    """Edit a workload's replicas wherever it is applied; say if any changed."""
    changed = False
    if program.workloads[w].kind > STATEFUL_SET:
        return False  # it has none
    for a in range(program.header[0].applications):
        record = program.applications[a]
        if record.workload == w and record.template != UNSET:
            before = record.replicas
            after = count_of(choice.op, before, choice.amount, choice.low, choice.high)
            changed = changed or after != before
            record.replicas = after
    return changed
