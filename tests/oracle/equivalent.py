"""Mutants that change nothing that can be observed, each with the reason."""

__all__ = ["EQUIVALENT"]

_FIT = "plugins.node_resources_fit"
_BALANCE = "plugins.node_resources_balanced_allocation"

EQUIVALENT: dict[str, str] = {
    f"{_FIT}.could_fit: wanted > 0 and wanted > program.node_extended[n, r] -> "
    "wanted > program.node_extended[n, r]": "no node has less than nothing of a resource",
    f"{_FIT}.could_fit: wanted > 0 -> wanted >= 0": "no node has less than nothing of a resource",
    f"{_FIT}._least: requested > allocatable -> requested >= allocatable": (
        "of what is used up, nothing is left: the formula says 0 too"
    ),
    f"{_BALANCE}._balance: 100 -> 101": "it is taken from itself: the same node has it twice",
}
