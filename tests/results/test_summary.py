from hypothesis import given
from hypothesis import strategies as st

from results import episode_rows, summarise
from results.summary import told_errors

steps = st.lists(
    st.fixed_dictionaries(
        {
            "episode": st.integers(0, 3),
            "step": st.integers(0, 5),
            "policy": st.sampled_from(["noop", "heuristic"]),
            "trace": st.sampled_from(["a", "b"]),
            "reward": st.none() | st.floats(-1, 1),
            "success": st.none() | st.booleans(),
            "error": st.none() | st.just("boom"),
        }
    )
)


def test_nothing_played_is_unknown_and_not_zero():
    figures = summarise([])
    assert figures["episodes"] == 0
    assert figures["success_rate"] is None
    assert figures["mean_reward"] is None
    assert figures["steps_to_success"] is None


def test_the_figures_of_two_episodes(row):
    figures = summarise(
        [
            row(0, 0, reward=0.0),
            row(0, 1, reward=1.0, success=True),
            row(1, 0, reward=None, success=None, error="read failed", policy="noop", trace="b"),
        ]
    )
    assert figures["episodes"] == 2
    assert figures["steps"] == 3
    assert figures["success_rate"] == 0.5
    assert figures["mean_reward"] == 0.5
    assert figures["steps_to_success"] == {"min": 2, "median": 2.0, "mean": 2.0, "max": 2}
    assert figures["by_policy"]["noop"]["success_rate"] == 0.0
    assert figures["by_policy"]["noop"]["mean_reward"] is None
    assert figures["by_trace"]["demo/a.sktrace"]["successes"] == 1
    assert figures["error_list"] == [{"episode": 1, "step": 0, "error": "read failed"}]


def test_what_cannot_be_assessed_is_counted_apart_and_in_no_rate(row):
    rows = [
        row(0, 0, success=True),
        row(1, 0, success=False),
        row(1, 1, success=None, reward=None),
        row(2, 0, success=None, error="away"),
        row(2, 0, success=None),
        row(3, 0, success=None, error="away"),
    ]
    figures = summarise(rows)
    assert (figures["episodes"], figures["unassessable"], figures["successes"]) == (4, 2, 1)
    assert figures["success_rate"] == 0.5
    assert summarise(rows[1:3])["success_rate"] is None
    episodes = episode_rows({**one, "run_id": "r"} for one in rows)
    assert [one["success"] for one in episodes] == [True, None, None, False]


@given(steps)
def test_the_groups_add_up_to_the_whole_and_say_what_the_episodes_say(rows):
    figures = summarise(rows)
    taken = {(row["episode"], row["step"]) for row in rows}  # one may be taken again
    for groups in (figures["by_policy"], figures["by_trace"]):
        assert sum(group["steps"] for group in groups.values()) == figures["steps"] == len(taken)
        assert sum(group["errors"] for group in groups.values()) == figures["errors"]
    assert len(figures["error_list"]) == figures["errors"]
    episodes = episode_rows({**row, "run_id": "r"} for row in rows)
    assert figures["episodes"] == len(episodes)
    assert figures["successes"] == sum(one["success"] is True for one in episodes)
    assert figures["unassessable"] == sum(one["success"] is None for one in episodes)
    assert figures["errors"] == sum(one["error"] is not None for one in episodes)
    took = [one["steps_to_success"] for one in episodes if one["success"]]
    assert (figures["steps_to_success"] or {}).get("max") == max(took, default=None)


def test_the_summary_ends_the_run(run, row):
    run.append_step(row(success=True, reward=1.0))
    assert run.read_summary() is None
    figures = run.write_summary()
    document = run.read_summary()
    assert document is not None
    assert document["ended_at"] >= document["started_at"]
    assert {key: document[key] for key in figures} == figures


def test_errors_are_told_once_with_the_episodes_that_they_ended(row):
    errors = ["gone", "gone", "no\nidea", "gone", "gone", "late", "late"]
    figures = summarise([row(i, 0, success=None, error=one) for i, one in enumerate(errors)])
    assert told_errors(figures, 3) == [
        "episodes 0, 1, 3 and 1 more failed: gone",
        "episode 2 failed: no idea",
        "episodes 5, 6 failed: late",
    ]
    figures["errors"] = 1007  # not all of them are listed
    assert told_errors(figures, 2) == [
        "episodes 0, 1, 3 and 1 more failed: gone",
        "episode 2 failed: no idea",
        "1,002 more episodes failed: the table of the episodes has them all",
    ]
