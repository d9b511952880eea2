"""The parameters that the flows share, with the bounds that the UI's forms show.

The bounds stand in `Annotated`: those given as a default value would be lost on the way to the
server. The texts of the forms are those of the flows' docstrings.
"""

from inspect import signature
from typing import Annotated, Any, Literal

from prefect import Flow
from prefect.runtime import deployment
from pydantic import Field
from pydantic.config import JsonDict

from sim_arena.errors import PermanentError
from sim_arena.guardrails import Guardrails
from sim_arena.hooks import ALLOW_CODE, code_allowed, names_code
from sim_arena.policies import available
from sim_arena.spec import EpisodeSpec, Hook, StepSizes

__all__ = [
    "GUARDRAILS",
    "STEPS",
    "ClusterName",
    "Deploy",
    "Duration",
    "Hooks",
    "MaxSteps",
    "Namespace",
    "Nodes",
    "PolicyName",
    "Replay",
    "RewardName",
    "RunId",
    "RunsDir",
    "Seed",
    "Target",
    "Timeout",
    "TracePath",
    "arguments",
    "check_source",
]


# What the form offers. It refuses others, unless code may be named.
_POLICIES: JsonDict = {"examples" if code_allowed() else "enum": [*available()]}

TracePath = Annotated[str, Field(min_length=1)]
Deploy = Annotated[str, Field(min_length=1, max_length=320)]
Target = Annotated[int, Field(ge=1, le=100_000)]
Duration = Annotated[int, Field(ge=1, le=31_536_000)]
Namespace = Annotated[str | None, Field(max_length=253)]
PolicyName = Annotated[str, Field(min_length=1, json_schema_extra=_POLICIES)]
RewardName = Literal["binary", "progress", "waste", "shaped"]
MaxSteps = Annotated[int, Field(ge=1, le=10_000)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
Nodes = Annotated[str, Field(min_length=1)]
Replay = Literal["simkube", "plain"]
ClusterName = Literal["embedded"]
Timeout = Annotated[float, Field(gt=0, le=86_400)]
Hooks = list[Hook] | None
RunsDir = Annotated[str, Field(min_length=1)]
RunId = Annotated[str | None, Field(max_length=128)]

# Frozen, so that one object can be the default of every call.
GUARDRAILS = Guardrails()
STEPS = StepSizes()


def arguments(flow: Flow[..., Any], spec: EpisodeSpec) -> dict[str, Any]:
    """Return a specification as the arguments of a flow.

    Args:
        flow: the flow; what it does not take is left out
        spec: the specification
    """
    return {name: getattr(spec, name) for name in signature(flow.fn).parameters}


def check_source(spec: EpisodeSpec) -> None:
    """Refuse code that is named by parameters of a deployment: anybody may type into its form.

    Raises:
        PermanentError: the run comes from a deployment, names code, and this machine's owner
            did not allow that
    """
    code = names_code(spec)
    if code and deployment.id is not None and not code_allowed():
        raise PermanentError(
            f"expected parameters that name no code, found {'; '.join(code)}: run it from the "
            f"command line or from Python, or set {ALLOW_CODE}=1 for the worker if everybody "
            "who can reach the Prefect server may run code here"
        )
