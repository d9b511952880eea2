"""`sim-arena sweep`: every combination of traces, policies, seeds and the rest."""

import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli import local, options, output
from flows.cli.asked import simkube_settings
from flows.cli.errors import FAILED, fail_as
from flows.cli.figures import figures_table

if TYPE_CHECKING:
    from sim_arena.sweeps import Plan, SweepSpec

__all__ = ["follow", "sweep"]

_PERIOD = 0.5  # seconds between two looks at what is written


def _many(metavar: str, text: str, *names: str) -> Any:
    return typer.Option(*names, metavar=metavar, help=f"{text} Repeatable.", show_default=False)


def sweep(  # noqa: PLR0913 # each option is an argument
    *,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE", help="A YAML file; the options below go before it.", show_default=False
        ),
    ] = None,
    trace: Annotated[
        list[str] | None, _many("PATH", "A trace, a folder or a pattern of traces.")
    ] = None,
    generate: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Generate N traces.", show_default=False)
    ] = None,
    generate_seed: Annotated[
        int | None,
        typer.Option(
            min=0, metavar="N", help="Their seed; 0 if none is named.", show_default=False
        ),
    ] = None,
    policy: Annotated[
        list[str] | None, _many("POLICY", "A policy; heuristic if none is named.")
    ] = None,
    reward: Annotated[list[str] | None, _many("REWARD", "A reward; binary if none is named.")] = (
        None
    ),
    seeds: Annotated[
        str | None, typer.Option(metavar="A-B", help="Seeds: 7, or 0-99.", show_default=False)
    ] = None,
    target: Annotated[
        list[int] | None, _many("N", "Ready pods that count as success; else the manifest's.")
    ] = None,
    nodes: Annotated[list[str] | None, _many("NODES", "Nodes; else the manifest's.")] = None,
    step_size: Annotated[
        list[str] | None,
        _many("STEPS", "How far actions go, such as cpu=250m,memory=128Mi."),
    ] = None,
    cluster: Annotated[
        list[str] | None, _many("NAME", "A cluster; embedded if none is named.")
    ] = None,
    context: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The kubeconfig's context of a real cluster."),
    ] = None,
    speed: Annotated[
        float | None,
        typer.Option(metavar="X", help="On real clusters, X times faster."),
    ] = None,
    simkube: options.SimKube = None,
    allow_real_nodes: options.AllowRealNodes = False,
    deploy: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The workload; else the manifest's."),
    ] = None,
    namespace: options.Namespace = None,
    duration: Annotated[
        int | None, typer.Option(min=1, metavar="S", help="Seconds of a trace to replay.")
    ] = None,
    max_steps: Annotated[int | None, typer.Option(min=1, metavar="N", help="Steps at most.")] = (
        None
    ),
    sample: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Play N of the combinations, drawn at random."),
    ] = None,
    chunk: Annotated[
        int | None, typer.Option(min=1, max=10_000, metavar="N", help="Episodes in a chunk.")
    ] = None,
    max_failed: Annotated[
        float | None,
        typer.Option(min=0, max=1, metavar="SHARE", help="Stop when more than this have failed."),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Episodes that ask for a real cluster at once."),
    ] = None,
    runner: Annotated[
        Literal["threads", "dask", "ray"], typer.Option(help="Where chunks are played.")
    ] = "threads",
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Threads, or workers of Dask or Ray; one for each core."
        ),
    ] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Of Dask, tcp://host:8786, or of Ray, host:6379."),
    ] = None,
    runs_dir: Annotated[
        str,
        typer.Option(
            metavar="DIR", envvar="SIM_ARENA_RUNS_DIR", help="The folder of the runs, or its URL."
        ),
    ] = "runs",
    run_id: Annotated[
        str | None, typer.Option(metavar="ID", help="The sweep's id.", show_default=False)
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Go on with a sweep that was stopped.", show_default=False),
    ] = None,
    retry_failed: Annotated[
        bool,
        typer.Option(
            "--retry-failed", help="With --resume: play chunks with failed episodes again."
        ),
    ] = False,
    allow_other_version: Annotated[
        bool,
        typer.Option(
            "--allow-other-version", help="With --resume: of a sweep that another version began."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show size and estimated time, and play nothing.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's log too.")] = (
        False
    ),
    json: options.AsJson = False,
) -> None:
    """Play every combination of what is named, or a sample of them.

    Its size and the estimated time are shown first. A sweep that was stopped goes on with
    --resume.
    """
    steps = [_step_size(text) for text in step_size] if step_size else None
    given = {
        "traces": trace,
        "generate": _generated(generate, generate_seed),
        "policies": policy,
        "rewards": reward,
        "seeds": seeds,
        "targets": target,
        "nodes": nodes,
        "step_sizes": steps,
        "clusters": cluster,
        "context": context,
        "speed": speed,
        "simkube": simkube_settings(simkube) if simkube else None,
        "allow_real_nodes": allow_real_nodes or None,
        "deploy": deploy,
        "namespace": namespace,
        "duration": duration,
        "max_steps": max_steps,
        "sample": sample,
        "chunk": chunk,
        "max_failed": max_failed,
        "concurrency": concurrency,
    }
    named = {name: value for name, value in given.items() if value is not None}
    where = {"runner": runner, "workers": workers, "address": address, "runs_dir": runs_dir}
    from results.run import ROOM_FOR_EPISODES, checked_id
    from results.store import is_url, place_in, store_at

    if run_id is not None:
        checked_id(run_id, ROOM_FOR_EPISODES)
    if not is_url(runs_dir):
        options.usable(Path(runs_dir))
    store_at(place_in(runs_dir, "x")).exists("run.json")  # does it answer?
    if run_id is not None:
        _require_new(place_in(runs_dir, run_id), run_id)

    flags = {"retry_failed": retry_failed, "allow_other_version": allow_other_version}
    if resume is not None:
        others = {"run_id": run_id is not None, "dry_run": dry_run}
        more = {name for name, given in others.items() if given}
        _refuse_more(file, (named.keys() - {"max_failed"}) | more)
        again = {"resume": resume, "max_failed": max_failed, **flags}
        _go_on({**where, **again}, place_in(runs_dir, resume), verbose=verbose, json=json)
        return
    for name in filter(flags.get, flags):
        option = f"--{name.replace('_', '-')}"
        raise typer.BadParameter("name the sweep with --resume", param_hint=option)
    _start(file, named, where, run_id, dry_run=dry_run, verbose=verbose, json=json)


def _start(  # noqa: PLR0913 # what the command was given
    file: Path | None,
    named: dict[str, Any],
    where: dict[str, Any],
    run_id: str | None,
    *,
    dry_run: bool,
    verbose: bool,
    json: bool,
) -> None:
    """Show what is asked for, then play it."""
    from results import new_run_id
    from results.store import place_in
    from sim_arena.sweeps import plan_of
    from sim_arena.sweeps.asked import checked, read_file

    asked = checked({**(read_file(file) if file is not None else {}), **named})
    plan, files = plan_of(asked)
    _require_policies(asked)
    if "embedded" in asked.clusters:
        output.tell_of_compiling()
    document = _size(plan, files, where)
    if not json:
        output.show(_size_text(document))
    if errors := document["pilot"]["errors"]:
        tried = document["pilot"]["episodes"]
        output.warn([f"{len(errors)} of the {tried} episodes of the pilot failed: {errors[0]}"])
    if dry_run:
        if json:
            output.print_json(document)
        return
    name = run_id or new_run_id()
    _require_new(place_in(where["runs_dir"], name), name)  # somebody may have begun meanwhile
    arguments = {field: getattr(asked, field) for field in type(asked).model_fields}
    arguments = {key: list(v) if isinstance(v, tuple) else v for key, v in arguments.items()}
    _go_on(
        {**arguments, **where, "run_id": name},
        place_in(where["runs_dir"], name),
        verbose=verbose,
        json=json,
    )


def _require_new(place: str, run_id: str) -> None:
    from results.store import store_at

    if store_at(place).exists("run.json"):
        raise typer.BadParameter(f"{run_id} is there already; name another", param_hint="--run-id")


def _go_on(arguments: dict[str, Any], place: str, *, verbose: bool, json: bool) -> None:
    """Play a sweep as a Prefect flow, and show what came of it."""
    from results.summary import told_errors
    from sim_arena.errors import BusyError
    from sim_arena.sweeps import is_written, opened

    if "resume" in arguments:  # a wrong name, or another player, is told before Prefect starts
        found, _ = opened(place)
        if is_written(found):
            raise BusyError(f"{place} is being played by somebody else: wait for it, or stop it")
    local.prepare(verbose=verbose)
    name = arguments.get("resume") or arguments["run_id"]
    with (
        fail_as(FAILED),
        _resumable(place, name),
        _followed(place, resumed="resume" in arguments, quiet=json),
        local.stoppable(),
        local.reachable(),
        local.tagged(),
    ):
        from flows.sweep import sweep as flow

        figures: Any = flow(**arguments)
    if json:
        output.print_json({"path": place, **figures})
        return
    output.show(figures_table(figures), f"Results: {place}")
    output.warn(told_errors(figures, 5))


def _size(plan: "Plan", files: Mapping[str, bytes], where: Mapping[str, Any]) -> dict[str, Any]:
    """Return how large a sweep is and how long it will take."""
    from sim_arena.sweeps.estimate import estimate

    # Threads wait for the interpreter, and how many cores a cluster has it says when it is asked.
    own = where["runner"] != "threads" and not where["address"]
    workers = where["workers"] or os.cpu_count() or 1 if own else 1
    found = estimate(plan, files, workers=workers)
    return {
        "episodes": len(plan),
        "chunks": len(plan.chunks),
        "axes": plan.axes,
        "by_cluster": plan.by_cluster,
        "estimated_seconds": found.seconds,
        "pilot": {"episodes": found.played, "errors": found.errors},
    }


def _size_text(document: Mapping[str, Any]) -> str:
    from results.words import many
    from sim_arena.sweeps.progress import told

    axes = " x ".join(f"{size} {name}" for name, size in document["axes"].items() if size > 1)
    lines = [f"{many(document['episodes'], 'episode')} in {many(document['chunks'], 'chunk')}"]
    lines[0] += f": {axes}" if axes else ""
    for cluster, seconds in document["estimated_seconds"].items():
        count = document["by_cluster"][cluster]
        low, high = (told(max(1.0, one)) for one in seconds)
        span = low if low == high else f"{low} to {high}"
        how = (
            "as some of them took just now, once begun" if cluster == "embedded" else "in real time"
        )
        lines.append(f"{cluster}: {many(count, 'episode')}, about {span} ({how})")
    return "\n".join(lines)


def _require_policies(asked: "SweepSpec") -> None:
    from sim_arena import policies

    for name in asked.policies:
        policies.load(name, allow_import=True)


_OPTIONS = {"clusters": "cluster", "policies": "policy", "rewards": "reward", "traces": "trace"}
_OPTIONS |= {"step_sizes": "step-size", "targets": "target"}


def _option(field: str) -> str:
    """Return the option that a field of a sweep is given by."""
    return f"--{_OPTIONS.get(field, field).replace('_', '-')}"


def _refuse_more(file: Path | None, named: Collection[str]) -> None:
    if file is not None or named:
        more = str(file) if file is not None else _option(min(named))
        raise typer.BadParameter(
            f"a sweep goes on as it was planned; leave {more} out", param_hint="--resume"
        )


def _generated(count: int | None, seed: int | None) -> dict[str, int] | None:
    if count is None:
        if seed is not None:
            raise typer.BadParameter(
                "it is the seed of generated traces: give --generate N too",
                param_hint="--generate-seed",
            )
        return None
    return {"count": count, "seed": seed or 0}


def _step_size(text: str) -> dict[str, str]:
    pairs = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals:
            raise typer.BadParameter(
                f"expected cpu=250m,memory=128Mi,replicas=1, found {text!r}",
                param_hint="--step-size",
            )
        pairs[name.strip()] = value.strip()
    return pairs


@contextmanager
def _resumable(place: str, name: str) -> Iterator[None]:
    """When it is stopped, say how it goes on, if it was begun and nobody plays it."""
    from results import ResultsError
    from sim_arena.locks import is_locked
    from sim_arena.sweeps import TooManyFailedError, opened

    try:
        yield
    except BaseException as error:
        with suppress(ResultsError):
            sweep, _ = opened(place)
            played = sweep.path is not None and is_locked(sweep.path)
            if sweep.read_summary() is None and not played:
                how = f"--resume {name} goes on with it"
                if isinstance(error, TooManyFailedError):
                    how = (
                        f"--resume {name} --retry-failed plays those that failed again; "
                        f"--resume {name} --max-failed SHARE lets more of them fail"
                    )
                print(f"sim-arena: {how}", file=sys.stderr, flush=True)
        raise


@contextmanager
def _followed(place: str, *, resumed: bool, quiet: bool) -> Iterator[None]:
    """Show on stderr how far a sweep is, from the chunks that it has written."""
    if quiet and not sys.stderr.isatty():
        yield
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    screen = output.console(stderr=True)
    columns = (
        BarColumn(bar_width=20),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as bar:
        task = bar.add_task("starting Prefect", total=1.0)
        ended = Event()

        def show(line: str, share: float) -> None:
            bar.update(task, completed=share, description=line)
            if not screen.is_terminal:
                print(f"sim-arena: {line}", file=sys.stderr, flush=True)

        watch = partial(follow, place, ended, show, resumed=resumed)
        watcher = Thread(target=watch, name="progress", daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()


def follow(place: str, ended: Event, show: Callable[[str, float], None], *, resumed: bool) -> None:
    """Look at the finished chunks of a sweep now and then, and tell when there are more.

    Args:
        place: its folder or URL
        ended: ends the looking
        show: is given the progress as a line, and as a share between 0 and 1
        resumed: whether the sweep was there before it is played
    """
    from results import ResultsError
    from sim_arena.sweeps import Progress, opened
    from sim_arena.sweeps.running import failed_episodes

    progress: Progress | None = None
    known: set[int] = set()
    pause = _PERIOD
    while not ended.wait(pause):
        try:
            sweep, plan = opened(place)
            finished = sweep.finished_chunks()
            lost, new = known - finished, finished - known
            anew = progress is None or bool(lost) or (resumed and bool(new))
            failed = failed_episodes(sweep, finished if anew else new)
        except ResultsError:  # not made yet, or just given up
            continue
        if progress is None or anew:
            # A sweep that goes on is there before Prefect is: what that takes is not the rate.
            # And what is to be played again is missing from some moment on.
            resumed = resumed and (progress is None or bool(lost))
            done = sum(len(plan.chunks[chunk]) for chunk in finished)
            progress = Progress(len(plan), done=done, failed=failed, ends=plan.ends)
            known = finished
            show(f"sweep {sweep.id}, {progress.line()}", progress.share)
        elif new:
            progress.note(sum(len(plan.chunks[chunk]) for chunk in new), failed)
            known = finished
            show(progress.line(), progress.share)
        # Looking costs more the more there is: never more than a few per cent of the time.
        pause = max(_PERIOD, len(plan.chunks) / 1000)
