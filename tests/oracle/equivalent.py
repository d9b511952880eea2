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
_FLAG = "a flag: any number but 0 will do"
_REFUSED = "the API server refuses what this is for"
_SPARES_COMPILING = "`whole` is None only where a program needs nothing of what lies behind it"
_AGAIN = "the node is asked once more, and says the same"
_NOT_READ = "nobody reads it without terms of required affinity"
_MORE_LOGS = "more numbers than anybody looks up"
_SCHEDULER = "scheduler"
_REJECTIONS = "rejections"
_REQUESTS = "requests"
_MATCHING = "compiler.matching"
_SELECTORS = "compiler.selectors"
_TERMS = "compiler.terms"

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
    f"{_SPREAD}._judge_own_node: if _has_keys(program, record.first_hard, record.end_hard, n): -> "
    "if True:": "the constraint whose label is missing rejects the node",
    f"{_SPREAD}._judge_own_node: if state.room[n].verdict == PASSES: -> if True:": (
        "another constraint's rejection of the same node is of the same plugin"
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
    f"{_SCHEDULER}.find_feasible: False -> True": _AGAIN,
    f"{_SCHEDULER}.find_feasible: if whole is not None: -> if True:": _SPARES_COMPILING,
    f"{_SCHEDULER}.find_feasible: if judged: -> if True:": "without terms all verdicts are good",
    f"{_SCHEDULER}.find_feasible: record.end_ports > record.first_ports -> "
    "record.end_ports >= record.first_ports": _AGAIN,
    **{f"{_REJECTIONS}.count_rejection: 1 -> 2 ({n})": _FLAG for n in (4, 5, 8, 9, 10)},
    "verdicts.judge: if program.header[0].claims: -> if True:": _SELDOM,
    f"{_REQUESTS}.sum_of_containers: if kind == SIDECAR: -> if True:": (
        "regular containers come last, and their sum is never more than that of all that run"
    ),
    f"{_REQUESTS}.pod_level_request: request != UNSET or not template.pod_limited -> "
    "request != UNSET": "without limits of the whole pod the same sum is found",
    f"{_MATCHING}.named_nodes: field.get('values') or () -> field.get('values')": _REFUSED,
    f"{_MATCHING}.named_nodes: field.get('key') == 'metadata.name' and "
    "field.get('operator') == 'In' -> field.get('operator') == 'In'": (
        "metadata.name is the only field"
    ),
    f"{_MATCHING}._covers: bool(toleration.get('key')) and str(toleration.get('value') or '') == "
    "taint.value -> str(toleration.get('value') or '') == taint.value": _REFUSED,
    f"{_MATCHING}._required_terms: required.get('nodeSelectorTerms') or () -> "
    "required.get('nodeSelectorTerms')": _REFUSED,
    f"{_MATCHING}._matches: expression.get('values') or () -> expression.get('values')": _REFUSED,
    f"{_MATCHING}._compares: values[0] if values else '' -> values[0] if True else ''": _REFUSED,
    f"{_MATCHING}._compares: operator == 'Lt' and have < bound -> have < bound": (
        "there is no other operator"
    ),
    f"{_SELECTORS}.affinity_selector: if requirements is not None: -> if True:": _REFUSED,
    f"{_SELECTORS}._holds: operator == 'DoesNotExist' and value is None -> value is None": (
        "there is no other operator"
    ),
    f"{_TERMS}.share_areas: row['areas'] and row['matches'] != UNSET -> "
    "row['areas'] or row['matches'] != UNSET": _SELDOM,
    f"{_TERMS}.share_areas: row['areas'] and row['matches'] != UNSET -> "
    "row['matches'] != UNSET": _SELDOM,
    f"{_TERMS}.share_areas: row['areas'] and row['matches'] != UNSET -> row['areas']": _SELDOM,
    f"{_TERMS}.logs: len(self.nodes) + 2 if self.rows else 0 -> "
    "len(self.nodes) + 2 if True else 0": _MORE_LOGS,
    f"{_TERMS}.logs: 2 -> 3": _MORE_LOGS,
    f"{_TERMS}.logs: 0 -> 1": _MORE_LOGS,
    f"{_TERMS}._add: 0 -> 1": _NOT_READ,
    f"{_TERMS}._add: 0 -> 1 (2)": "all nodes get it alike",
    f"{_TERMS}._add: 0 -> 1 (3)": "nobody reads a required term's weight",
    f"{_TERMS}._add: 0 -> 1 (4)": "nobody reads a required term's weight",
    f"{_TERMS}._add: if selectors: -> if True:": _NOT_READ,
    f"{_TERMS}._match_row: if key not in self._match_rows: -> if True:": "the same row once more",
    f"{_TERMS}._variants_row: if variants not in self._match_rows: -> if True:": (
        "the same row once more"
    ),
    f"{_AFFINITY}.normalize: 0 -> 1 (2)": "of one node alone the score is the least, which gives 0",
    "plugins.normalize.default_normalize: 0 -> 1": "if the largest is 0, all are 0 either way",
    f"{_PREEMPTION}.find_candidates: if potential == 0: -> if False:": _SELDOM,
    f"{_PREEMPTION}.find_candidates: 1 -> 2 (2)": _ANY_AT_ALL,
    f"{_PREEMPTION}.select_victims: if program.header[0].budgets: -> if True:": _SELDOM,
    f"{_PREEMPTION}._more_important: _start(state, a) < _start(state, b) -> "
    "_start(state, a) <= _start(state, b)": (
        "of pods that began in the same second any may be the first: Kubernetes' sort is not stable"
    ),
    f"{_PREEMPTION}._describe: 0 -> 1 (4)": "every candidate's sum is one more",
    f"{_PREEMPTION}.pick: cost < least -> cost <= least": "of equals any gives the least cost",
    f"{_PREEMPTION}.pick: wanted is not None and state.victims[i].node == wanted -> "
    "state.victims[i].node == wanted": _SPARES_COMPILING,
    f"{_PREEMPTION}._more_important: _priority(program, state, a) > _priority(program, state, b) "
    "-> _priority(program, state, a) >= _priority(program, state, b)": "they are not equal there",
}
