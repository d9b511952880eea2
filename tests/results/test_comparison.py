"""Comparing: what is paired with what, what is different, and runs that cannot be compared."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from results import (
    EPISODE_COLUMNS,
    Column,
    ResultsError,
    Run,
    Sweep,
    episode_rows,
    load_episodes,
    load_steps,
    table_of,
)
from results.comparison import Comparison, as_document, compare
from results.figures import summarise_sweep
from results.report import markdown, page
from results.report.compared import compared
from tests.results.conftest import COLUMNS, make_row

MORE = (
    *EPISODE_COLUMNS,
    *(Column(name, "str", "", "") for name in ("trace_sha256", "deploy", "namespace", "nodes")),
    Column("step_sizes", "json", "", ""),
)
Done = Callable[[str, int, str], bool | None]


def sweep(  # what a sweep varies
    runs: Path,
    name: str,
    done: Done,
    *,
    traces: int = 6,
    seeds: int = 2,
    policies: tuple[str, ...] = ("a", "b"),
    cpu: int = 1000,
    **values: Any,
) -> Sweep:
    """Make a sweep in which `done(trace, seed, policy)` says which episodes end healthy."""
    made = Sweep.create(runs, name, columns=COLUMNS, episode_columns=MORE)
    rows, extra = [], {}
    cases = [(f"t{t}", s, p) for p in policies for t in range(traces) for s in range(seeds)]
    for episode, (trace, seed, policy) in enumerate(cases):
        success = done(trace, seed, policy)
        known = {"trace": trace, "seed": seed, "policy": policy, "reward_name": "binary"}
        known |= {"schema_version": 1, "run_id": name} | {
            k: v for k, v in values.items() if k in known
        }
        containers = [{"name": "web", "cpu_request": cpu}]
        rows.append(make_row(episode, 0, **known))
        rows.append(
            make_row(
                episode,
                1,
                **known,
                success=success,
                reward=None if success is None else float(success),
                obs_containers=containers,
            )
        )
        extra[episode] = {"trace_sha256": f"digest of {trace}", "deploy": "web"} | {
            k: v for k, v in values.items() if k not in known
        }
    episodes = [row | extra[row["episode"]] for row in episode_rows(rows)]
    made.write_chunk(0, table_of(rows, COLUMNS), table_of(episodes, MORE))
    return made


def all_done(trace: str, seed: int, policy: str) -> bool:  # noqa: ARG001
    return True


def none_done(trace: str, seed: int, policy: str) -> bool:  # noqa: ARG001
    return False


def only_a(trace: str, seed: int, policy: str) -> bool:  # noqa: ARG001
    return policy == "a"


def test_a_run_is_as_it_is(runs_dir: Path) -> None:
    one = sweep(runs_dir, "one", only_a)
    found = compare(one, one)
    assert (found.pairs, found.only_a, found.only_b) == (24, 0, 0)
    assert found.differently == {}
    assert found.outcomes == []
    for policy in found.policies:
        assert policy.success.value == 0
        assert (policy.gained, policy.lost) == (0, 0)


def test_pairs_are_those_of_trace_seed_and_policy(runs_dir: Path) -> None:
    one = sweep(runs_dir, "one", only_a, seeds=3)
    other = sweep(runs_dir, "other", all_done, traces=4, policies=("b", "a"), cpu=1500)
    found = compare(one, other)
    assert (found.pairs, found.only_a, found.only_b) == (4 * 2 * 2, 36 - 16, 0)
    whole, a, b = found.policies
    assert [whole.policy, a.policy, b.policy] == ["all policies", "a", "b"]
    assert (a.gained, a.lost, b.gained, b.lost, whole.gained) == (0, 0, 8, 0, 8)
    assert (b.before, b.after, b.success.value, b.traces) == (0.0, 1.0, 1.0, 4)
    assert b.success.low is not None
    assert 0 < b.success.low < 1
    assert (a.cpu.value, a.cpu.episodes) == (500.0, 8)
    assert b.cpu.value is None  # A has no healthy episode to compare with
    assert len(found.outcomes) == 8
    assert {one.healthy for one in found.outcomes} == {"b"}


def test_what_was_tried_out_is_named(runs_dir: Path) -> None:
    one = sweep(runs_dir, "one", none_done, policies=("a",), step_sizes={"cpu": "1"}, nodes="n")
    other = sweep(runs_dir, "other", all_done, policies=("b",), step_sizes={"cpu": "2"}, nodes="n")
    found = compare(one, other)
    assert found.pairs == 12
    assert set(found.differently) == {"policy", "step_sizes"}
    assert found.differently["policy"] == (["a"], ["b"])
    assert [policy.policy for policy in found.policies] == ["a -> b"]


def test_manifests_are_known_by_what_is_in_them(runs_dir: Path) -> None:
    """Wherever they lie, and whatever lay at the same path before."""
    one = sweep(runs_dir, "one", all_done, nodes="a.yaml")
    same = sweep(runs_dir, "same", all_done, nodes="b.yaml")
    other = sweep(runs_dir, "other", all_done, nodes="a.yaml")
    for made, text, data in ((one, "a", b"x"), (same, "b", b"x"), (other, "a", b"y")):
        name = sha256(f"{text}.yaml".encode()).hexdigest()
        made.add_input(f"{name}.nodes.yaml", data)
    assert compare(one, same).differently == {}
    left, right = (f"manifests with SHA-256 {sha256(d).hexdigest()[:12]}" for d in (b"x", b"y"))
    assert compare(one, other).differently == {"nodes": ([left], [right])}


def test_other_versions_are_named(runs_dir: Path) -> None:
    one, other = (sweep(runs_dir, name, all_done) for name in ("one", "other"))
    one.record("made_with", {"python": "3.11", "git": "a" * 40, "numba": None})
    one = Sweep.open(runs_dir / "one")
    assert compare(one, other).versions == {}  # nothing is known of the other
    other.record("made_with", {"python": "3.11", "git": "b" * 40, "numba": "1"})
    found = compare(one, Sweep.open(runs_dir / "other"))
    assert found.versions == {"git": (["a" * 12], ["b" * 12])}
    assert as_document(found)["versions"] == {"git": {"a": ["a" * 12], "b": ["b" * 12]}}
    assert "Played with other versions" in markdown(compared(found))


def test_pairs_that_cannot_be_assessed_are_left_out_and_counted(runs_dir: Path) -> None:
    def unknown(trace: str, seed: int, policy: str) -> bool | None:  # noqa: ARG001
        return None if trace == "t0" else True

    one = sweep(runs_dir, "one", none_done, policies=("a",))
    other = sweep(runs_dir, "other", unknown, policies=("a",))
    for found, gained, lost in ((compare(one, other), 10, 0), (compare(other, one), 0, 10)):
        assert (found.pairs, found.unassessable) == (12, 2)
        (policy,) = found.policies
        assert (policy.pairs, policy.traces, policy.gained, policy.lost) == (10, 5, gained, lost)
        assert policy.reward is not None
        assert policy.reward.episodes == 10
        assert len(found.outcomes) == 10
        assert "over 10 pairs of episodes" in compared(found).headline
        assert "2 more could not be assessed" in compared(found).headline


def test_nothing_assessable_is_nothing_known(runs_dir: Path) -> None:
    def never(trace: str, seed: int, policy: str) -> None:  # noqa: ARG001
        return None

    one, other = (sweep(runs_dir, name, done) for name, done in (("a", never), ("b", all_done)))
    found = compare(one, other)
    assert (found.pairs, found.unassessable, found.policies, found.outcomes) == (24, 24, [], [])
    document = compared(found)
    assert document.headline.startswith("Nothing is known of success: of 24 pairs")
    assert "None" not in markdown(document)
    json.dumps(as_document(found), allow_nan=False)


def test_rewards_that_are_not_the_same_are_not_compared(runs_dir: Path) -> None:
    one = sweep(runs_dir, "one", all_done)
    other = sweep(runs_dir, "other", all_done, reward_name="shaped")
    assert all(policy.reward is None for policy in compare(one, other).policies)
    assert all(policy.reward is not None for policy in compare(one, one).policies)
    assert all(policy.reward is not None for policy in compare(other, other).policies)


def test_rewards_of_several_kinds_have_no_mean(runs_dir: Path) -> None:
    made = sweep(runs_dir, "mixed", all_done)
    table = load_episodes(made, form="arrow")
    names = pa.array(["binary" if row % 2 else "shaped" for row in range(table.num_rows)])
    place = table.column_names.index("reward_name")
    mixed = table.set_column(place, table.schema.field(place), names)
    made.write_chunk(0, load_steps(made, form="arrow"), mixed)
    assert [policy.reward for policy in compare(made, made).policies] == [None] * 3
    figures: Any = summarise_sweep(made)
    assert figures["mean_reward"] is None
    assert [one["mean_reward"] for one in figures["by_policy"].values()] == [None, None]


def test_a_run_of_one_episode_is_compared_with_a_sweep(runs_dir: Path) -> None:
    columns = (*COLUMNS, Column("deploy", "str", "", ""))
    parameters = {"trace_sha256": "digest of t1", "max_steps": 10}
    run = Run.create(runs_dir, columns=columns, parameters=parameters)
    run.append_step(make_row(trace="t1.sktrace", seed=1, policy="a", success=True, deploy="web"))
    found = compare(run, sweep(runs_dir, "other", none_done, policies=("a",)))
    assert (found.pairs, found.only_a, found.only_b) == (1, 0, 11)
    assert found.policies[0].lost == 1
    assert found.policies[0].success.low is None  # one pair says nothing of others


def test_runs_without_common_episodes_are_told_apart(runs_dir: Path, run: Run) -> None:
    one = sweep(runs_dir, "one", all_done)
    other = sweep(runs_dir, "other", all_done, trace_sha256="another")
    with pytest.raises(ResultsError, match="have other contents"):
        compare(one, other)
    other = sweep(runs_dir, "seeds", all_done, seed=99, seeds=1)
    with pytest.raises(ResultsError, match="the seed is 0, 1 in the first and 99 in the second"):
        compare(one, other)
    with pytest.raises(ResultsError, match="has no episodes yet"):
        compare(one, run)


def test_episodes_that_nothing_tells_apart_are_refused(runs_dir: Path) -> None:
    one = sweep(runs_dir, "one", all_done)
    twice = sweep(runs_dir, "twice", all_done, trace_sha256="same", trace="same")
    with pytest.raises(ResultsError, match="asked for alike"):
        compare(twice, twice)
    assert compare(one, one).pairs == 24


@pytest.fixture
def comparison(runs_dir: Path) -> Comparison:
    nasty = "<script>x</script> | **b**"
    one = sweep(runs_dir, "one", none_done, policies=(nasty,))
    return compare(one, sweep(runs_dir, "other", all_done, policies=(nasty,)))


def test_a_comparison_is_written_in_every_form(comparison: Comparison) -> None:
    document = compared(comparison)
    assert "Success from 0.0 % to 100.0 % over 12 pairs" in document.headline
    html, text = page(document), markdown(document)
    assert "<script" not in html
    assert "<script" not in text
    assert "**b**" not in text.replace("\\*", "")
    again = json.loads(json.dumps(as_document(comparison), allow_nan=False))
    assert again["policies"][0]["success"]["value"] == 1.0
