"""What Prefect's own UI shows of an episode, a sweep and a comparison, read in a browser.

The pages ask hosts that are not there (analytics): only what a script throws is a fault here.
"""

import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

ROOT = Path(__file__).parents[2]
PATIENCE = 60_000  # milliseconds; a second on an idle machine

EPISODE = """
sim-arena episode --trace traces/demo/022-mixed.sktrace --ns media --deploy checkout --target 2
--duration 90 --nodes 3x16cpu,32Gi
"""
# Of the half that has no policy worth the name, those fail that are not healthy at once.
SWEEP = """
sim-arena sweep --trace traces/demo/00*.sktrace --policy heuristic
--policy tests.browser.undecided:policy --seeds 0-1 --chunk 20 --nodes 3x16cpu,32Gi --max-failed 1
"""
COMPARISON = """
from prefect import flow
from flows.agreement import Compared, publish
from sim_arena.fidelity import Comparison, Counts, Event, Found

@flow(name="fidelity")
def fidelity():
    real = Counts("Deployment", "shop", "<b>web</b>", 1, 2, 3, ())
    own = Found(real, {(3, 0, 3): 8}, agrees=False, reasons=False)
    event = Event(0, 5, (own,), agrees=False, exact=False, share=0.0, width=1, seeds=8,
                  unsettled=None)
    publish([Compared("traces/one.sktrace", Comparison((event,), (), None), None)])

fidelity()
"""


@pytest.fixture(scope="module")
def server(prefect_server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The server's address, after all of it was played in processes of its own."""
    runs = str(tmp_path_factory.mktemp("runs"))
    for command in (EPISODE, SWEEP):
        run("-m", "flows.cli", *command.split()[1:], "--runs-dir", runs)
    run("-c", COMPARISON)
    return prefect_server


def run(*words: str) -> None:
    done = subprocess.run(
        [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def show(browser: Browser, server: str) -> Iterator[Callable[[str], Page]]:
    """Opens a page of the UI."""
    thrown: list[str] = []
    context = browser.new_context(viewport={"width": 1400, "height": 1100})
    context.set_default_timeout(PATIENCE)

    def open_(path: str) -> Page:
        page = context.new_page()
        page.on("pageerror", lambda error: thrown.append(str(error)))
        # What it waits for to be loaded is nothing that the page needs.
        page.goto(server.removesuffix("/api") + path, wait_until="commit")
        return page

    yield open_
    context.close()
    assert thrown == []


@pytest.fixture
def asked(server: str) -> Callable[..., Any]:
    """Asks the server for what a filter finds."""

    def ask(what: str, **body: Any) -> Any:
        return httpx.post(f"{server}/{what}/filter", json=body, timeout=60).json()

    return ask


@pytest.fixture
def flow_run(asked: Callable[..., Any]) -> Callable[[str], Any]:
    """Gives the run of a flow."""

    def find(name: str) -> Any:
        [found] = asked("flow_runs", flows={"name": {"any_": [name]}})
        return found

    return find


@pytest.fixture
def artifact(
    asked: Callable[..., Any], show: Callable[[str], Page], flow_run: Callable[[str], Any]
) -> Callable[[str, str], Page]:
    """Opens an artifact of a flow's run."""

    def open_(flow: str, key: str) -> Page:
        wanted = {"key": {"any_": [key]}, "flow_run_id": {"any_": [flow_run(flow)["id"]]}}
        [found] = asked("artifacts", artifacts=wanted)
        return show(f"/v2/artifacts/artifact/{found['id']}")

    return open_


def seen(found: Any) -> None:
    expect(found.first).to_be_visible(timeout=PATIENCE)


@pytest.mark.parametrize(
    ("flow", "name", "message", "artifacts"),
    [
        (
            "episode",
            "episode checkout by heuristic, 022-mixed",
            "checkout is healthy, seen in step 4",
            ["episode", "episode-steps"],
        ),
        (
            "sweep",
            "sweep of 00* by heuristic, tests.browser.undecided:policy",
            re.compile(r"36 episodes of \d+ steps, .* ended in success, 16 failed"),
            ["sweep", "sweep-progress"],
        ),
    ],
)
def test_a_run_s_page_says_what_it_is_and_how_it_went(
    *,
    flow: str,
    name: str,
    message: Any,
    artifacts: list[str],
    show: Callable[[str], Page],
    flow_run: Callable[[str], Any],
) -> None:
    page = show(f"/v2/runs/flow-run/{flow_run(flow)['id']}?tab=Artifacts")
    seen(page.get_by_text(name))
    seen(page.get_by_text("Completed"))
    seen(page.get_by_text("sim-arena", exact=True))  # a tag
    for key in artifacts:
        seen(page.get_by_text(key, exact=True))
    page.get_by_role("tab", name="Details").click()
    seen(page.get_by_text(message))


def test_the_episode_s_page_has_its_steps_and_the_repair(
    artifact: Callable[[str, str], Page],
) -> None:
    page = artifact("episode", "episode")
    seen(page.get_by_role("heading", name="checkout is healthy, seen in step 4"))
    seen(page.get_by_role("cell", name="bump_mem_limit checkout 512Mi"))
    seen(page.get_by_text("+    requests.cpu: 6"))
    seen(page.get_by_text("kubectl"))
    rows = artifact("episode", "episode-steps")
    seen(rows.get_by_role("cell", name="reduce_cpu_small checkout 500m"))


def test_the_sweep_s_page_has_a_picture_and_links_to_what_failed(
    artifact: Callable[[str, str], Page],
) -> None:
    page = artifact("sweep", "sweep")
    seen(page.get_by_role("heading", name=re.compile("36 episodes")))
    picture = page.get_by_alt_text("Success by policy")
    seen(picture)
    assert picture.evaluate("image => image.naturalWidth") == 640
    seen(page.get_by_role("cell").filter(has_text="failed: ").filter(has_text="<b>no</b> idea"))
    link = page.get_by_role("table").last.get_by_role("link").first
    seen(link)
    page.goto(str(link.get_attribute("href")), wait_until="commit")
    seen(page.get_by_text(re.compile(r"episodes \d+ to \d+")))
    progress = artifact("sweep", "sweep-progress")
    seen(progress.get_by_text("Progress: 100%"))


def test_the_comparison_s_page_shows_names_as_text(artifact: Callable[[str, str], Page]) -> None:
    page = artifact("fidelity", "fidelity")
    seen(page.get_by_role("heading", name="1 trace, 1 moment, 1 different"))
    seen(page.get_by_role("cell", name="Deployment shop/<b>web</b>"))
    seen(page.get_by_role("cell", name="3 / 0 / 3 by 8 seeds"))
