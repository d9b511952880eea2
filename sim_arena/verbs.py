"""The verbs of the loop as plain functions.

`sim_arena.episode` says in which order they come. What one hands to the next is plain data that
can be serialised, so that each may run in another process; only the policy, which may have a
state, is an object.
"""

from pathlib import Path
from typing import TypedDict

from results import Run
from sim_arena import actions, clusters, policies, rewards
from sim_arena import preflight as _preflight
from sim_arena.actions import Action
from sim_arena.clusters import Check, Simulation
from sim_arena.errors import PermanentError
from sim_arena.observation import FIELDS, Observation
from sim_arena.policies import Policy
from sim_arena.records import ChangeRecord, StepRecord, complete, to_row
from sim_arena.spec import EpisodeSpec
from traces import Change, Trace, find_workload, load_trace, save_trace

__all__ = [
    "Mutated",
    "clean_up",
    "decide",
    "mutate",
    "mutated",
    "observe",
    "preflight",
    "record",
    "reward",
    "save_mutated",
    "simulate",
    "wait",
]


class Mutated(TypedDict):
    """What an action did: the trace that goes out, and what is different in it."""

    trace: str
    changed: bool
    changes: list[ChangeRecord]
    notes: list[str]


def preflight(spec: EpisodeSpec) -> list[Check]:
    """Check what can be known before the first simulation; judge with `preflight.require`."""
    return _preflight.check(spec)


def simulate(spec: EpisodeSpec, trace: str, step: int) -> Simulation:
    """Start replaying a trace.

    Args:
        spec: the episode; its `run_id` is set
        trace: path of the trace that comes in
        step: number of the step, from 0

    Returns:
        the simulation, by which the other verbs find it

    Raises:
        ClusterError: the cluster could not start it
        TraceError: the trace cannot be read, or does not have the workload
    """
    ref = find_workload(load_trace(trace), spec.deploy, spec.namespace)
    simulation = Simulation(
        name=f"{spec.run_id}-{spec.episode}-{step}",
        step=step,
        cluster=spec.place,
        run_id=str(spec.run_id),
        trace=trace,
        nodes=spec.nodes,
        replay=spec.replay,
        kind=ref.kind,
        namespace=ref.namespace,
        deploy=ref.name,
        duration=spec.duration,
        seed=spec.seed,
        timeout=spec.timeout,
        speed=spec.speed,
        simkube=spec.simkube.model_dump(mode="json", exclude_defaults=True),
    )
    clusters.get(spec.place).create(simulation)
    return simulation


def wait(simulation: Simulation) -> list[str]:
    """Wait for the end of the simulated window.

    Returns:
        the kinds and fields that the cluster did not model, by name

    Raises:
        ClusterError: the cluster failed, or took longer than the simulation's timeout
    """
    return clusters.get(simulation["cluster"]).wait(simulation)


def observe(simulation: Simulation) -> Observation:
    """Read the workload's state.

    Returns:
        every field of the registry; None for what the cluster does not know

    Raises:
        ClusterError: the cluster could not be read, or did not give what is always known
    """
    observation = complete(clusters.get(simulation["cluster"]).observe(simulation))
    missing = [
        field.name for field in FIELDS if field.required and observation.get(field.name) is None
    ]
    if missing:
        raise PermanentError(
            f"expected the cluster {simulation['cluster']!r} to know {', '.join(missing)} of "
            f"{simulation['deploy']}, found nothing: the observation is not used"
        )
    return observation


def decide(spec: EpisodeSpec, policy: Policy, observation: Observation) -> Action:
    """Ask the policy for an action.

    Raises:
        PolicyError: the policy failed, or answered something else than an action
    """
    return policies.decide(policy, observation, spec.deploy, steps=spec.steps.by_action())


def mutate(spec: EpisodeSpec, trace: str, action: Action, out: str) -> Mutated:
    """Apply an action to a trace file.

    Args:
        spec: the episode, with its guardrails
        trace: path of the trace that came in; it stays as it is
        action: the action
        out: path for the mutated trace, written atomically; not written if nothing changed

    Returns:
        the trace that goes out, `out` or, if nothing changed, `trace`, and what changed

    Raises:
        ActionError: the action is not valid
        TraceError: the trace cannot be read, edited or written
    """
    document = load_trace(trace)
    mutation = actions.apply_to_trace(
        document, action, namespace=spec.namespace, guardrails=spec.guardrails
    )
    if mutation.changed:
        save_mutated(document, out)
    return mutated(mutation, trace, out)


def save_mutated(trace: Trace, out: str) -> None:
    """Write a mutated trace, atomically, and make the folder for it."""
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    save_trace(trace, out)


def mutated(mutation: actions.Mutation, trace: str, out: str) -> Mutated:
    """Return a mutation as plain data."""
    return Mutated(
        trace=out if mutation.changed else trace,
        changed=mutation.changed,
        changes=[_plain(change) for change in mutation.changes],
        notes=list(mutation.notes),
    )


def reward(name: str, observation: Observation, target: int, duration: float) -> float:
    """Return the reward for an observation.

    Raises:
        SimArenaError: there is no such reward
    """
    return rewards.get(name)(observation, target, duration)


def record(folder: str, step: StepRecord) -> None:
    """Write a step to its run's folder; it is on the disk when this returns.

    Raises:
        ResultsError: it cannot be written
    """
    Run.open(folder).append_step(to_row(step))


def clean_up(cluster: str, run_id: str) -> None:
    """Remove whatever a run made on a cluster. It may be called at any time, and again.

    Args:
        cluster: the cluster's name, with a colon and the context after it where there is one
        run_id: the run's id

    Raises:
        ClusterError: the cluster could not remove it
    """
    clusters.get(cluster).clean_up(run_id)


def _plain(change: Change) -> ChangeRecord:
    return ChangeRecord(
        event=change.event,
        kind=change.workload.kind,
        namespace=change.workload.namespace,
        name=change.workload.name,
        container=change.container,
        field=change.field,
        before=change.before,
        after=change.after,
    )
