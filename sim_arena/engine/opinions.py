"""What each of the scheduler's plugins says of each node for one pod, in numbers.

The plugins' own functions are asked, those that the scheduler uses: each filter for itself on
every node, each score for the nodes that all filters let pass. What they say is put into words in
explain.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from sim_arena.engine.jit import interpreted, jit, rare
from sim_arena.engine.lifecycle import count_on_node
from sim_arena.engine.plugins import (
    default_preemption,
    image_locality,
    inter_pod_affinity,
    node_affinity,
    node_ports,
    node_resources_balanced_allocation,
    node_resources_fit,
    pod_topology_spread,
    taint_toleration,
    volume_binding,
)
from sim_arena.engine.scheduler import best_node, count_reasons, find_nodes, score_nodes
from sim_arena.engine.state import FEASIBLE, NOMINATED, RAW, SCORE, UNSCHEDULABLE, State
from sim_arena.engine.verdicts import clear_verdicts
from traces.arithmetic import UNSET

if TYPE_CHECKING:
    from sim_arena.engine.program import Arrays

__all__ = ["SCORES", "WEIGHTS", "Opinions", "allocate_opinions", "ask"]

# The plugins that score, in the default profile's order.
SCORES = (
    "TaintToleration",
    "NodeAffinity",
    "NodeResourcesFit",
    "PodTopologySpread",
    "InterPodAffinity",
    "NodeResourcesBalancedAllocation",
    "ImageLocality",
)
_TAINTS, _LABELS, _FIT, _SPREAD, _AFFINITY, _BALANCE, _IMAGES = range(len(SCORES))
WEIGHTS = dict(
    zip(
        SCORES,
        (
            taint_toleration.WEIGHT,
            node_affinity.WEIGHT,
            node_resources_fit.WEIGHT,
            pod_topology_spread.WEIGHT,
            inter_pod_affinity.WEIGHT,
            node_resources_balanced_allocation.WEIGHT,
            image_locality.WEIGHT,
        ),
        strict=True,
    )
)

_POD = np.dtype(
    [
        ("feasible", "i8"),
        ("chosen", "i8"),
        ("nominated", "i8"),  # the node that preemption would make room on, or UNSET
        ("message", "i8"),
        ("only", "i8"),  # the node that a DaemonSet's pod is for, or UNSET
    ],
    align=True,
)
_NODE = np.dtype(
    [
        ("ports_free", "i8"),
        ("fits", "i8"),
        ("could_fit", "i8"),
        ("volume", "i8"),
        ("spread", "i8"),
        ("affinity", "i8"),
        ("violations", "i8"),  # victims whose loss breaks a PodDisruptionBudget
        ("feasible", "i8"),  # by place: the node
        ("score", "i8"),  # by place: the weighted sum
    ],
    align=True,
)


class Opinions(NamedTuple):
    """What `ask` writes."""

    pod: Any  # [1]
    nodes: Any
    lacking: Any  # [node, reason]: resources that are short
    skipped: Any  # [score plugin]
    raw: Any  # [score plugin, place]
    normalised: Any  # [score plugin, place]
    rejections: Any  # [2 x reason]: as in the state
    victims: Any  # [node, pod]: whom preemption would evict


def allocate_opinions(nodes: int, reasons: int, pods: int) -> Opinions:
    """Make room for the answers about a pod.

    Args:
        nodes: number of nodes.
        reasons: of reasons to reject a node, one for each extended resource included.
        pods: of pods in the state.
    """
    scores = np.zeros((len(SCORES), nodes), np.int64)
    return Opinions(
        pod=np.zeros(1, _POD).view(np.recarray),
        nodes=np.zeros(nodes, _NODE).view(np.recarray),
        lacking=np.zeros((nodes, reasons), np.int64),
        skipped=np.zeros(len(SCORES), np.int64),
        raw=scores,
        normalised=scores.copy(),
        rejections=np.zeros(2 * reasons, np.int64),
        victims=np.zeros((nodes, pods), np.int8),
    )


def ask(program: Arrays, state: State, p: int, opinions: Opinions) -> None:
    """Ask all plugins about a pod, as plain Python: few ask, and need not wait for a compiler.

    Args:
        program: the program's arrays.
        state: the state of one run; scratch and counters are overwritten.
        p: the pod; if it is on a node, it is taken off.
        opinions: where the answers go.
    """
    interpreted(_ask)(program, state, p, opinions)


@rare
def _ask(program: Any, state: Any, p: int, opinions: Any) -> None:
    pod = state.pods[p]
    if pod.node != UNSET:
        count_on_node(program, state, p, -1)
        pod.node = UNSET
    opinions.pod[0].only = UNSET
    opinions.pod[0].nominated = UNSET
    if program.templates[pod.template].daemon != UNSET:
        opinions.pod[0].only = pod.ordinal
    _ask_filters(program, state, pod.template, opinions)
    held_up = False
    if program.header[0].claims and volume_binding.has_claims(program, pod.template):
        held_up = volume_binding.is_held_up(program, state, p)
    if held_up:
        opinions.pod[0].feasible = 0
        opinions.pod[0].chosen = UNSET
        opinions.pod[0].message = pod.message
        _keep_rejections(state, p, opinions)
    else:
        _ask_whole(program, state, p, opinions)


@jit
def _ask_whole(program: Any, state: Any, p: int, opinions: Any) -> None:
    """Search, score and choose as the scheduler does, and keep what each score gave."""
    pod = state.pods[p]
    feasible = find_nodes(program, state, p, 1)
    opinions.pod[0].feasible = feasible
    opinions.pod[0].chosen = UNSET
    if feasible == 0:
        _ask_preemption(program, state, p, opinions)
    else:
        for i in range(feasible):
            opinions.nodes[i].feasible = state.lanes[FEASIBLE, i]
        _ask_scores(program, state, pod.template, feasible, opinions)
        opinions.pod[0].chosen = best_node(program, state, p, feasible, 1, None)


@jit
def _ask_filters(program: Any, state: Any, template: int, opinions: Any) -> None:
    nodes = program.header[0].nodes
    for n in range(nodes):
        node = opinions.nodes[n]
        node.ports_free = node_ports.are_free(program, state, template, n)
        node.fits = node_resources_fit.fits(program, state, template, n)
        node.could_fit = node_resources_fit.could_fit(program, state, template, n)
        node_resources_fit.count_lacking(program, state, template, n, opinions.lacking[n], 0)
    clear_verdicts(program, state)
    if program.header[0].claims:
        volume_binding.judge(program, state, template)
    for n in range(nodes):
        opinions.nodes[n].volume = state.room[n].verdict
    clear_verdicts(program, state)
    pod_topology_spread.judge(program, state, template)
    for n in range(nodes):
        opinions.nodes[n].spread = state.room[n].verdict
    clear_verdicts(program, state)
    inter_pod_affinity.judge(program, state, template)
    for n in range(nodes):
        opinions.nodes[n].affinity = state.room[n].verdict


@jit
def _ask_scores(program: Any, state: Any, template: int, feasible: int, opinions: Any) -> None:
    record = program.templates[template]
    need = state.sets[template]
    opinions.skipped[_BALANCE] = need.cpu <= 0 and need.memory <= 0
    for i in range(feasible):
        n = state.lanes[FEASIBLE, i]
        fit = node_resources_fit.score(program.nodes[n], state.nodes[n], need)
        opinions.raw[_FIT, i] = fit
        opinions.normalised[_FIT, i] = fit
        if not opinions.skipped[_BALANCE]:
            balance = node_resources_balanced_allocation.score(
                program.nodes[n], state.nodes[n], need
            )
            opinions.raw[_BALANCE, i] = balance
            opinions.normalised[_BALANCE, i] = balance
    opinions.skipped[_SPREAD] = record.end_soft == record.first_soft
    if not opinions.skipped[_SPREAD]:
        pod_topology_spread.score(program, state, template, feasible)
        for i in range(feasible):  # nodes that are left out have a number of their own
            opinions.raw[_SPREAD, i] = max(0, state.lanes[RAW, i])
        pod_topology_spread.normalize(state, feasible)
        _keep(state, feasible, opinions.normalised[_SPREAD])
    opinions.skipped[_AFFINITY] = not inter_pod_affinity.has_scores(program, template)
    if not opinions.skipped[_AFFINITY]:
        inter_pod_affinity.score(program, state, template, feasible)
        _keep(state, feasible, opinions.raw[_AFFINITY])
        inter_pod_affinity.normalize(state, feasible)
        _keep(state, feasible, opinions.normalised[_AFFINITY])
    opinions.skipped[_LABELS] = not record.prefers_nodes
    if not opinions.skipped[_LABELS]:
        node_affinity.score(program, state, template, feasible)
        _keep(state, feasible, opinions.raw[_LABELS])
        node_affinity.normalize(state, feasible)
        _keep(state, feasible, opinions.normalised[_LABELS])
    taint_toleration.score(program, state, template, feasible)
    _keep(state, feasible, opinions.raw[_TAINTS])
    taint_toleration.normalize(state, feasible)
    _keep(state, feasible, opinions.normalised[_TAINTS])
    opinions.skipped[_IMAGES] = not program.header[0].images
    if not opinions.skipped[_IMAGES]:
        image_locality.score(program, state, template, feasible)
        _keep(state, feasible, opinions.raw[_IMAGES])
        _keep(state, feasible, opinions.normalised[_IMAGES])
    for i in range(feasible):
        opinions.nodes[i].score = -state.lanes[SCORE, i]
    score_nodes(program, state, template, feasible, 1)
    for i in range(feasible):
        # Put back what the search has left there: `best_node` adds to it again.
        base = -opinions.nodes[i].score
        opinions.nodes[i].score = state.lanes[SCORE, i]
        state.lanes[SCORE, i] = base


@jit
def _keep(state: Any, feasible: int, row: Any) -> None:
    for i in range(feasible):
        row[i] = state.lanes[RAW, i]


@jit
def _ask_preemption(program: Any, state: Any, p: int, opinions: Any) -> None:
    count_reasons(program, state, p)
    candidates = 0
    if program.header[0].preempts:
        if not program.templates[state.pods[p].template].never_preempts:
            candidates = default_preemption.find_candidates(program, state, p)
    opinions.pod[0].message = NOMINATED if candidates > 0 else UNSCHEDULABLE
    if candidates > 0:
        opinions.pod[0].nominated = default_preemption.pick(state, p, candidates, None)
    _keep_rejections(state, p, opinions)
    for i in range(candidates):
        n = state.victims[i].node
        opinions.nodes[n].violations = state.victims[i].violations
        victims = default_preemption.select_victims(program, state, p, n)
        for v in range(victims):
            victim = state.lists[v].chosen
            opinions.victims[n, victim] = 1
            count_on_node(program, state, victim, 1)


@jit
def _keep_rejections(state: Any, p: int, opinions: Any) -> None:
    for r in range(state.rejections.shape[1]):
        opinions.rejections[r] = state.rejections[p, r]
