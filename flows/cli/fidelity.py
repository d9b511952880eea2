"""`sim-arena fidelity`: how far the embedded cluster is from a real one, for one trace."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import options, output
from flows.cli.errors import FAILED, fail_as

if TYPE_CHECKING:
    from sim_arena.fidelity import Comparison, Event, Found

__all__ = ["fidelity"]


def fidelity(  # noqa: PLR0913 # each option is an argument
    *,
    trace: options.TracePath,
    context: options.Context = None,
    nodes: Annotated[
        str | None,
        typer.Option(
            metavar="NODES",
            help="Nodes that the cluster must have: 3x16cpu,32Gi[+...], or v1.Node manifests.",
            show_default="its KWOK nodes",
        ),
    ] = None,
    duration: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=options.LONGEST,
            metavar="S",
            help="Later events are left out.",
            show_default="all events",
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=100_000, metavar="N", help="Runs of the embedded cluster.")
    ] = 256,
    replay: options.Replay = "simkube",
    allow_real_nodes: options.AllowRealNodes = False,
    json: options.AsJson = False,
) -> None:
    """Play a trace on a real cluster and on the embedded one, and show where they differ.

    After every event, (ready, pending, total) of each workload on the real cluster must be among
    what the embedded cluster gives for so many seeds. Exit code 1 if not.
    """
    from results import new_run_id
    from sim_arena.clusters.kube.api import Api
    from sim_arena.clusters.kube.commands import Commands
    from sim_arena.clusters.kwok.preflight import usable_nodes
    from sim_arena.fidelity import compare, record
    from traces import load_trace

    options.existing(trace)
    document = load_trace(str(trace))
    api = Api.from_kubeconfig(context=context)
    there = usable_nodes(api, Commands(context, nodes, replay, allow_real_nodes))
    with fail_as(FAILED):
        recording = record(api, document, there, new_run_id(), replay=replay, duration=duration)
        found = compare(recording, seeds)
    if json:
        output.print_json(_document(found))
    else:
        _print(found)
    if not found.agrees:
        raise typer.Exit(FAILED)


def _print(found: "Comparison") -> None:
    rows = list(_rows(found))
    if rows:
        columns = ("Event", "At", "Workload", "Real", "Embedded", "Seeds#")
        output.show(output.table("Differences (ready / pending / total)", columns, rows))
    exact = sum(event.exact is True for event in found.events)
    open_ = sum(event.agrees and event.exact is None for event in found.events)
    different = sum(not event.agrees for event in found.events)
    output.show(
        f"{len(found.events)} moments: {exact} equal, {open_} among what Kubernetes leaves open, "
        f"{different} different."
    )
    late = [event for event in found.events if event.unsettled]
    output.warn(f"event {event.number}: not settled: {event.unsettled}" for event in late)
    output.warn(f"not modelled: {line}" for line in found.warnings)
    if found.error is not None:
        output.warn([f"the real cluster stopped at {found.error}"])


def _rows(found: "Comparison") -> Iterator[tuple[str, ...]]:
    for event in found.events:
        if event.agrees:
            continue
        alone = [own for own in event.workloads if not own.agrees]
        for own in alone or event.workloads:
            yield (
                str(event.number),
                output.duration(event.due),
                str(own.real) if alone else f"{own.real} (not together with the others)",
                _counts(own.real.numbers),
                "\n".join(_counts(numbers) for numbers in list(own.embedded)[:3]),
                "\n".join(str(seeds) for seeds in list(own.embedded.values())[:3]),
            )


def _counts(numbers: tuple[int, int, int]) -> str:
    return " / ".join(map(str, numbers))


def _document(found: "Comparison") -> dict[str, Any]:
    return {
        "agrees": found.agrees,
        "events": [_event(event) for event in found.events],
        "warnings": list(found.warnings),
        "error": found.error,
    }


def _event(event: "Event") -> dict[str, Any]:
    return {
        "event": event.number,
        "t": event.due,
        "agrees": event.agrees,
        "exact": event.exact,
        "share": event.share,
        "outcomes": event.width,
        "seeds": event.seeds,
        "unsettled": event.unsettled,
        "workloads": [_workload(own) for own in event.workloads],
    }


def _workload(found: "Found") -> dict[str, Any]:
    real = found.real
    names = ("ready", "pending", "total")
    return {
        "kind": real.kind,
        "namespace": real.namespace,
        "name": real.name,
        "agrees": found.agrees,
        "reasons_agree": found.reasons,
        "real": {**dict(zip(names, real.numbers, strict=True)), "reasons": dict(real.reasons)},
        "embedded": [
            {**dict(zip(names, numbers, strict=True)), "seeds": seeds}
            for numbers, seeds in found.embedded.items()
        ],
    }
