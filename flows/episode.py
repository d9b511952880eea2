"""The flow `episode`: up to N steps, until the workload is healthy."""

from prefect import flow

from flows import parameters as p
from flows.playing import clean_up_run, play_here, run_name
from sim_arena import spec
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.episode import EpisodeResult, StepSizes
from sim_arena.guardrails import Guardrails
from sim_arena.nodes import DEFAULT_NODES

__all__ = ["episode"]


@flow(
    name="episode",
    flow_run_name=run_name,
    persist_result=False,
    on_cancellation=[clean_up_run],
    on_crashed=[clean_up_run],
)
def episode(  # noqa: PLR0913, PLR0917 # each is a field of the form in the UI
    trace: spec.TracePath,
    deploy: spec.Deploy,
    target: spec.Target,
    duration: spec.Duration = 60,
    namespace: spec.Namespace = None,
    policy: p.PolicyName = "heuristic",
    reward: p.RewardName = "binary",
    max_steps: spec.MaxSteps = 10,
    seed: spec.Seed = 0,
    nodes: spec.Nodes = DEFAULT_NODES,
    replay: spec.Replay = "simkube",
    guardrails: Guardrails = p.GUARDRAILS,
    steps: StepSizes = p.STEPS,
    pre_start: p.Hooks = None,
    post_end: p.Hooks = None,
    cluster: p.ClusterName = "embedded",
    context: spec.Context = None,
    speed: spec.Speed = 1.0,
    allow_real_nodes: bool = False,  # noqa: FBT001, FBT002 # a field of the form
    simkube: SimKubeSettings = p.SIMKUBE,
    timeout: spec.Timeout = 600,
    runs_dir: spec.RunsDir = "runs",
    run_id: spec.RunId = None,
) -> EpisodeResult:
    """Play steps until the workload is healthy, or until there are `max_steps` of them.

    Args:
        trace: path of the trace file
        deploy: name of the Deployment, StatefulSet or ReplicaSet in the trace
        target: ready pods that count as success
        duration: simulated window of each step, in seconds
        namespace: the workload's namespace; needed where the name is in several
        policy: who chooses the actions: a policy's name; `module:attribute` as for the hooks
        reward: what an observation is worth
        max_steps: steps at most
        seed: of the policy and of the simulation's free choices
        nodes: a short form such as `3x16cpu,32Gi`, or a path of Node manifests
        replay: `simkube` rewrites the objects as SimKube does, `plain` does not
        guardrails: the bounds that no action crosses
        steps: how far an action goes when the policy does not say
        pre_start: commands or callables before each step's simulation; in a deployment only
            where SIM_ARENA_ALLOW_CODE=1 is set on the worker
        post_end: likewise, after each step's observation
        cluster: where the trace is replayed
        context: the kubeconfig's context of a real cluster, by default the current one
        speed: on a real cluster, divides the pauses and the pods' running times
        simkube: on the cluster `simkube`, how SimKube is run
        allow_real_nodes: whether a real cluster may have nodes that are not KWOK's
        timeout: real seconds that one simulation may take
        runs_dir: folder of all runs
        run_id: the run's name, by default the flow run's id; that of an interrupted run goes on
            with it

    Returns:
        how it went: the records of the steps, and the trace that was seen to be healthy

    Raises:
        SimArenaError, TraceError, ResultsError: what went wrong. What was made is cleaned up
    """
    return play_here(locals())  # at this point these are the arguments
