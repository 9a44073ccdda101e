"""A person walks the demo's incident from the page to the review, in a real browser against the real server."""

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PICTURES, SCHEMES, SIZES
from tests.support.guarding import wait_for
from tests.support.processes import RunningAndon, Sender, running_andon

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SEED = """
from andon.cli.demo.phones import Phones
from andon.cli.demo.seed import seed
from andon.people.models import ContactPoint
phones = Phones()
phones.start()
world = seed(phones)
phones.stop()
for point in ContactPoint.objects.filter(kind="webhook"):
    point.address = f"http://127.0.0.1:{port}/phone"
    point.save()
result = {"password": world.password, "token": world.intake_token, "email": world.people["nadia"].email}
"""

ALERT = """
import json
from datetime import timedelta
from importlib import resources
from andon.kit import clock
sample = resources.files("andon.intake.adapters.alertmanager") / "samples" / "firing.json"
result = json.loads(sample.read_text("utf-8"))
for alert in result["alerts"]:
    alert["startsAt"] = (clock.now() - timedelta(minutes=12)).isoformat()
"""


class Phone(BaseHTTPRequestHandler):
    """Takes every page."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def phone() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Phone)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def bank(tmp_path, phone) -> Iterator[tuple[RunningAndon, dict[str, str]]]:
    """The demo's organisation on running processes, its recorded alert heard, and its incident open."""
    with running_andon(tmp_path, engine=False) as andon:
        world = andon.python(SEED, port=phone)
        andon.start_engine()
        sender = Sender(f"{andon.base_url}/intake/alertmanager/prometheus", world["token"], "prometheus")
        assert sender.post(andon.python(ALERT)).status_code == 200
        wait_for(lambda: andon.sql("SELECT 1 FROM incidents_incident"), 120)
        yield andon, world


def sign_in(page: Page, andon: RunningAndon, world: dict[str, str]) -> None:
    page.goto(andon.base_url)
    page.get_by_label("E-mail").fill(world["email"])
    page.get_by_label("Password").fill(world["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page).to_have_url(re.compile(r"/$"))


def no_sideways_scroll(page: Page) -> None:
    wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wider <= 0, f"{page.url} is {wider} px wider than its window"


def look_everywhere(window, picture, andon: RunningAndon, state: dict, name: str, address: str) -> None:
    """The same page at both sizes; in both schemes where pictures are wanted."""
    for size in SIZES:
        for scheme in SCHEMES if PICTURES else SCHEMES[:1]:
            page = window(size, scheme, storage_state=state).new_page()
            page.goto(andon.base_url + address)
            no_sideways_scroll(page)
            picture(page, f"{name}-{size}-{scheme}")
            page.context.close()


def test_from_the_page_to_the_review(bank, window, picture):
    andon, world = bank
    context = window()
    page = context.new_page()
    sign_in(page, andon, world)
    page.goto(andon.base_url + "/incidents/1")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("#answers").get_by_text("Nobody yet")).to_be_visible()
    expect(page.locator("#timeline")).to_contain_text("went out", timeout=20_000)  # by itself, over the live stream
    state = context.storage_state()
    look_everywhere(window, picture, andon, state, "incident-open", "/incidents/1")
    look_everywhere(window, picture, andon, state, "home", "/")

    page.get_by_role("button", name="Acknowledge").first.click()
    expect(page.get_by_role("heading", name="Contain it")).to_be_visible()

    page.get_by_role("link", name="Contain").first.click()
    page.get_by_label("Roll back").check()
    page.get_by_label("What exactly?").fill("Rolled back to v6; new applications go to review.")
    page.get_by_role("button", name="Record the containment").click()
    expect(page.locator("#answers")).to_contain_text("Rolled back to v6")
    look_everywhere(window, picture, andon, state, "incident-contained", "/incidents/1")

    page.get_by_role("link", name="Resolve").first.click()
    page.get_by_label("How was it resolved").fill("Error rate back at 5.1%, n = 2,000, for an hour.")
    page.get_by_role("button", name="Resolve the incident").click()
    expect(page.get_by_role("heading", name="Review it")).to_be_visible()

    page.get_by_role("link", name="Open the review").first.click()
    expect(page.get_by_role("main")).to_contain_text("Rolled back to v6")
    look_everywhere(window, picture, andon, state, "review", page.url.removeprefix(andon.base_url))
    for name in ("incidents", "systems", "schedules", "signals", "reviews", "actions"):
        look_everywhere(window, picture, andon, state, name, f"/{name}")


def test_acknowledging_needs_no_script(bank, window):
    andon, world = bank
    page = window("phone", java_script_enabled=False).new_page()
    sign_in(page, andon, world)
    page.goto(andon.base_url + "/incidents/1")
    no_sideways_scroll(page)
    page.locator(".thumb").get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_text("Contain it", exact=False).first).to_be_visible()


def test_keys_reach_the_pages(bank, window):
    andon, world = bank
    page = window().new_page()
    sign_in(page, andon, world)
    page.keyboard.press("g")
    page.keyboard.press("i")
    expect(page).to_have_url(re.compile(r"/incidents"))
    page.keyboard.press("c")
    expect(page).to_have_url(re.compile(r"/declare"))
