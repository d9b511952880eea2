"""Mutants that change nothing that can be observed, each with the reason."""

__all__ = ["EQUIVALENT"]

_FIT = "plugins.node_resources_fit"
_BALANCE = "plugins.node_resources_balanced_allocation"
_SPREAD = "plugins.pod_topology_spread"
_AFFINITY = "plugins.inter_pod_affinity"
_PREEMPTION = "plugins.default_preemption"

_A_MARK = "a mark: any number will do that no score can be"
_INFINITE = "more than any count or score, like the number before it"
_ADDS_NOTHING = "what is let through adds 0"
_NO_ROOM_FOR_LAST = (
    "where a node lacks the label, there are fewer domains than nodes: the last one's count, which "
    "stands at index -1, is 0"
)
_SELDOM = "a quick way out: what it spares has nothing to find"
_ANY_AT_ALL = "it only matters whether the number is 0"

EQUIVALENT: dict[str, str] = {
    f"{_FIT}.could_fit: wanted > 0 and wanted > program.node_extended[n, r] -> "
    "wanted > program.node_extended[n, r]": "no node has less than nothing of a resource",
    f"{_FIT}.could_fit: wanted > 0 -> wanted >= 0": "no node has less than nothing of a resource",
    f"{_FIT}._least: requested > allocatable -> requested >= allocatable": (
        "of what is used up, nothing is left: the formula says 0 too"
    ),
    f"{_BALANCE}._balance: 100 -> 101": "it is taken from itself: the same node has it twice",
    f"{_SPREAD}.: 1 -> 2": _A_MARK,
    f"{_SPREAD}.: 1 -> 2 (2)": _INFINITE,
    f"{_SPREAD}.: 62 -> 63": _INFINITE,
    f"{_SPREAD}.count: if program.header[0].areas_shared: -> if True:": _SELDOM,
    f"{_SPREAD}._count_for_others: term.areas > 0 and term.matches != UNSET and "
    "program.matches[term.matches, template] -> term.matches != UNSET and "
    "program.matches[term.matches, template]": "_count_by_domain asks it again",
    f"{_SPREAD}._count_for_others: term.areas > 0 -> term.areas >= 0": (
        "_count_by_domain asks it again"
    ),
    f"{_SPREAD}._count_for_others: 0 -> 1 (2)": "the one area is that of the nodes without a label",
    f"{_SPREAD}._count_by_domain: 0 -> 1": "the one area is that of the nodes without a label",
    f"{_SPREAD}._count_by_domain: term.areas > 0 and d != UNSET and "
    "program.included[term.included, n] -> term.areas > 0 and program.included[term.included, n]": (
        "the last area, at index -1, is that of the nodes without a label, whose count nobody reads"
    ),
    f"{_SPREAD}.score: 0 -> 1 (2)": "it is written over at the end",
    f"{_SPREAD}._round: value - whole >= 0.5 -> value - whole > 0.5": (
        "no multiple of a logarithm, and no whole number, ends in a half"
    ),
    f"{_SPREAD}.normalize: 0 -> 1": "if the most is 0, the formula gives all nodes 100 as well",
    f"{_AFFINITY}._count_domains: total += _add_domains(program, state, u, key) -> "
    "total -= _add_domains(program, state, u, key)": _ANY_AT_ALL,
    f"{_AFFINITY}._add_domains: total += state.placed[u, n] -> total -= state.placed[u, n]": (
        _ANY_AT_ALL
    ),
    f"{_AFFINITY}._judge_affinity: anywhere += _count_domains(program, state, matches, "
    "program.terms[t].key) -> anywhere -= _count_domains(program, state, matches, "
    "program.terms[t].key)": _ANY_AT_ALL,
    f"{_AFFINITY}._add_domains: d != UNSET and state.placed[u, n] > 0 -> d != UNSET": _ADDS_NOTHING,
    f"{_AFFINITY}._add_domains: state.placed[u, n] > 0 -> state.placed[u, n] >= 0": _ADDS_NOTHING,
    f"{_AFFINITY}._reject_crowded: d != UNSET and state.room[d].domain > 0 and "
    "(state.room[n].verdict == PASSES) -> state.room[d].domain > 0 and "
    "state.room[n].verdict == PASSES": _NO_ROOM_FOR_LAST,
    f"{_AFFINITY}._add_weights: if d != UNSET: -> if True:": _NO_ROOM_FOR_LAST,
    f"{_AFFINITY}.has_scores: if record.end_preferred > record.first_preferred: -> if True:": (
        _SELDOM
    ),
    f"{_AFFINITY}.has_scores: record.end_preferred > record.first_preferred -> "
    "record.end_preferred >= record.first_preferred": _SELDOM,
    f"{_AFFINITY}.has_scores: if kind == PREFERRED or kind == REQUIRED_AFFINITY: -> if True:": (
        _SELDOM
    ),
    f"{_AFFINITY}.has_scores: False -> True": _SELDOM,
    f"{_AFFINITY}.score: if term.kind == PREFERRED or term.kind == REQUIRED_AFFINITY: -> "
    "if True:": "the nodes near an anti-affinity that rejects the pod are not scored",
    "plugins.normalize.default_normalize: 0 -> 1": "if the largest is 0, all are 0 either way",
    f"{_PREEMPTION}.find_candidates: if potential == 0: -> if False:": _SELDOM,
    f"{_PREEMPTION}.find_candidates: 1 -> 2 (2)": _ANY_AT_ALL,
    f"{_PREEMPTION}.select_victims: if program.header[0].budgets: -> if True:": _SELDOM,
    f"{_PREEMPTION}._more_important: _start(state, a) < _start(state, b) -> "
    "_start(state, a) <= _start(state, b)": (
        "of pods that began in the same second any may be the first: Kubernetes' sort is not stable"
    ),
    f"{_PREEMPTION}._describe: 0 -> 1 (4)": "every candidate's sum is one more",
    f"{_PREEMPTION}._more_important: _priority(program, state, a) > _priority(program, state, b) "
    "-> _priority(program, state, a) >= _priority(program, state, b)": "they are not equal there",
}
