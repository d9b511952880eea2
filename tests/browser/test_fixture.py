"""The browser of these tests works, and tells of what goes wrong in a page."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page


def test_a_page_is_shown(open_page: Callable[..., Page], tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><title>A page</title><h1>Hello</h1>", "utf-8")
    page = open_page(path.as_uri(), color_scheme="dark")
    assert page.title() == "A page"
    assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") is True
