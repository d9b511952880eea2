"""The flows' parameters, as far as they are not those of `sim_arena.spec`, and who may give which.

The UI's forms show the types' choices and bounds, and the flows' docstrings. Bounds stand in
`Annotated`: those given as a default value would be lost on the way to the server.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import Flow
from prefect.runtime import deployment
from pydantic import Field
from pydantic.config import JsonDict

from results import ResultsError
from results.run import checked_id
from results.store import is_url
from sim_arena.clusters.simkube.settings import SimKubeSettings
from sim_arena.errors import PermanentError
from sim_arena.guardrails import Guardrails
from sim_arena.hooks import ALLOW_CODE, code_allowed, code_of_simkube, names_code
from sim_arena.nodes import is_short_form
from sim_arena.policies import available
from sim_arena.spec import EpisodeSpec, Hook, StepSizes
from sim_arena.sweeps import SweepSpec

__all__ = [
    "GUARDRAILS",
    "ROOTS",
    "SIMKUBE",
    "STEPS",
    "ClusterName",
    "Hooks",
    "PolicyName",
    "RewardName",
    "arguments",
    "check_places",
    "check_plan",
    "check_resumed",
    "check_source",
    "check_sweep_source",
    "is_started_here",
    "roots",
]

ROOTS = "SIM_ARENA_ROOTS"
"""On a Prefect worker: the folders and URLs that runs may name, joined by commas."""

# What the form offers. It refuses others, unless code may be named.
_POLICIES: JsonDict = {"examples" if code_allowed() else "enum": [*available()]}

PolicyName = Annotated[str, Field(min_length=1, json_schema_extra=_POLICIES)]
RewardName = Literal["binary", "progress", "waste", "shaped"]
ClusterName = Literal["embedded", "kwok", "simkube"]
Hooks = list[Hook] | None

# Frozen, so that one object can be the default of every call.
GUARDRAILS = Guardrails()
STEPS = StepSizes()
SIMKUBE = SimKubeSettings()


def arguments(flow: Flow[..., Any], spec: EpisodeSpec) -> dict[str, Any]:
    """Return a specification as the arguments of a flow.

    Args:
        flow: the flow; what it does not take is left out
        spec: the specification
    """
    return {name: getattr(spec, name) for name in signature(flow.fn).parameters}


def check_source(spec: EpisodeSpec) -> None:
    """Refuse code and places that parameters name, unless the caller sits at this machine.

    Anybody who can reach the Prefect server may type into the form of a deployment.

    Raises:
        PermanentError: the run was started from elsewhere, and names code or places that this
            machine's owner did not allow
    """
    if is_started_here():
        return
    _refuse_code(names_code(spec))
    _refuse_places([spec.trace, spec.runs_dir, *paths_in([spec.nodes]), *_store(spec.simkube)])


def _store(settings: SimKubeSettings) -> list[str]:
    """The place where traces for SimKube's driver are written, unless it is the usual one."""
    return [] if settings.trace_store == SIMKUBE.trace_store else [settings.trace_store]


def check_sweep_source(given: Mapping[str, Any]) -> None:
    """Refuse the same in the parameters of a sweep.

    Raises:
        PermanentError: as for `check_source`
    """
    if is_started_here():
        return
    _refuse_code(_code_of_a_sweep(given["policies"], given["simkube"]))
    places = [*(given["traces"] or ()), given["runs_dir"], *paths_in(given["nodes"] or ())]
    _refuse_places([*places, *_store(given["simkube"])])
    if given["address"] is not None and not code_allowed():
        raise PermanentError(
            f"expected no address of Dask or Ray in a run from elsewhere, found "
            f"{given['address']!r}: set {ALLOW_CODE}=1 for the worker to allow it"
        )


def check_resumed(run_id: str) -> None:
    """Refuse the name of a sweep that is none but a path, which would lead out of `runs_dir`.

    Raises:
        PermanentError: as for `check_source`
    """
    if is_started_here():
        return
    try:
        checked_id(run_id)
    except ResultsError as error:
        raise PermanentError(str(error)) from error


def check_plan(asked: SweepSpec) -> None:
    """Refuse the same in the plan of a sweep that is gone on with: anybody may have written it.

    Raises:
        PermanentError: as for `check_source`
    """
    if not is_started_here():
        _refuse_code(_code_of_a_sweep(asked.policies, asked.simkube))
        _refuse_places(_store(asked.simkube))


def _code_of_a_sweep(names: Iterable[str], simkube: SimKubeSettings) -> list[str]:
    return [f"policy {name!r}" for name in names if ":" in name] + code_of_simkube(simkube)


def check_places(places: Iterable[str]) -> None:
    """Refuse places that parameters name and this machine's owner did not allow.

    Raises:
        PermanentError: as for `check_source`
    """
    if not is_started_here():
        _refuse_places(places)


def is_started_here() -> bool:
    """Say whether somebody at this machine called the flow, and no server asked for the run.

    A worker, a runner that serves, and whatever else executes a run of the server's, tells the
    process which run it is for.
    """
    return not os.environ.get("PREFECT__FLOW_RUN_ID") and deployment.id is None


def roots(environment: Mapping[str, str] = os.environ) -> list[str]:
    """Return the folders and URLs that runs from elsewhere may read and write in."""
    named = [one.strip() for one in environment.get(ROOTS, "").split(",")]
    return [one for one in named if one] or ["."]


def paths_in(nodes: Iterable[str]) -> list[str]:
    """Return those descriptions of nodes that are no short forms."""
    return [one for one in nodes if not is_short_form(one)]


def _refuse_code(code: Sequence[str]) -> None:
    if code and not code_allowed():
        raise PermanentError(
            f"expected parameters that name no code, found {'; '.join(code)}: run it from the "
            f"command line or from Python, or set {ALLOW_CODE}=1 for the worker if everybody "
            "who can reach the Prefect server may run code here"
        )


def _refuse_places(places: Iterable[str]) -> None:
    allowed = roots()
    for place in places:
        if not any(_is_in(place, root) for root in allowed):
            raise PermanentError(
                f"expected a place in {', '.join(allowed)}, found {place}: runs from elsewhere may "
                f"use the worker's working directory; set {ROOTS} for the worker to name other "
                "folders and URLs, joined by commas"
            )


def _is_in(place: str, root: str) -> bool:
    if is_url(place) or is_url(root):
        inside, outer = place.partition("?")[0], root.rstrip("/")
        return ".." not in inside.split("/") and f"{inside}/".startswith(f"{outer}/")
    return Path(place).resolve().is_relative_to(Path(root).resolve())
