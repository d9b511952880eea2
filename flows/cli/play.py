"""`sim-arena step`, `episode` and `preflight`: play on a cluster, through Prefect."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli import local, options, output, shown
from flows.cli.asked import Asked, takes_episode
from flows.cli.errors import FAILED, fail_as, refuse
from flows.cli.progress import follow
from flows.cli.trace import change_document

if TYPE_CHECKING:
    from sim_arena.clusters import Check
    from sim_arena.episode import EpisodeResult, EpisodeSpec

__all__ = ["episode", "preflight", "step"]

_Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show Prefect's log too, on stderr.")
]


@takes_episode
def step(asked: Asked, *, verbose: _Verbose = False, json: options.AsJson = False) -> None:
    """Play one step: replay, observe, decide, edit the trace."""
    result = _play("step", _spec(asked, 1), verbose=verbose, json=json)
    record = result.records[-1]
    if json:
        output.print_json({**record, "folder": result.folder})
        return
    output.show(shown.step_table([record]))
    if record["changed"]:
        output.show(f"Trace out: {record['trace_out']}")
    _show_files(result)


@takes_episode
def episode(
    asked: Asked,
    *,
    episodes: Annotated[
        int, typer.Option("--episodes", "--max-steps", min=1, metavar="N", help="Steps at most.")
    ] = 10,
    run_id: Annotated[
        str | None,
        typer.Option(metavar="ID", help="The run's id; that of an interrupted run resumes it."),
    ] = None,
    verbose: _Verbose = False,
    json: options.AsJson = False,
) -> None:
    """Play steps until the workload is healthy.

    Healthy means that as many pods are ready as the target says, and that none is pending.
    """
    spec = _spec(asked, episodes, run_id)
    result = _play("episode", spec, verbose=verbose, json=json)
    after = result.trace or result.last_trace or spec.trace
    found = shown.repair(spec.trace, after, spec.deploy, spec.namespace)
    if json:
        output.print_json(_document(result, found))
        return
    output.show(shown.step_table(result.records), _verdict(spec, result))
    if found.changes:
        output.show(shown.repair_text(found), f"Trace out: {after}")
    _show_files(result)
    output.warn(result.warnings)


@takes_episode
def preflight(asked: Asked, *, json: options.AsJson = False) -> None:
    """Check what can be known before a first step."""
    checks = _checks(_spec(asked, 1))
    if json:
        output.print_json([_check_document(check) for check in checks])
    else:
        rows = [(check.name, _judged(check), check.found, _remedy(check)) for check in checks]
        output.show(output.table(None, ("Check", "", "Found", "What to do"), rows))
    _require(checks)


def _spec(asked: Asked, steps: int, run_id: str | None = None) -> "EpisodeSpec":
    """Return what to play, under an id that is known before it starts."""
    from results import new_run_id

    options.usable(asked.runs_dir)
    return asked.spec(max_steps=steps, run_id=run_id or new_run_id())


def _play(flow: str, spec: "EpisodeSpec", *, verbose: bool, json: bool) -> "EpisodeResult":
    """Check what was asked for, then play it as a Prefect flow."""
    _require(_checks(spec))
    local.prepare(verbose=verbose)
    journal = Path(spec.runs_dir) / str(spec.run_id) / "step.jsonl"
    with (
        fail_as(FAILED),
        follow(journal, spec.max_steps, quiet=json),
        local.stoppable(),
        local.reachable(),
        local.tagged(),
    ):
        from flows.parameters import arguments

        if flow == "step":
            from flows.step import step

            taken: EpisodeResult = step(**arguments(step, spec))
            return taken
        from flows.episode import episode

        played: EpisodeResult = episode(**arguments(episode, spec))
        return played


def _checks(spec: "EpisodeSpec") -> Sequence["Check"]:
    from sim_arena import policies, verbs

    policies.load(spec.policy, allow_import=True, seed=spec.seed)
    return verbs.preflight(spec)


def _require(checks: Sequence["Check"]) -> None:
    """End the command if a check failed that has to hold."""
    failed = [check for check in checks if check.required and not check.ok]
    if failed:
        refuse("; ".join("; ".join(filter(None, (one.found, one.remedy))) for one in failed))


def _remedy(check: "Check") -> str:
    return "" if check.ok else check.remedy or ""


def _judged(check: "Check") -> str:
    if check.ok:
        return "ok"
    return "failed" if check.required else "note"


def _check_document(check: "Check") -> dict[str, Any]:
    return {
        "check": check.name,
        "ok": check.ok,
        "required": check.required,
        "found": check.found,
        "remedy": check.remedy or None,
    }


def _verdict(spec: "EpisodeSpec", result: "EpisodeResult") -> str:
    from results.words import many

    count = len(result.records)
    steps = many(count, "step")
    if result.success:
        return f"{spec.deploy} is healthy: {spec.target} ready, none pending, seen in step {count}."
    if (unknown := result.unassessable) is not None:
        return (
            f"{spec.deploy} cannot be assessed on {spec.cluster}: {'; '.join(unknown)}; "
            "--cluster embedded models usage."
        )
    return (
        f"{spec.deploy} is not healthy after {steps}, which is the limit; "
        "--episodes allows more, --policy chooses another."
    )


def _document(result: "EpisodeResult", found: shown.Repair) -> dict[str, Any]:
    return {
        "run_id": result.run_id,
        "folder": result.folder,
        "success": result.success,
        "terminated": result.terminated,
        "truncated": result.truncated,
        "total_reward": result.total_reward,
        "trace": result.trace,
        "last_trace": result.last_trace,
        "changes": [change_document(change) for change in found.changes],
        "patch": found.patch,
        "warnings": result.warnings,
        "steps": result.records,
    }


def _show_files(result: "EpisodeResult") -> None:
    if result.folder is not None:
        folder = Path(result.folder)
        output.show(f"Steps: {folder / 'step.jsonl'}", f"Parquet: {folder / 'steps'}")
