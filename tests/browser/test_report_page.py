"""The report in a real browser: light and dark, on paper, in a narrow window, by keys."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from results import Run
from results.report import measure, page, report
from sim_arena.sweeps import create, opened, writing
from sim_arena.sweeps.asked import checked
from sim_arena.sweeps.playing import play_chunk
from sim_arena.sweeps.replay import recorded_episode
from sim_arena.timeline import timelines
from tests.results.conftest import COLUMNS
from tests.results.test_report import WINDOW, nasty_rows

ROOT = Path(__file__).parents[2]
WAYS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1200, "height": 900}},
    "dark": {"viewport": {"width": 1200, "height": 900}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 640}},
    "paper": {"viewport": {"width": 680, "height": 960}},  # A4 within its margins
}


@pytest.fixture(scope="session")
def sweep_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a sweep that was played: three policies on eight traces."""
    folder = tmp_path_factory.mktemp("report")
    demo = ROOT / "traces" / "demo"
    names = sorted(path.name for path in demo.glob("*.sktrace"))[15:23]
    asked = checked(
        {
            "traces": [str(demo / name) for name in names],
            "policies": ["heuristic", "random", "noop"],
        }
    )
    sweep, plan = create(asked, folder)
    with writing(sweep) as writer:
        for chunk in range(len(plan.chunks)):
            play_chunk(sweep, plan, chunk, writer)
    sweep, _ = opened(sweep.store.url)
    measures = measure(sweep)
    assert measures.example is not None
    rows = recorded_episode(sweep, measures.example).rows
    path = folder / "report.html"
    windows = timelines(recorded_episode(sweep, measures.example))
    path.write_text(page(report(sweep, measures, rows, windows)), "utf-8")
    return path


@pytest.fixture
def nasty_page(tmp_path: Path) -> Path:
    """The report of a run in which every text that may come from a trace looks like markup."""
    run = Run.create(tmp_path / "runs", columns=COLUMNS)
    for row in nasty_rows():
        run.append_step(row)
    rows = [row for row in run.read_steps() if row["episode"] == 0]
    path = tmp_path / "report.html"
    path.write_text(page(report(run, measure(run), rows, [WINDOW, WINDOW])), "utf-8")
    return path


def shown(open_page: Callable[..., Page], path: Path, way: str) -> Page:
    opened_page = open_page(path.as_uri(), **WAYS[way])
    if way == "paper":
        opened_page.emulate_media(media="print")
    return opened_page


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", ["sweep_page", "nasty_page"])
def test_nothing_sticks_out(
    open_page: Callable[..., Page], request: pytest.FixtureRequest, which: str, way: str
) -> None:
    at = shown(open_page, request.getfixturevalue(which), way)
    width, room = at.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert width <= room
    if way == "paper" and which == "sweep_page":  # nobody can scroll a table on paper
        wide = at.evaluate(
            "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
            ".map(e => e.innerText.slice(0, 60))"
        )
        assert wide == []


CONTRAST = """() => {
  const channels = text => text.match(/[\\d.]+/g).map(Number);
  const parse = text => {
    const [r, g, b, a = 1] = channels(text);
    const scale = text.startsWith('color(') ? 255 : 1;
    return [r * scale, g * scale, b * scale, a];
  };
  const over = (top, below) => [0, 1, 2].map(i => top[i] * top[3] + below[i] * (1 - top[3]));
  const ground = element => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      layers.push(parse(getComputedStyle(at).backgroundColor));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
  };
  const light = color => {
    const [r, g, b] = color.map(v => v / 255).map(
      v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const details of document.querySelectorAll('details')) details.open = true;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const text = walker.currentNode.textContent.trim();
    const element = walker.currentNode.parentElement;
    if (!text || !element.checkVisibility()) continue;
    const below = ground(element);
    const ink = light(over(parse(getComputedStyle(element).color), below));
    const paper = light(below);
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    found.push([ratio, text.slice(0, 40)]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}"""


@pytest.mark.parametrize("way", ["light", "dark", "paper"])
def test_every_text_can_be_read(open_page: Callable[..., Page], sweep_page: Path, way: str) -> None:
    ratios = shown(open_page, sweep_page, way).evaluate(CONTRAST)
    assert len(ratios) > 200
    assert ratios[0][0] >= 4.5, ratios[:5]  # WCAG 2.2, 1.4.3


STRUCTURE = """() => {
  const all = selector => [...document.querySelectorAll(selector)];
  const named = e => (e.getAttribute('aria-label') || '').trim()
    || (e.getAttribute('aria-labelledby') || '').split(' ')
       .map(id => document.getElementById(id)?.textContent || '').join('').trim();
  const ids = all('[id]').map(e => e.id);
  return {
    levels: all('h1,h2,h3,h4,h5,h6').map(e => Number(e.tagName[1])),
    landmarks: ['header', 'nav', 'main', 'footer'].map(name => all(name).length),
    doubleIds: ids.filter((id, at) => ids.indexOf(id) !== at),
    deadLinks: all('a').filter(a => !document.getElementById(a.hash.slice(1))).length,
    tables: all('table').length,
    poorTables: all('table').filter(t => !t.caption || !t.tHead
      || [...t.querySelectorAll('th')].some(th => !th.scope)
      || [...t.tBodies[0].rows].some(r => !r.querySelector('th[scope=row]'))).length,
    nameless: all('[role=region],[role=img],nav,section,figure').filter(e => !named(e)).length,
    pictures: all('[role=img]').map(named),
    loudDrawings: all('svg').filter(e => e.getAttribute('aria-hidden') !== 'true').length,
    unreachable: all('.scroll,pre').filter(e => e.tabIndex !== 0).length,
    sameName: (names => names.filter((name, at) => names.indexOf(name) !== at))(
      all('[role=region],nav,section').map(named)),
    behind: all('figure').filter(f => !f.querySelector('details table')).length,
  };
}"""


@pytest.mark.parametrize("which", ["sweep_page", "nasty_page"])
def test_a_screen_reader_finds_its_way(
    open_page: Callable[..., Page], request: pytest.FixtureRequest, which: str
) -> None:
    found = shown(open_page, request.getfixturevalue(which), "light").evaluate(STRUCTURE)
    levels = found["levels"]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    assert found["landmarks"] == [1, 1, 1, 1]
    assert found["tables"] > 8
    assert all("At the end: " in name for name in found["pictures"])
    # Each step of the sweep's example changed the trace; those in between have to be opened.
    assert len(found["pictures"]) == {"sweep_page": 4, "nasty_page": 2}[which]
    for fault in (
        *("doubleIds", "deadLinks", "poorTables", "nameless", "loudDrawings", "unreachable"),
        *("sameName", "behind"),
    ):
        assert not found[fault], fault


def test_the_keys_lead_through_the_page(open_page: Callable[..., Page], sweep_page: Path) -> None:
    at = shown(open_page, sweep_page, "light")
    at.keyboard.press("Tab")
    assert at.evaluate("document.activeElement.className") == "skip"
    box = at.locator(".skip").bounding_box()
    assert box is not None
    assert box["x"] >= 0  # it is seen as soon as it has the focus
    at.keyboard.press("Enter")
    assert at.evaluate("document.activeElement.id") == "main"
    seen = []
    for _ in range(60):
        at.keyboard.press("Tab")
        style = at.evaluate(
            "(() => { const s = getComputedStyle(document.activeElement);"
            "return [s.outlineStyle, parseFloat(s.outlineWidth)]; })()"
        )
        name = at.evaluate("document.activeElement.tagName")
        if name == "BODY":
            break
        seen.append(name)
        assert style[0] != "none", name
        assert style[1] >= 2, name
    within_closed = "e => e.parentElement.parentElement.closest('details:not([open])')"
    summaries = at.evaluate(
        f"[...document.querySelectorAll('summary')].map({within_closed}).map(Boolean)"
    )
    assert summaries.count(True) == 2  # the numbers of the two charts that have to be opened
    assert seen.count("SUMMARY") == summaries.count(False)
    at.locator("summary").first.focus()
    at.keyboard.press("Enter")
    assert at.locator("details").first.get_attribute("open") is not None


def test_what_a_trace_says_does_nothing(open_page: Callable[..., Page], nasty_page: Path) -> None:
    at = shown(open_page, nasty_page, "light")
    assert at.locator("script, img, iframe, link").count() == 0
    assert "<script>alert(1)</script>" in at.locator("main").inner_text()
    assert at.locator("main").is_visible()  # no style of theirs hides it


def test_the_colours_follow_the_system(open_page: Callable[..., Page], sweep_page: Path) -> None:
    papers = {
        way: shown(open_page, sweep_page, way).evaluate(
            "getComputedStyle(document.body).backgroundColor"
        )
        for way in ("light", "dark", "paper")
    }
    assert papers["light"] == papers["paper"] == "rgb(255, 255, 255)"
    assert papers["dark"] != papers["light"]
