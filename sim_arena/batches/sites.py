"""Sites: a trace on its nodes, with a workload to repair, as it is and as it was edited."""

import json
from collections.abc import Hashable
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, cast

from sim_arena import actions, engine
from sim_arena.actions import Action
from sim_arena.nodes import parse_nodes
from sim_arena.observation import Observation
from sim_arena.records import complete
from sim_arena.spec import EpisodeSpec
from sim_arena.steps import told
from sim_arena.verbs import Mutated, mutated
from traces import Trace, WorkloadRef, find_workload, load_trace
from traces.workloads import applications

__all__ = ["Move", "Seen", "Site", "Sites", "Variant"]


@dataclass(slots=True, eq=False)
class Seen:
    """An observation, and what follows from it: one for all episodes that make it.

    Args:
        observation: with every field; whoever hands it out copies it
        follows: what was made of it, by whoever made it
    """

    observation: Observation
    follows: dict[Hashable, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Move:
    """What an action does to a variant.

    Args:
        action: the action
        done: what it did, with the traces' names left empty
        variant: what the trace is afterwards
        error: why it could not be done, as it stands in a record
    """

    action: Action
    done: Mutated | None
    variant: "Variant"
    error: str | None = None


@dataclass(slots=True, eq=False)
class Variant:
    """A site's trace after some edits, compiled.

    Args:
        site: where it belongs
        program: the trace, compiled
        trace: the trace itself; of a lean site, only the workload
    """

    site: "Site"
    program: "engine.Program"
    trace: Trace
    _seen: dict[bytes, Seen] = field(default_factory=dict)
    _moves: dict[str, Move] = field(default_factory=dict)

    def seen(self, key: bytes | None, batch: "engine.Batch", i: int) -> Seen:
        """Return what run `i` of a batch saw, at a glance with this key."""
        found = None if key is None else self._seen.get(key)
        if found is None:
            found = Seen(complete(batch.observe(i, self.site.ref)))
            if key is not None:
                self._seen[key] = found
        return found

    def move(self, key: str, action: Action) -> Move:
        """Return what an action does, by a key that is equal for equal actions."""
        found = self._moves.get(key)
        if found is None:
            found = self._moves[key] = self._moved(action)
        return found

    def _moved(self, action: Action) -> Move:
        site = self.site
        try:
            trace = _copy(self.trace)
            mutation = actions.apply_to_trace(
                trace, action, namespace=site.namespace, guardrails=site.guardrails
            )
            done = mutated(mutation, "", "")
            if not mutation.changed:
                return Move(action, done, self)
            return Move(action, done, site.variant(trace, self, action))
        except Exception as error:  # noqa: BLE001 # told in the record of every episode that does it
            return Move(action, None, self, told(error))


class Site:
    """A trace on its nodes, with the workload that is repaired.

    Args:
        spec: an episode that is played here
        lean: keep only the workload of an edited trace, which is all that edits look at
    """

    def __init__(self, spec: EpisodeSpec, *, lean: bool) -> None:
        trace = load_trace(spec.trace)
        self.ref: WorkloadRef = find_workload(trace, spec.deploy, spec.namespace)
        self.namespace = spec.namespace
        self.guardrails = spec.guardrails
        parameters = engine.Parameters(duration=spec.duration, replay=spec.replay)
        program = engine.compile_trace(trace, parse_nodes(spec.nodes), parameters)
        self._variants: dict[str, Variant] = {}
        self.start = Variant(self, program, _lean(trace, self.ref) if lean else trace)
        self._variants[self._state(self.start.trace)] = self.start

    def variant(self, trace: Trace, before: Variant, action: Action) -> Variant:
        """Return the variant of an edited trace; the same for all ways that lead to it."""
        state = self._state(trace)
        if state not in self._variants:
            program = actions.apply_to_program(
                before.program, action, ref=self.ref, guardrails=self.guardrails
            )
            self._variants[state] = Variant(self, program, trace)
        return self._variants[state]

    def _state(self, trace: Trace) -> str:
        """Return everything that edits change, as text."""
        parts = []
        for _, ref, obj in applications(trace):
            if ref == self.ref:
                containers = obj["spec"]["template"]["spec"]["containers"]
                resources = [container.get("resources") for container in containers]
                parts.append([obj["spec"].get("replicas"), resources])
        return json.dumps(parts, default=str)


class Sites:
    """The sites of a batch, each made once.

    Args:
        lean: as for `Site`
    """

    def __init__(self, *, lean: bool) -> None:
        self._lean = lean
        self._sites: dict[Hashable, Site] = {}

    def at(self, spec: EpisodeSpec) -> Site:
        """Return the site of an episode.

        Raises:
            TraceError, SimArenaError: the trace cannot be read or compiled, or lacks the workload
        """
        key = (
            *(spec.trace, spec.nodes, spec.duration, spec.replay),
            *(spec.deploy, spec.namespace, spec.guardrails),
        )
        if key not in self._sites:
            self._sites[key] = Site(spec, lean=self._lean)
        return self._sites[key]


def _lean(trace: Trace, ref: WorkloadRef) -> Trace:
    """Return a trace of one workload: as many events, each with that object or none."""
    kept: dict[int, list[Any]] = {}
    for event, workload, obj in applications(trace):
        if workload == ref:
            kept.setdefault(event, []).append(deepcopy(obj))
    events = [
        {"ts": event["ts"], "applied_objs": kept.get(number, []), "deleted_objs": []}
        for number, event in enumerate(trace["events"])
    ]
    lean = {"version": trace["version"], "config": trace["config"], "events": events}
    return cast("Trace", lean | {"index": {}, "pod_lifecycles": {}})


def _copy(value: Any) -> Any:
    """Copy what was read from MessagePack: much faster than `deepcopy`."""
    if isinstance(value, dict):
        return {key: _copy(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_copy(one) for one in value]
    return value
