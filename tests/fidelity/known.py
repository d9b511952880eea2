"""Scenarios that disagree for a reason that is known; whoever removes the reason empties this."""

_PASSING = "seen in the tenth of a second between a pod's end and its successor's creation"
_QUOTA = "who gets the last of a quota: real controllers' retries take turns in more ways"

KNOWN: dict[tuple[int, int], str] = {
    (2, 219): _QUOTA,
    (2, 229): "mended since: a bare Pod whose priority is not its class's is refused",
    (2, 310): _PASSING,
    (2, 546): _PASSING,
    (2, 1600): _QUOTA,
}
"""By version and seed."""
