"""The bounds that no action crosses."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from traces.errors import QuantityError
from traces.quantities import parse_cpu, parse_memory, parse_resource

__all__ = ["Guardrails", "Resource"]

Resource = Literal["cpu", "memory", "replicas"]


class Guardrails(BaseModel):
    """How far requests, limits and replicas may be moved.

    An action that would cross a bound is clipped to it, or refused where it would change
    nothing or lead away from the bounds. A workload that is outside already may be moved
    towards them. The bounds hold for each container by itself.

    Args:
        cpu_min: least CPU request or limit, in Kubernetes notation
        cpu_max: greatest CPU request or limit
        memory_min: least memory request or limit, in Kubernetes notation
        memory_max: greatest memory request or limit
        replicas_min: fewest replicas
        replicas_max: most replicas

    Raises:
        pydantic.ValidationError: a quantity that Kubernetes would not accept, or a minimum
            above its maximum
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    cpu_min: str = Field(default="50m", description="Least CPU request or limit of a container")
    cpu_max: str = Field(default="16", description="Greatest CPU request or limit of a container")
    memory_min: str = Field(
        default="64Mi", description="Least memory request or limit of a container"
    )
    memory_max: str = Field(
        default="32Gi", description="Greatest memory request or limit of a container"
    )
    replicas_min: int = Field(default=1, ge=0, description="Fewest replicas")
    replicas_max: int = Field(default=100, ge=1, description="Most replicas")

    @field_validator("cpu_min", "cpu_max")
    @classmethod
    def _is_cpu(cls, value: str) -> str:
        return _checked(value, "cpu")

    @field_validator("memory_min", "memory_max")
    @classmethod
    def _is_memory(cls, value: str) -> str:
        return _checked(value, "memory")

    @model_validator(mode="after")
    def _in_order(self) -> "Guardrails":
        for resource in ("cpu", "memory", "replicas"):
            low, high = self.bounds(resource)
            if low > high:
                raise ValueError(
                    f"expected {resource}_min to be at most {resource}_max, found "
                    f"{getattr(self, f'{resource}_min')} and {getattr(self, f'{resource}_max')}: "
                    "lower the one or raise the other"
                )
        return self

    def bounds(self, resource: Resource) -> tuple[int, int]:
        """Return the least and the greatest value: milli-CPU, bytes or pods."""
        if resource == "cpu":
            return parse_cpu(self.cpu_min), parse_cpu(self.cpu_max)
        if resource == "memory":
            return parse_memory(self.memory_min), parse_memory(self.memory_max)
        return self.replicas_min, self.replicas_max


def _checked(value: str, resource: Literal["cpu", "memory"]) -> str:
    try:
        parse_resource(resource, value)
    except QuantityError as error:
        raise ValueError(str(error)) from error
    return value
