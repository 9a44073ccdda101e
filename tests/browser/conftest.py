"""A real browser (Debian's Chromium) against real processes."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SIZES = {"desktop": (1440, 900), "phone": (360, 740)}
SCHEMES = ("light", "dark")
PICTURES = os.environ.get("ANDON_SCREENSHOTS", "")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for one file: while it runs this thread has an event loop, in which other tests cannot start theirs."""
    if CHROMIUM is None:
        pytest.skip("SKIPPED LOUDLY: no chromium here (Debian: apt install chromium); the pages were not walked")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def window(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """A new browser window of a size and colour scheme; console errors fail the test."""
    opened: list[BrowserContext] = []
    complaints: list[str] = []

    def make(size: str = "desktop", scheme: str = "light", **more) -> BrowserContext:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, locale="en-GB", **more
        )
        context.on("console", lambda m: complaints.append(f"{m.text} {m.location}") if m.type == "error" else None)
        context.on("weberror", lambda e: complaints.append(str(e.error)))
        opened.append(context)
        return context

    yield make
    for context in opened:
        context.close()
    assert complaints == []


@pytest.fixture
def picture() -> Callable[..., None]:
    """Keep a screenshot in $ANDON_SCREENSHOTS, where somebody wants to look at the pages."""

    def take(page, name: str) -> None:
        if PICTURES:
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            page.screenshot(path=f"{PICTURES}/{name}.png", animations="disabled")

    return take
