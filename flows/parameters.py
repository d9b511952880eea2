"""The flows' parameters, as far as they are not those of `sim_arena.spec`, and who may give which.

The UI's forms show the types' choices and bounds, and the flows' docstrings. Bounds stand in
`Annotated`: those given as a default value would be lost on the way to the server.
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
    "Hooks",
    "PolicyName",
    "RewardName",
    "arguments",
    "check_source",
]

# What the form offers. It refuses others, unless code may be named.
_POLICIES: JsonDict = {"examples" if code_allowed() else "enum": [*available()]}

PolicyName = Annotated[str, Field(min_length=1, json_schema_extra=_POLICIES)]
RewardName = Literal["binary", "progress", "waste", "shaped"]
ClusterName = Literal["embedded", "kwok"]
Hooks = list[Hook] | None

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
