"""What the flows `step` and `episode` have in common: play, tell, publish, clean up."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from prefect import Flow, get_run_logger
from prefect.client.schemas.objects import FlowRun, State
from prefect.logging.loggers import flow_run_logger
from prefect.runtime import flow_run as current
from prefect.states import Completed

import tasks
from flows.artifacts import publish, publish_checks
from flows.parameters import check_source
from results.words import many, rewarded
from sim_arena.clusters import Check
from sim_arena.episode import EpisodeResult, EpisodeSpec, StepRecord, Verbs, play
from sim_arena.locks import is_locked
from tasks.turns import turn

__all__ = ["clean_up_run", "play_here", "run_name", "step_line"]


def run_name() -> str:
    """Return a flow run's name: `episode web by heuristic, 001-cpu-over-node`."""
    given = current.parameters
    trace = Path(str(given["trace"])).stem
    return f"{current.flow_name} {given['deploy']} by {given['policy']}, {trace}"


def play_here(given: dict[str, Any]) -> EpisodeResult:
    """Play an episode within the present flow run.

    Args:
        given: the flow's arguments; None stands for the default

    Returns:
        the flow run's final state, with the result in it and a message that says what happened.
        Prefect hands the result on to whoever called the flow, hence the type.
    """
    known = {name: value for name, value in given.items() if value is not None}
    spec = EpisodeSpec.model_validate({"run_id": str(current.id), **known})
    check_source(spec)
    logger = get_run_logger()
    records: list[StepRecord] = []

    def tell(record: StepRecord) -> None:
        records.append(record)
        logger.info(step_line(record))

    try:
        with turn(spec.place):
            result = play(spec, _verbs(), on_step=tell)
    except Exception as error:
        _publish(spec, records, error)
        raise
    for check in result.checks:
        if not check.ok:
            logger.warning("%s: %s", check.name, check.found)
    _publish(spec, result.records, None)
    return cast("EpisodeResult", _state(spec, result))


def clean_up_run(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Remove what a cancelled or crashed flow run made.

    Prefect calls it by these names of the arguments, in a new process that knows nothing but
    the flow run: what was made carries its id, or the run id that was given.
    """
    given = flow_run.parameters
    cluster = str(given.get("cluster") or "embedded")
    run_id = str(given.get("run_id") or flow_run.id)
    logger = flow_run_logger(flow_run, flow)
    if is_locked(Path(str(given.get("runs_dir") or "runs")) / run_id):
        # The flow run was given the id of a run that another process plays, and never got it.
        logger.info("left run %s alone: somebody else plays it", run_id)
        return
    context = given.get("context")
    tasks.clean_up(f"{cluster}:{context}" if context else cluster, run_id)
    logger.info(
        "cleaned up run %s on the %s cluster: the flow run is %s", run_id, cluster, state.name
    )


def step_line(record: StepRecord) -> str:
    """Return a step as one line for the log."""
    head = f"step {record['step'] + 1}"
    observation = record["observation"]
    if record["error"] is not None or observation is None:
        return f"{head}: {record['error']}"
    seen = f"{observation['ready']} of {record['target']} ready, {observation['pending']} pending"
    return f"{head}: {seen}, {rewarded(record['reward'])}, {record['action_type'] or 'no action'}"


def _verbs() -> Verbs:
    """Return the tasks; what the preflight finds on a real cluster becomes an artifact."""

    def preflight(spec: EpisodeSpec) -> list[Check]:
        checks = tasks.preflight(spec)
        if spec.cluster != "embedded":
            publish_checks(checks)
        return checks

    named = {name: getattr(tasks, name) for name in tasks.__all__}
    return cast("Verbs", SimpleNamespace(**named | {"preflight": preflight}))


def _publish(spec: EpisodeSpec, records: Sequence[StepRecord], failure: Exception | None) -> None:
    """Write the artifacts. What was played counts, also where the UI cannot show it."""
    try:
        publish(spec, records, failure)
    except Exception as error:  # noqa: BLE001 # told in the log, and with the step's own error
        message = f"the artifacts could not be written: {type(error).__name__}: {error}"
        get_run_logger().warning(message)
        if failure is not None:
            failure.add_note(message)


def _state(spec: EpisodeSpec, result: EpisodeResult) -> "State[EpisodeResult]":
    """Return a final state whose message says what happened."""
    count = len(result.records)
    steps = many(count, "step")
    if result.success:
        message = f"{spec.deploy} is healthy, seen in step {count}: {result.trace}"
        return Completed(message=message, data=result)
    if (unknown := result.unassessable) is not None:
        message = f"{spec.deploy} cannot be assessed on {spec.cluster}: {'; '.join(unknown)}"
        return Completed(name="NotAssessable", message=message, data=result)
    message = f"{spec.deploy} is not healthy after {steps}, which is the limit"
    return Completed(name="Truncated", message=message, data=result)
