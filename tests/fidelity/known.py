"""Scenarios that disagree for a reason that is known; whoever removes the reason empties this."""

_APPLIED_AGAIN = "a bare Pod applied again while it is evicted: made again, or not, by milliseconds"
_CROWDED = (
    "dozens of pods race for the last room, with some 185 outcomes: what really happens is not "
    "always among what 8,192 seeds find, nor are its times known well enough to follow it"
)
_STALLED = "recorded while KWOK or the API server was held up by other work"

KNOWN: dict[tuple[int, int], str] = {
    (1, 104): _CROWDED,
    (2, 289): _APPLIED_AGAIN,
    (2, 397): _STALLED,
    (2, 1626): _STALLED,
    (2, 3018): _STALLED,
    (2, 5107): "ReplicaSets of one second are ordered by name, which the engine does not know",
}
"""By version and seed."""
