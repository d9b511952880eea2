import contextlib
import math
import sys
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces.errors import QuantityError
from traces.quantities import (
    LARGEST,
    format_cpu,
    format_memory,
    parse_count,
    parse_cpu,
    parse_memory,
)

UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
UNITS |= {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000)}
UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
AMOUNTS = st.integers(0, LARGEST)


@given(AMOUNTS)
def test_formatting_and_parsing_are_exact(amount: int) -> None:
    assert parse_cpu(format_cpu(amount)) == amount
    assert parse_memory(format_memory(amount)) == amount


@given(
    st.from_regex(r"[0-9]{1,9}(\.[0-9]{0,12})?|\.[0-9]{1,12}", fullmatch=True),
    st.sampled_from(sorted(UNITS)),
)
def test_fractions_round_up(number: str, unit: str) -> None:
    exact = Fraction(number.strip(".") if number.endswith(".") else f"0{number}") * UNITS[unit]
    for parse, scale in ((parse_cpu, 1000), (parse_memory, 1), (parse_count, 1)):
        expected = math.ceil(exact * scale)
        if expected <= LARGEST:
            assert parse(number + unit) == expected


@given(st.text(max_size=12) | st.text("0123456789.eEkKmMiGnu+-_", max_size=12))
def test_any_text_is_a_whole_number_or_an_error(text: str) -> None:
    with contextlib.suppress(QuantityError):
        assert 0 <= parse_memory(text) <= LARGEST


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NaN",
        "Infinity",
        "1mi",
        "1_000",
        "1K",
        "0x10",
        " 1",
        "1\n",
        "1.2.3",
        "m",
        "1e",
        "-5",
        "٣",
    ],
)
def test_what_kubernetes_refuses_is_refused(text: str) -> None:
    for parse in (parse_cpu, parse_memory, parse_count):
        with pytest.raises(QuantityError, match="expected"):
            parse(text)


@pytest.mark.parametrize("text", ["1e99", "1e999999999", "9Pi", "1E", "9" * 80, "1e-999999999"])
def test_extreme_quantities_are_refused_at_once(text: str) -> None:
    with pytest.raises(QuantityError):
        parse_memory(text)


def test_known_quantities() -> None:
    assert parse_cpu("500m") == 500
    assert parse_cpu("1e3") == 1_000_000
    assert parse_cpu(2) == 2000
    assert parse_cpu(0.1) == 100
    assert parse_memory("256Mi") == 2**28
    assert parse_memory("1n") == 1
    assert format_cpu(2000) == "2"
    assert format_memory(2**28) == "256Mi"
    assert format_memory(1000) == "1000"


def test_the_client_is_not_loaded() -> None:
    parse_cpu("123m")
    assert "kubernetes.client" not in sys.modules or "prefect" in sys.modules
