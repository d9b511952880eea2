"""Confidence intervals: the known cases, and what episodes that share traces must not feign."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from results.intervals import Sums, difference, mean, share

CLUSTERS = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=6), min_size=2, max_size=12)


def sums(values: list[int] | list[float]) -> Sums:
    return Sums(len(values), float(sum(values)), float(sum(value**2 for value in values)))


def test_a_share_of_single_episodes_has_clopper_and_pearsons_interval() -> None:
    found = share([sums([1])] * 8 + [sums([0])] * 2)
    # What scipy.stats says: its binomtest of 8 in 10, by the exact method.
    assert (found.low, found.high) == pytest.approx((0.4439045, 0.9747893), abs=1e-6)
    assert (found.value, found.episodes, found.traces) == (0.8, 10, 10)


def test_a_mean_of_single_episodes_has_students_interval() -> None:
    found = mean([sums([value]) for value in (1, 2, 3, 4)])
    # What scipy.stats says: its t.interval about the mean, with the standard error.
    assert (found.low, found.high) == pytest.approx((0.4457397, 4.5542603), abs=1e-6)


def test_more_seeds_on_the_same_traces_say_no_more() -> None:
    few = share([sums([1])] * 8 + [sums([0])] * 2)
    many = share([sums([1] * 1000)] * 8 + [sums([0] * 1000)] * 2)
    assert many.episodes == 10_000
    assert few.low is not None
    assert many.low is not None
    assert many.low <= few.low + 0.01
    certain = share([sums([1] * 1000)] * 10)
    assert certain.low == share([sums([1])] * 10).low


@given(CLUSTERS)
def test_an_interval_holds_its_value_and_lies_between_none_and_all(groups: list[list[int]]) -> None:
    found = share([sums(group) for group in groups])
    assert found.value == pytest.approx(sum(map(sum, groups)) / sum(map(len, groups)))
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low <= found.value + 1e-12
    assert found.value <= found.high + 1e-12 <= 1 + 1e-11


@given(st.lists(st.integers(0, 1), min_size=2, max_size=12))
def test_the_units_of_a_single_trace_are_its_episodes(values: list[int]) -> None:
    one, many = share([sums(values)]), share([sums([value]) for value in values])
    assert (one.low, one.high) == pytest.approx((many.low, many.high))


@given(CLUSTERS)
def test_a_difference_turns_with_its_sign(groups: list[list[int]]) -> None:
    there = difference([sums(group) for group in groups])
    back = difference([sums([-value for value in group]) for group in groups])
    assert there.value is not None
    assert back.value == pytest.approx(-there.value)
    assert (there.low, there.high) == pytest.approx((-(back.high or 0), -(back.low or 0)))


@given(CLUSTERS)
def test_a_mean_scales(groups: list[list[int]]) -> None:
    one = mean([sums(group) for group in groups])
    ten = mean([sums([10 * value for value in group]) for group in groups])
    assume(one.low is not None)
    assert ten.low == pytest.approx(10 * one.low, abs=1e-9)  # type: ignore[operator]
    assert ten.high == pytest.approx(10 * one.high, abs=1e-9)  # type: ignore[operator]


def test_there_is_no_interval_of_one_and_nothing_of_none() -> None:
    assert share([sums([1])]).low is None
    assert mean([sums([2.0])]).low is None
    assert mean([sums([2.0]), sums([2.0])]).low is None  # all alike: nothing tells how far
    for found in (share([]), mean([]), difference([])):
        assert found.value is None
        assert found.episodes == 0


def test_equal_values_that_floats_do_not_hold_have_no_interval() -> None:
    """Sums of 0.1 are not quite multiples of it."""
    groups = [Sums(count, sum([0.1] * count), sum([0.1**2] * count)) for count in (3, 7, 13)]
    found = mean(groups)
    assert found.value == pytest.approx(0.1)
    assert (found.low, found.high) == (None, None)
