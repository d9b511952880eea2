"""What an edit does to one number, in plain integers.

A container's cpu (milli-CPU) or memory (bytes) is a pair `(request, limit)`, where `UNSET`
stands for a field that the manifest does not have. The functions here are the only place that
says how an edit moves such a pair or a replica count. The edits of trace files call them as
they are; the engine compiles them, so that editing a compiled program and editing the file
cannot drift apart. They therefore use nothing but integer arithmetic.
"""

__all__ = [
    "UNBOUNDED",
    "UNSET",
    "change_limit",
    "change_replicas",
    "change_request",
    "effective_request",
    "moved",
    "set_limit",
]

UNSET = -1
UNBOUNDED = 1 << 62


def effective_request(request: int, limit: int) -> int:
    """Return the request that counts: the API server fills a missing one in from the limit.

    Source: Kubernetes `pkg/apis/core/v1/defaults.go`, SetDefaults_Pod.
    """
    if request != UNSET:
        return request
    if limit != UNSET:
        return limit
    return 0


def moved(current: int, step: int, low: int, high: int) -> int:
    """Return `current + step`, kept within `[low, high]`.

    From outside the bounds a move towards them is allowed and a move away is not, so the
    result is never further outside than `current` was.
    """
    if step > 0:
        return max(current, min(current + step, high))
    return min(current, max(current + step, low))


def change_request(request: int, limit: int, step: int, low: int, high: int) -> tuple[int, int]:
    """Move a request by `step`; a limit that it would pass is raised with it."""
    before = effective_request(request, limit)
    after = moved(before, step, low, high)
    if after == before:
        return request, limit
    if limit != UNSET and after > limit:
        return after, after
    return after, limit


def change_limit(request: int, limit: int, step: int, low: int, high: int) -> tuple[int, int]:
    """Move a limit by `step`; a request that it would pass is lowered with it.

    A container without a limit may use what the node has: there is nothing to move.
    """
    if limit == UNSET:
        return request, limit
    return _with_limit(request, limit, moved(limit, step, low, high))


def set_limit(request: int, limit: int, value: int, low: int, high: int) -> tuple[int, int]:
    """Set a limit to `value`, kept within `[low, high]`; a request above it is lowered with it."""
    return _with_limit(request, limit, max(low, min(value, high)))


def change_replicas(replicas: int, step: int, low: int, high: int) -> int:
    """Move a replica count by `step`."""
    return moved(replicas, step, low, high)


def _with_limit(request: int, limit: int, after: int) -> tuple[int, int]:
    if after == limit:
        return request, limit
    if request > after:
        return after, after
    return request, after
