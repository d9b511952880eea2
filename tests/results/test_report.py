"""The report: its figures are those of the rows, and what a trace says is no markup in it."""

import time
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from markdown_it import MarkdownIt

from results import EPISODE_COLUMNS, Column, Run, Sweep, episode_rows, load_episodes, table_of
from results.report import markdown, measure, page, policies, report
from results.report.document import Table
from results.report.failures import kind_of
from tests.results.conftest import COLUMNS, make_row

NASTY = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "[link](javascript:alert(1))",
    "![](http://example.org/a.png) | `code` **bold**\n# head",
    "</style><style>*{display:none}</style>",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u0007\x1b[31m",
]
WINDOW = {
    "step": 0,
    "times": [0.0, 1.0, 2.0],
    "workload": {
        "ready": [0, 0, 1],
        "not_ready": [0, 1, 0],
        "crashed": [0, 0, 0],
        "pending": [1, 0, 0],
    },
    "pending": [1, 0, 0],
    "nodes": [
        {
            "name": NASTY[0],
            "cpu": 1000,
            "memory": 2**30,
            "pods": 10,
            "requested_cpu": 500,
            "requested_memory": 0,
            "requested_pods": 1,
            "states": {"ready": [0, 0, 1], "not_ready": [0, 1, 0], "crashed": [0, 0, 0]},
        }
    ],
    "warnings": [],
}


def nasty_rows() -> list[dict[str, Any]]:
    rows = []
    for episode, text in enumerate(NASTY):
        container = {"name": text, "cpu_request": 1}
        values = {
            "policy": text,
            "trace": text,
            "reward_name": text,
            "obs_reasons": {text: 2},
            "obs_events": [text],
            "obs_containers": [container],
            "notes": [text],
            "action": {"type": text, "container": text, "step": text},
            "changes": [
                {
                    "event": 0,
                    "kind": text,
                    "namespace": text,
                    "name": text,
                    "container": text,
                    "field": text,
                    "before": text,
                    "after": f"{text} {text}",
                }
            ],
            "error": text if episode % 2 else None,
        }
        rows += [make_row(episode, step, **values) for step in range(3)]
    return rows


class Page(HTMLParser):
    """The tags of a page with their attributes, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def written(run: Run) -> tuple[str, str]:
    steps = [row for row in run.read_steps() if row["episode"] == 0]
    document = report(run, measure(run), steps, [{**WINDOW, "step": step} for step in range(3)])
    return page(document), markdown(document)


def test_what_a_trace_says_is_text(run: Run) -> None:
    for row in nasty_rows():
        run.append_step(row)
    html, text = written(run)
    shown = Page(html)
    assert shown.tags["style"] == 1
    assert not {"script", "img", "iframe", "object", "link", "form"} & shown.tags.keys()
    assert not [name for name in shown.attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in shown.text
    assert "{{ 7 * 7 }}" in shown.text
    assert "\u202e" not in html
    assert "\x1b" not in html
    assert "http" not in html.replace("http-equiv", "").replace("http://example.org/a.png", "")

    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    inline = [child for token in tokens for child in token.children or ()]
    kinds = {token.type for token in [*tokens, *inline]}
    assert not {"link_open", "image", "html_inline", "code_inline"} & kinds
    ours = ("<details>", "</details>")
    assert all(token.content.startswith(ours) for token in tokens if token.type == "html_block")
    assert "<script" not in "".join(t.content for t in tokens if t.type == "html_block")


def test_slack_has_an_interval_of_its_own(tmp_path: Path) -> None:
    figures = [Column(f"cpu_{what}", "int", "mCPU", what) for what in ("request", "usage")]
    parts = (Column("name", "str", "", "the container's name"), *figures)
    known = [column for column in COLUMNS if column.name != "obs_containers"]
    run = Run.create(
        tmp_path, columns=(*known, Column("obs_containers", "structs", "", "them", parts))
    )
    # Request and use go up and down together: the slack hardly moves.
    for episode, (request, usage) in enumerate([(1000, 500), (2000, 1490), (3000, 2510)]):
        one = {"name": "a", "cpu_request": request, "cpu_usage": usage}
        values = {"obs_containers": [one], "success": True, "terminated": True}
        run.append_step(make_row(episode, 0, policy="p", trace=f"t{episode}", **values))
    [table, _] = policies.slack(measure(run)).blocks
    assert isinstance(table, Table)
    shown = dict(zip([one.name for one in table.columns], table.rows[0], strict=True))
    assert shown["Slack"].text == "0.50"
    low, high = map(float, shown["95 % interval"].text.split(" to "))
    assert 0.47 <= low < 0.5 < high <= 0.53


def test_a_page_is_whole_and_asks_nobody(run: Run) -> None:
    run.append_step(make_row())
    html, _ = written(run)
    shown = Page(html)
    assert shown.tags["h1"] == shown.tags["main"] == shown.tags["nav"] == shown.tags["header"] == 1
    assert "default-src 'none'" in html
    assert not {"src", "href"} & (shown.attributes - {"href"})
    assert {"lang", "scope", "aria-label"} <= shown.attributes


def test_the_figures_are_those_of_the_rows(runs_dir: Path) -> None:
    sweep = Sweep.create(runs_dir, "s1", columns=COLUMNS)
    head = {"schema_version": 1, "run_id": "s1", "reward_name": "binary"}
    everything = []
    for chunk in range(3):
        rows = []
        for episode in range(chunk * 4, chunk * 4 + 4):
            done = episode % 3 == 0
            values = {"trace": f"t{episode % 2}", "policy": "ab"[episode % 4 // 2], **head}
            values["reward_name"] = ("binary", "shaped")[episode % 4 == 3]
            rows.append(make_row(episode, 0, **values))
            rows.append(make_row(episode, 1, success=done, reward=float(done), **values))
        everything += rows
        sweep.write_chunk(
            chunk, table_of(rows, COLUMNS), table_of(episode_rows(rows), EPISODE_COLUMNS)
        )
    found = measure(sweep)
    episodes = load_episodes(sweep)
    assert found.steps == len(everything)
    assert found.policies == ["a", "b"]
    for policy in found.policies:
        mine = episodes[episodes["policy"] == policy]
        sums = found.clusters("success", policy)
        assert sum(one.episodes for one in sums) == len(mine)
        assert sum(one.total for one in sums) == mine["success"].sum()
        for name in mine["reward_name"].unique():
            rewards = found.rewards[name][policy].values()
            own = mine[mine["reward_name"] == name]
            assert sum(one.total for one in rewards) == own["total_reward"].sum()
            assert sum(one.episodes for one in rewards) == len(own)
        assert found.took[policy] == {2: mine["success"].sum()}
    assert {name: sorted(of) for name, of in found.rewards.items()} == {
        "binary": ["a", "b"],
        "shaped": ["b"],
    }
    html = page(report(sweep, found, [], []))
    assert "Reward binary of an episode" in html
    assert "Reward shaped of an episode" in html
    failed = found.failures.groups()
    assert sum(group.episodes for group in failed) == (~episodes["success"]).sum()
    assert [group.reason for group in failed] == ["Unschedulable: Insufficient cpu"]
    assert failed[0].episode == 1


def test_nothing_known_is_nothing_shown(run: Run) -> None:
    """A run whose rows hold no observation, as of another program, has a report all the same."""
    run.append_step(make_row(obs_ready=None, obs_reasons=None, obs_containers=None, reward=None))
    found = measure(run)
    assert found.clusters("killed_last", "heuristic")[0].episodes == 0
    assert [group.reason for group in found.failures.groups()] == ["Nothing was observed"]
    html, _ = written(run)
    assert "None" not in Page(html).text


def test_an_empty_run_has_a_report(run: Run) -> None:
    document = report(run, measure(run), [])
    assert "Nothing was played yet." in page(document)
    assert "Nothing was played yet" in markdown(document)


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        (
            (
                "0/4 nodes are available: 1 Insufficient cpu, 3 node(s) had untolerated taint(s). "
                "no new claims to deallocate, preemption: 0/4 nodes are available: 4 No preemption."
            ),
            "Unschedulable: Insufficient cpu, node(s) had untolerated taint(s)",
        ),
        ("0/12 nodes are available: 12 Too many pods.", "Unschedulable: Too many pods"),
        ('pods "web-1" is forbidden: exceeded quota', 'pods "web-1" is forbidden: exceeded quota'),
    ],
)
def test_messages_are_grouped_by_what_they_name(message: str, kind: str) -> None:
    assert kind_of(message) == kind


def test_a_hundred_thousand_episodes_are_a_small_page_soon(runs_dir: Path) -> None:
    sweep = Sweep.create(runs_dir, "s1", columns=COLUMNS)
    head = {"schema_version": 1, "run_id": "s1", "reward_name": "binary"}
    rows = [
        make_row(episode, 0, trace=f"t{episode % 100}", success=episode % 3 == 0, **head)
        for episode in range(1000)
    ]
    steps, episodes = table_of(rows, COLUMNS), table_of(episode_rows(rows), EPISODE_COLUMNS)
    for chunk in range(10):  # of 10,000 episodes each
        parts = []
        for table in (steps, episodes):
            whole = pa.concat_tables([table] * 10)
            numbers = pa.array(range(chunk * 10_000, chunk * 10_000 + 10_000), pa.int64())
            place = table.schema.get_field_index("episode")
            parts.append(whole.set_column(place, table.schema.field("episode"), numbers))
        sweep.write_chunk(chunk, *parts)
    assert pc.count_distinct(load_episodes(sweep, form="arrow")["episode"]).as_py() == 100_000
    measure(sweep)  # what is imported once is not what is measured
    start = time.process_time()
    html = page(report(sweep, measure(sweep), []))
    assert time.process_time() - start < 10
    assert "100,000" in html
    assert len(html) < 200_000


def test_what_cannot_be_assessed_stands_apart(tmp_path: Path) -> None:
    run = Run.create(tmp_path, columns=(*COLUMNS, Column("obs_unassessable", "names", "", "why")))
    for episode, success in enumerate((True, False, None, None)):
        values = {"success": success, "policy": "p", "trace": f"t{episode}"}
        run.append_step(make_row(episode, 0, **values))
    for episode in (4, 5):
        run.append_step(make_row(episode, 0, success=None, policy="q", trace=f"t{episode}"))
    found = measure(run)
    [table] = policies.success(found).blocks
    assert isinstance(table, Table)
    rows = [
        dict(zip([one.name for one in table.columns], [cell.text for cell in row], strict=True))
        for row in table.rows
    ]
    names = ("Policy", "Episodes", "Success", "Not assessable")
    assert [[row[name] for name in names] for row in rows] == [
        ["p", "4", "50.0 %", "2"],
        ["q", "2", "-", "2"],
    ]
    assert rows[1]["95 % interval"] == "-"
    assert [group.episodes for group in found.failures.groups()] == [1]
    assert found.example == 0
    document = report(run, found, [])
    assert document.headline.startswith(
        "1 of 2 episodes ended healthy (50.0 %), 4 more cannot be assessed"
    )
    assert "None" not in markdown(document)
