"""What each of the scheduler's plugins says of each node for one pod, in words.

They are asked in opinions.py, on a copy of the state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sim_arena.engine.compiler.matching import named_nodes, rejecting_plugins
from sim_arena.engine.disruption_budgets import count_allowed
from sim_arena.engine.jit import interpreted
from sim_arena.engine.messages import claim_message, message
from sim_arena.engine.opinions import SCORES, Opinions, allocate_opinions, ask
from sim_arena.engine.program import (
    CONFLICT,
    LACKS_KEY,
    NO_AFFINITY,
    OTHER_LABELS,
    OTHER_NODE,
    OTHER_ZONE,
    PASSES,
    PORTS_TAKEN,
    REASONS,
    TAINTED,
    UNDECLARED,
    UNSCHEDULABLE_NODE,
    Arrays,
    Program,
)
from sim_arena.engine.state import PENDING, RUNNING, State
from traces.arithmetic import UNSET

if TYPE_CHECKING:
    from collections.abc import Sequence

    from traces import WorkloadRef

__all__ = [
    "Explanation",
    "NodeExplanation",
    "Rejection",
    "Score",
    "explain",
    "pick",
    "read",
]

_STATIC_FILTERS = {
    UNSCHEDULABLE_NODE: "NodeUnschedulable",
    OTHER_NODE: "NodeName",
    TAINTED: "TaintToleration",
    OTHER_LABELS: "NodeAffinity",
    UNDECLARED: "NodeDeclaredFeatures",
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """One plugin rejects one node.

    Attributes:
        reasons: in the scheduler's words.
        preemption_helps: whether fewer pods on the node could change it.
    """

    reasons: tuple[str, ...]
    preemption_helps: bool


@dataclass(frozen=True, slots=True)
class Score:
    """What one plugin gives one node: before and after its normalisation to 0-100."""

    raw: int
    normalised: int


@dataclass(frozen=True, slots=True)
class NodeExplanation:
    """What all plugins say of one node.

    Attributes:
        name: the node.
        left_out: whether a PreFilter leaves it out, so that no filter looks at it.
        rejections: by plugin; empty where all filters let the node pass.
        scores: by plugin; empty where the node is not scored. A plugin that skips the pod gives
            0 to every node.
        total: the scheduler's own weighted sum, or None; it leaves out what all nodes get alike.
        victims: pods that preemption would evict there (numbers in the state).
        violations: how many of them a PodDisruptionBudget protects.
    """

    name: str
    left_out: bool
    rejections: dict[str, Rejection]
    scores: dict[str, Score]
    total: int | None
    victims: tuple[int, ...]
    violations: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """What the scheduler thinks of one pod at one moment.

    Attributes:
        held: whether it does not come into the scheduler's queue: it has scheduling gates, another
            scheduler, or a claim for devices that is missing. What follows holds if it did.
        nodes: in the scheduler's order.
        on: the node that it is on, or None.
        chosen: the node that it would take now, or None.
        nominated: the node that preemption would make room on, or None.
        message: of the condition PodScheduled if it takes none.
    """

    held: bool
    nodes: tuple[NodeExplanation, ...]
    on: str | None
    chosen: str | None
    nominated: str | None
    message: str | None


def explain(program: Program, state: State, p: int) -> Explanation:
    """Ask all plugins about a pod as things are now; the state is not changed.

    Args:
        program: the program.
        state: the state of one run.
        p: number of the pod; if it is on a node already, it is looked at as if it were not.
    """
    arrays = Arrays(*(_records(array) for array in program.arrays))
    copied = State(*(_records(array.copy()) for array in state))
    reasons = state.rejections.shape[1] // 2
    one = allocate_opinions(len(program.nodes), reasons, len(state.pods))
    with np.errstate(all="ignore"):  # compiled code does not warn either
        if program.arrays.header["budgets"][0]:
            interpreted(count_allowed)(arrays, copied)
        ask(arrays, copied, p, one)
    pressed = frozenset(np.flatnonzero(state.nodes["pressed_until"] > 0).tolist())
    found = read(program, one, int(state.pods["template"][p]), pressed)
    n = int(state.pods["node"][p])
    return found if n == UNSET else replace(found, on=program.nodes[n].name)


def _records(array: Any) -> Any:
    """Return an array whose fields are attributes, as compiled code reads them."""
    return array.view(np.recarray) if array.dtype.names else array


def pick(program: Program, state: State, ref: WorkloadRef) -> int | None:
    """Return the pod of a workload that one asks about: a pending one, else the newest placed.

    Raises:
        KeyError: if the program has no such workload.
    """
    pods = state.pods[: state.clock["pods"][0]]
    own = pods["workload"] == program.index(ref)
    waiting = np.flatnonzero(own & (pods["phase"] == PENDING) & (pods["node"] == UNSET))
    placed = np.flatnonzero(own & np.isin(pods["phase"], (PENDING, RUNNING)))
    if len(waiting):
        return int(waiting[0])
    return int(placed[-1]) if len(placed) else None


def read(
    program: Program, opinions: Opinions, template: int, pressed: frozenset[int] = frozenset()
) -> Explanation:
    """Put the answers about a pod of a template into words.

    Args:
        program: the program.
        opinions: the answers.
        template: the pod's.
        pressed: the nodes that bear the taint of memory pressure.
    """
    record = program.arrays.templates[template]
    spec = program.selections[record["mask"]]
    only = int(opinions.pod[0].only)
    named = named_nodes(spec) if only == UNSET else {program.nodes[only].name}
    if record["bears_pressure"]:
        pressed = frozenset()
    texts = [*REASONS, *(f"Insufficient {name}" for name in program.extended)]
    places = _scores_by_node(opinions)
    nodes = tuple(
        NodeExplanation(
            name=node.name,
            left_out=node.name not in (named or (node.name,)),
            rejections={
                **_static_rejections(spec, node, named, pressed=n in pressed),
                **_rejections(opinions.nodes[n], opinions.lacking[n], texts),
            },
            scores=places[n][0] if n in places else {},
            total=places[n][1] if n in places else None,
            victims=tuple(int(q) for q in np.flatnonzero(opinions.victims[n])),
            violations=int(opinions.nodes[n].violations),
        )
        for n, node in enumerate(program.nodes)
    )
    found = opinions.pod[0]
    chosen = int(found.chosen)
    text = None if chosen != UNSET else _message(program, opinions, template)
    return Explanation(
        held=bool(record["gated"] or record["ignored"]),
        nodes=nodes,
        on=None,
        chosen=_name(program, chosen),
        nominated=_name(program, int(found.nominated)),
        message=text,
    )


def _name(program: Program, n: int) -> str | None:
    return None if n == UNSET else program.nodes[n].name


def _message(program: Program, opinions: Opinions, template: int) -> str | None:
    kind = int(opinions.pod[0].message)
    nodes = len(program.nodes)
    claim = program.objects.get(int(opinions.rejections[PASSES]), "")
    held_up = claim_message(kind, nodes, claim)
    if held_up is not None:
        return held_up
    never = bool(program.arrays.templates["never_preempts"][template])
    return message(kind, opinions.rejections, nodes, program.extended, never_preempts=never)


def _scores_by_node(opinions: Opinions) -> dict[int, tuple[dict[str, Score], int]]:
    found = {}
    for i in range(int(opinions.pod[0].feasible)):
        scores = {
            name: Score(int(opinions.raw[plugin][i]), int(opinions.normalised[plugin][i]))
            for plugin, name in enumerate(SCORES)
        }
        place = opinions.nodes[i]
        found[int(place.feasible)] = scores, int(place.score)
    return found


def _static_rejections(
    spec: Any, node: Any, named: set[str] | None, *, pressed: bool
) -> dict[str, Rejection]:
    reasons = rejecting_plugins(spec, node)
    if pressed and TAINTED not in reasons:
        reasons.append(TAINTED)
    found = {
        _STATIC_FILTERS[reason]: Rejection((REASONS[reason],), preemption_helps=False)
        for reason in reasons
    }
    if named is not None and not named:
        found["NodeAffinity"] = Rejection((REASONS[CONFLICT],), preemption_helps=False)
    return found


def _rejections(node: Any, lacking: Any, texts: Sequence[str]) -> dict[str, Rejection]:
    found: dict[str, Rejection] = {}
    if not node.ports_free:
        found["NodePorts"] = Rejection((REASONS[PORTS_TAKEN],), preemption_helps=True)
    if not node.fits:
        reasons = tuple(texts[r] for r in np.flatnonzero(lacking))
        found["NodeResourcesFit"] = Rejection(reasons, bool(node.could_fit))
    volume = int(node.volume)
    for plugin, verdict, hopeless in (
        ("VolumeZone" if volume == OTHER_ZONE else "VolumeBinding", volume, volume),
        ("PodTopologySpread", int(node.spread), LACKS_KEY),
        ("InterPodAffinity", int(node.affinity), NO_AFFINITY),
    ):
        if verdict != PASSES:
            found[plugin] = Rejection((REASONS[verdict],), verdict != hopeless)
    return found
