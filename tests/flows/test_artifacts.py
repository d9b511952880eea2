"""What a trace says is data in the artifacts, never markup."""

import html
import re
from base64 import b64decode
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.agreement import Compared
from flows.agreement import page as agreement_page
from flows.artifacts import cell, escape, fenced, page, step_rows
from flows.picture import picture
from sim_arena.episode import EpisodeSpec
from sim_arena.fidelity import Comparison, Counts, Event, Found

NASTY = "<script>x</script> [a](javascript:b) ![i](http://e) **b** `c` | d\n# e\n```\nf https://g"


def spec(**values: Any) -> EpisodeSpec:
    given: dict[str, Any] = {"trace": "t", "deploy": "web", "target": 3, "duration": 60}
    return EpisodeSpec.model_validate(given | {"run_id": "r"} | values)


@given(st.text())
def test_escaped_text_says_the_same_on_one_line(text: str) -> None:
    shown = html.unescape(re.sub(r"\\(.)", r"\1", escape(text)))
    assert shown == " ".join(text.split())


@given(st.text(alphabet="<>[]()`*_|#!~\\&:@/.-+= ab", max_size=30))
def test_escaped_text_holds_no_markup(text: str) -> None:
    rest = re.sub(r"\\.", "", escape(text))
    assert not re.search(r"[<>\[\]()`*_|#!~\\:@]", re.sub(r"&(#\d+|\w+);", "", rest))


@pytest.mark.parametrize("text", ["", "a", "```\n# out", "a ```` b", NASTY])
def test_a_block_of_code_is_not_ended_by_what_is_in_it(text: str) -> None:
    first, *body, last = fenced(text, "diff").splitlines()
    fence = first.removesuffix("diff")
    assert set(fence) == {"`"}
    assert last == fence
    assert not any(fence in line for line in body)


def test_cells_hold_neither_links_nor_tags() -> None:
    shown = cell(NASTY)
    assert "](" not in shown
    assert not re.search(r"<\w", shown)
    assert "\n" not in shown
    assert cell("2 x 0/3 nodes are available: 3 Insufficient cpu.") == (
        "2 x 0/3 nodes are available: 3 Insufficient cpu."
    )


def test_a_page_shows_a_nasty_name_as_text() -> None:
    text = page(spec(deploy=NASTY), [], ValueError(NASTY))
    head = text.splitlines()[0]
    assert head.startswith("# The episode of &lt;script&gt;")
    outside = re.sub(r"(?ms)^(`{3,}).*?^\1$", "", text)
    assert "<script" not in outside
    assert "](" not in outside


def test_a_step_s_row_is_text() -> None:
    record: Any = {
        "step": 0,
        "target": 3,
        "observation": {"ready": 1, "pending": 2, "total": 3, "reasons": {NASTY: 2}},
        "action": {"type": "noop", "deploy": "web"},
        "notes": [NASTY],
        "reward": 0.25,
        "error": None,
    }
    [row] = step_rows([record])
    assert row["step"] == "1"
    assert row["observation"].startswith("1 of 3 ready, 2 pending; 2 x <")
    assert row["reward"] == "0.250"
    assert "](" not in "".join(row.values())


def test_a_comparison_shows_what_differs_and_nasty_names_as_text() -> None:
    real = Counts("Deployment", "shop", NASTY, 1, 2, 3, ())
    own = Found(real, {(3, 0, 3): 8}, agrees=False, reasons=False)
    event = Event(
        0, 5, (own,), agrees=False, exact=False, share=0.0, width=1, seeds=8, unsettled=None
    )
    found = Compared(f"traces/{NASTY}.sktrace", Comparison((event,), (NASTY,), None), None)
    text = agreement_page([found])
    assert text.startswith("# 1 trace, 1 moment, 1 different\n")
    assert "| 1 / 2 / 3 | 3 / 0 / 3 by 8 seeds |" in text
    assert "<script" not in text
    assert "](" not in text


def test_a_picture_holds_names_as_text_and_the_shares_as_widths() -> None:
    groups = {
        '<b>&"': {"success_rate": 0.25, "episodes": 1000},
        "never": {"success_rate": None, "episodes": 0},
    }
    address = picture(groups)
    assert address is not None
    drawn = ET.fromstring(b64decode(address.partition(",")[2]))  # noqa: S314 # our own
    kinds = "{http://www.w3.org/2000/svg}"
    assert [text.text for text in drawn.iter(f"{kinds}text")] == ['<b>&"', "25.0% of 1,000"]
    _, whole, share = (float(bar.attrib["width"]) for bar in drawn.iter(f"{kinds}rect"))
    assert share == whole / 4
    assert picture({"never": groups["never"]}) is None
