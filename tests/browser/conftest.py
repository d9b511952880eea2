"""A real browser, for the tests that look at pages: the system's Chromium, without a window.

    sudo apt-get install chromium     # or name one in CHROMIUM
    make test-browser

Playwright drives it. Its loop runs in the thread of the test: let what needs a loop of its own
(a Prefect server, a flow) run in another process.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = (
    "no Chromium was found: install it (Debian and Ubuntu: apt-get install chromium), or name "
    "its program in CHROMIUM"
)
# Nothing but this machine is ever asked for anything, whatever a page or the browser wants.
NOWHERE_ELSE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker("browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The browser, started once."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.fail(MISSING)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=[NOWHERE_ELSE])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page at an address, such as `path.as_uri()`; options are those of a new context.

    At the end of the test no page may have complained: an error in the console, an exception
    in a script, or a request that failed.
    """
    complaints: list[str] = []

    def of_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            complaints.append(f"console: {message.text}")

    def of_request(request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page itself gave it up, as when it is left
            complaints.append(f"request: {request.url}: {request.failure}")

    contexts = []

    def open_(address: str, **options: object) -> Page:
        context = browser.new_context(**options)  # type: ignore[arg-type]
        contexts.append(context)
        page = context.new_page()
        page.on("console", of_console)
        page.on("pageerror", lambda error: complaints.append(f"script: {error}"))
        page.on("requestfailed", of_request)
        page.goto(address)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []
