"""Takes the pictures of docs/images again: the demo is played, and its incident's page is looked at in Chromium.

    make pictures

Each view is taken in both colour schemes, before the lever is pulled and after it was seen to work.
"""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from andon.cli.demo.command import played
from andon.cli.demo.story import Step, Story

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"
SIZES: Final = {"desktop": (1280, 760), "phone": (360, 740)}
AT: Final = {"served_before": [("incident", "phone")], "served": [("contained", "desktop"), ("contained", "phone")]}
"""After which step of the story, what a picture is called, and at which size."""


def take(story: Story, names: list[tuple[str, str]], now: datetime) -> None:
    """Sign in and photograph the incident's page. In a thread without Django's database: Playwright runs a loop."""
    from playwright.sync_api import sync_playwright

    address = str(story.http.base_url).rstrip("/")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        state = _signed_in(browser, address, story)
        for name, size in names:
            width, height = SIZES[size]
            for scheme in ("light", "dark"):
                window = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=scheme, storage_state=state
                )
                page = window.new_page()
                page.clock.set_fixed_time(now)  # the demo's, which is some way behind
                page.goto(f"{address}/incidents/{story.number}")
                page.screenshot(path=IMAGES / f"{name}-{size}-{scheme}.png", animations="disabled")
                window.close()
        browser.close()


def _signed_in(browser: Any, address: str, story: Story) -> Any:
    window = browser.new_context()
    page = window.new_page()
    page.goto(address)
    page.get_by_label("E-mail").fill(story.holder.email)
    page.get_by_label("Password").fill(story.world.password)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{address}/")
    return window.storage_state()


def main() -> None:
    """Play the demo and take them."""
    if shutil.which("chromium") is None:
        sys.exit("No chromium is here (Debian: apt install chromium).")
    with ThreadPoolExecutor(1) as camera:

        def told(story: Story, step: Step) -> None:
            if names := AT.get(step.key):
                camera.submit(take, story, names, story.clock.now()).result()
                sys.stdout.write(f"Taken: {step.title}.\n")

        with played(once=True, port=None, told=told):
            pass


if __name__ == "__main__":
    main()
