"""`sim-arena simulate`: what a trace does on some nodes; no policy, no Prefect."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import options, output
from flows.cli.explain import explained, find, print_explanation

if TYPE_CHECKING:
    from sim_arena.engine import Parameters, Simulation
    from traces import WorkloadRef

__all__ = ["simulate"]


def simulate(  # noqa: PLR0913 # each option is an argument
    *,
    trace: options.TracePath,
    nodes: options.Nodes = options.DEFAULT_NODES,
    duration: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=options.LONGEST,
            metavar="S",
            help="Seconds to replay.",
            show_default="60 s after the last event",
        ),
    ] = None,
    at: Annotated[
        list[float] | None,
        typer.Option(
            min=0,
            max=options.LONGEST,
            metavar="T",
            help="Show the state T seconds after the first event; repeatable.",
            show_default="the end",
        ),
    ] = None,
    seed: options.Seed = 0,
    replay: options.Replay = "simkube",
    image_pull_delay: Annotated[
        int,
        typer.Option(min=0, metavar="MS", help="Milliseconds to pull the images, at least."),
    ] = 0,
    image_pull_jitter: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="MS", help="And below this, at random.", show_default="exactly"
        ),
    ] = None,
    pod_startup_delay: Annotated[
        int, typer.Option(min=0, metavar="MS", help="Milliseconds from there to Running, at least.")
    ] = 0,
    pod_startup_jitter: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="MS", help="And below this, at random.", show_default="exactly"
        ),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            metavar="WORKLOAD",
            help="Show what each of the scheduler's plugins says of each node for a pod of it: "
            "one that is pending, else the last that was placed.",
        ),
    ] = None,
    json: options.AsJson = False,
) -> None:
    """Show what a trace does on some nodes; no policy, no Prefect.

    For every workload: ready, pending and total pods, what was killed or evicted, and why pods
    wait. The state is that after all events of the second asked for, and before anything is
    deleted at the end.
    """
    from sim_arena.engine import Parameters

    parameters = Parameters(
        duration=duration,
        replay=replay,
        image_pull_delay=image_pull_delay,
        image_pull_jitter=image_pull_delay if image_pull_jitter is None else image_pull_jitter,
        pod_startup_delay=pod_startup_delay,
        pod_startup_jitter=pod_startup_delay if pod_startup_jitter is None else pod_startup_jitter,
    )
    times = sorted(set(at or []))
    if duration is not None and times and times[-1] > duration:
        raise typer.BadParameter(
            f"{output.seconds(times[-1])} s is after the end; give --duration "
            f"{output.seconds(times[-1])} or more",
            param_hint="--at",
        )
    options.existing(trace)
    simulation, end = _compiled(str(trace), nodes, parameters, seed, times)
    ref = None if explain is None else find(simulation, explain)
    moments = _observed(simulation, times, end, ref)
    document = {"at": moments, "warnings": list(simulation.warnings)}
    if json:
        output.print_json(document)
    else:
        _print(moments)
        if ref is not None:
            for moment in moments:
                output.show(f"\nAfter {output.duration(moment['t'])}")
                print_explanation(moment["explained"], "/".join(ref))
        output.warn(simulation.warnings)


def _compiled(
    path: str, nodes: str, parameters: "Parameters", seed: int, times: Sequence[float]
) -> tuple["Simulation", float]:
    """Return the simulation at its start, and its end in seconds."""
    import dataclasses
    import math

    from sim_arena.engine import Simulation, compile_trace
    from sim_arena.nodes import parse_nodes
    from traces import load_trace

    document = load_trace(path)
    cluster = parse_nodes(nodes)
    program = compile_trace(document, cluster, parameters)
    if times and times[-1] > program.duration_s:  # only without --duration: look further
        longer = dataclasses.replace(parameters, duration=math.ceil(times[-1]))
        program = compile_trace(document, cluster, longer)
    return Simulation(program, seed=seed), program.duration_s


def _observed(
    simulation: "Simulation", times: Sequence[float], end: float, ref: "WorkloadRef | None"
) -> list[dict[str, Any]]:
    moments = []
    for time in times or [end]:
        simulation.advance(time)
        moment: dict[str, Any] = {
            "t": output.seconds(time),
            "workloads": _workloads(simulation),
        }
        if ref is not None:
            moment["explained"] = explained(simulation, ref)
        moments.append(moment)
    return moments


def _workloads(simulation: "Simulation") -> list[dict[str, Any]]:
    return [
        {
            "kind": workload.kind,
            "namespace": workload.namespace,
            "name": workload.name,
            "ready": workload.ready,
            "pending": workload.pending,
            "total": workload.total,
            "reasons": dict(workload.reasons),
            **({"refused": dict(workload.refused)} if workload.refused else {}),
            **{name: count for name in _TROUBLES if (count := getattr(workload, name))},
        }
        for workload in simulation.status()
    ]


# What may have become of a workload's containers and pods, and how the table says it.
_TROUBLES = {
    "oom_killed": "killed for memory",
    "restarts": "restarted",
    "evicted": "evicted: the node was short of memory",
}
_NARROW = 100  # columns; below, the reasons would be a column of single words
_WIDE_COLUMNS = ("Kind", "Namespace", "Name", "Ready#", "Pending#", "Total#", "What is wrong")
_NARROW_COLUMNS = ("Workload", "Ready#", "Pending#", "Total#")


def _print(moments: Sequence[dict[str, Any]]) -> None:
    narrow = output.console().width < _NARROW
    for moment in moments:
        title = f"After {output.duration(moment['t'])}"
        if not moment["workloads"]:
            output.show(f"{title}: no workloads")
        elif narrow:
            rows = [(_name(one), *_counts(one)) for one in moment["workloads"]]
            output.show(output.table(title, _NARROW_COLUMNS, rows))
            waiting = [one for one in moment["workloads"] if _reasons(one)]
            output.show(*(f"{_name(one)}: {output.counted(_reasons(one))}" for one in waiting))
        else:
            wide = [
                (
                    one["kind"],
                    one["namespace"],
                    one["name"],
                    *_counts(one),
                    output.counted(_reasons(one)),
                )
                for one in moment["workloads"]
            ]
            output.show(output.table(title, _WIDE_COLUMNS, wide))


def _reasons(workload: dict[str, Any]) -> dict[str, int]:
    """What became of containers and pods, why pods wait, and why some were never made."""
    counted = {text: workload[name] for name, text in _TROUBLES.items() if name in workload}
    return {**counted, **workload["reasons"], **workload.get("refused", {})}


def _name(workload: dict[str, Any]) -> str:
    return f"{workload['kind']} {workload['namespace']}/{workload['name']}"


def _counts(workload: dict[str, Any]) -> tuple[str, str, str]:
    return str(workload["ready"]), str(workload["pending"]), str(workload["total"])
