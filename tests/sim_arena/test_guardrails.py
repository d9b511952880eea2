import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sim_arena.guardrails import Guardrails


def test_defaults() -> None:
    guardrails = Guardrails()
    assert guardrails.bounds("cpu") == (50, 16_000)
    assert guardrails.bounds("memory") == (64 * 2**20, 32 * 2**30)
    assert guardrails.bounds("replicas") == (1, 100)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_minimum_and_maximum_are_in_order(first: int, second: int) -> None:
    low, high = sorted((first, second))
    assert Guardrails(cpu_min=f"{low}m", cpu_max=f"{high}m").bounds("cpu") == (low, high)
    if low < high:
        with pytest.raises(ValidationError, match="cpu_min to be at most cpu_max"):
            Guardrails(cpu_min=f"{high}m", cpu_max=f"{low}m")


@pytest.mark.parametrize("text", ["NaN", "1mi", "1_000", "-1", "", "much"])
@pytest.mark.parametrize("field", ["cpu_min", "cpu_max", "memory_min", "memory_max"])
def test_only_kubernetes_quantities(field: str, text: str) -> None:
    with pytest.raises(ValidationError, match="quantity"):
        Guardrails.model_validate({field: text})


def test_an_unknown_bound_is_an_error() -> None:
    with pytest.raises(ValidationError, match="gpu_max"):
        Guardrails.model_validate({"gpu_max": "1"})


def test_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Guardrails().cpu_min = "1"  # type: ignore[misc]  # that is what is tested
