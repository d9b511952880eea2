"""The modules that the mutation check breaks, and what must notice it."""

from dataclasses import dataclass

__all__ = ["TARGETS", "Target"]

_PLUGINS = "sim_arena.engine.plugins."
_COMPILER = "sim_arena.engine.compiler."
_SPREAD = ("spread_hard", "spread_soft", "spread_default", "spread_deployment")
_AFFINITY = ("affinity_required", "affinity_preferred")


@dataclass(frozen=True)
class Target:
    """A module that is broken.

    Attributes:
        focuses: of the vectors, those that are about it.
        functions: those that the vectors reach, where the others belong to the scheduler's cycle
            around them; None: all.
        tests: of what no vector holds.
    """

    focuses: tuple[str, ...]
    functions: frozenset[str] | None = None
    tests: tuple[str, ...] = ()


def _tests(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/engine/test_{name}.py" for name in names)


TARGETS: dict[str, Target] = {
    _PLUGINS + "taint_toleration": Target(("taint_toleration",)),
    _PLUGINS + "node_affinity": Target(("node_affinity",)),
    _PLUGINS + "node_ports": Target(("node_ports",)),
    _PLUGINS + "node_resources_fit": Target(("fit", "resource_scores")),
    _PLUGINS + "node_resources_balanced_allocation": Target(("resource_scores",)),
    _PLUGINS + "pod_topology_spread": Target(_SPREAD, tests=_tests("hints")),
    _PLUGINS + "inter_pod_affinity": Target(_AFFINITY),
    _PLUGINS + "image_locality": Target(("image_locality",)),
    _PLUGINS + "volume_binding": Target(("volume_claims",), tests=_tests("volumes")),
    _PLUGINS + "normalize": Target(("taint_toleration", "node_affinity")),
    _PLUGINS + "default_preemption": Target(
        ("victims", "preemption"),
        frozenset(
            {
                "_cost",
                "_describe",
                "_lower_priority",
                "_more_important",
                "_put_back",
                "_start",
                "find_candidates",
                "pick",
                "select_victims",
            }
        ),
        tests=_tests("candidates", "hints", "plugins", "disruption_budgets"),
    ),
    "sim_arena.engine.disruption_budgets": Target(
        ("victims",), frozenset({"mark_violations"}), tests=_tests("disruption_budgets")
    ),
    "sim_arena.engine.scheduler": Target(
        ("mixed", "taint_toleration", "node_ports"),
        frozenset({"find_feasible", "score_nodes", "_add", "best_node"}),
        tests=_tests("sampling", "scores"),
    ),
    "sim_arena.engine.verdicts": Target((*_AFFINITY, "spread_hard"), tests=_tests("volumes")),
    "sim_arena.engine.rejections": Target(
        ("preemption", "mixed", "declared_features"),
        tests=_tests("messages", "queue", "hints", "daemon_sets", "volumes"),
    ),
    "sim_arena.engine.requests": Target(("fit", "resource_scores")),
    _COMPILER + "matching": Target(
        ("node_affinity", "taint_toleration", "node_unschedulable", "node_name", "spread_hard"),
        tests=_tests("matching"),
    ),
    _COMPILER + "images": Target(("image_locality",)),
    _COMPILER + "selectors": Target((*_AFFINITY, *_SPREAD)),
    _COMPILER + "terms": Target(
        (*_SPREAD, *_AFFINITY, "node_ports"),
        tests=_tests("plugins", "limit_ranges", "scores"),
    ),
}
