"""Containment first, in a real browser: the lever under the thumb, its replicas, and whether it was seen to work."""

import re
import signal

import pytest
from playwright.sync_api import Page, expect

from andon.cli.demo.replicas import REPLICAS, Replicas
from tests.browser.test_walk import bank, look_everywhere, no_sideways_scroll, phone, sign_in
from tests.support.processes import RunningAndon

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
__all__ = ["bank", "phone"]  # fixtures of the walk
SLOW = 60_000

LEVER = """
from andon.containment import actions
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import ContainmentKind
from andon.registry.models import System
from andon.response.opening import declare
from andon.switch.actions import make_token
by = Actor.of(Person.objects.get(email="vera@example.org"))
system = System.objects.get(slug="support-assistant")
token = make_token(system, name="Replicas", by=by).token
facts = actions.LeverFacts(
    name="Answer by the pinned model", kind=ContainmentKind.CONSTRAIN, every_seconds=1, verify_seconds=seconds,
    effect="Every replica answers by the version of the model that is pinned. Customers notice nothing.",
    settings={"system": "support-assistant", "mode": "safe"},
)
actions.create_lever(system, "switch", facts, by=by)
opened = declare(title="Known questions are answered wrong since the night", system=system, by=Actor.operator())
result = {"token": token, "number": opened.number}
"""


@pytest.fixture
def guarded(bank, tmp_path):
    """Starts the replicas of the assistant, prepares its lever, opens an incident: `guarded(seconds)`."""
    andon, world = bank
    replicas = Replicas()

    def start(seconds: int) -> tuple[RunningAndon, dict[str, str], Replicas, str]:
        made = andon.python(LEVER, seconds=seconds)
        replicas.start(andon.base_url, made["token"], tmp_path / "replicas")
        return andon, world, replicas, f"/incidents/{made['number']}"

    yield start
    replicas.stop()


def arrive(page: Page, andon: RunningAndon, world: dict[str, str], address: str) -> None:
    sign_in(page, andon, world)
    page.goto(andon.base_url + address)
    no_sideways_scroll(page)


def pull(page: Page, where: str = ".thumb") -> None:
    """Press once to read what it does, and once more to do it."""
    page.locator(f"{where} summary", has_text="Answer by the pinned model").click()
    expect(page.locator(f"{where} .ask")).to_contain_text("Evidence is kept first")
    page.locator(f"{where} .sure").click()


def test_on_a_phone_the_lever_is_under_the_thumb_and_the_page_says_that_every_replica_is_contained(
    guarded, window, picture
):
    andon, world, replicas, address = guarded(120)
    context = window("phone")
    page = context.new_page()
    arrive(page, andon, world, address)
    state = context.storage_state()
    assert replicas.ask().models == ("2023-06",)
    button = page.locator(".thumb summary")
    expect(button).to_be_in_viewport()
    assert button.bounding_box()["height"] >= 44
    look_everywhere(window, picture, andon, state, "contain-before", address)
    pull(page)
    verdict = page.locator(".pull.verified")
    expect(verdict).to_contain_text("Verified", timeout=SLOW)  # by itself, over the live stream
    expect(verdict).to_contain_text(f"{REPLICAS} of {REPLICAS} replicas contained", timeout=SLOW)
    expect(verdict).to_be_in_viewport()
    expect(verdict.locator("summary", has_text="Undo it")).to_be_visible()
    no_sideways_scroll(page)
    assert replicas.ask().models == ("2023-03",)
    look_everywhere(window, picture, andon, state, "contain-verified", address)

    verdict.locator("summary", has_text="Undo it").click()
    verdict.locator(".sure").click()
    expect(page.locator(".pull.undone")).to_contain_text("Undone, verified", timeout=SLOW)
    assert replicas.ask().models == ("2023-06",)


def test_a_replica_that_says_nothing_makes_it_unverified_and_loud_without_script_too(guarded, window, picture):
    andon, world, replicas, address = guarded(3)
    context = window("phone", java_script_enabled=False)
    page = context.new_page()
    arrive(page, andon, world, address)
    expect.set_options(timeout=SLOW)
    try:
        assert replicas.ask().asked
        stopped = replicas.processes[0]
        stopped.send_signal(signal.SIGSTOP)
        try:
            pull(page)
            expect(page).to_have_url(re.compile(f"{address}$"))
            andon_says(page, ".pull.loud", "UNVERIFIED")
            andon_says(page, ".pull.loud", f"{REPLICAS - 1} of {REPLICAS} replicas contained")
            expect(page.locator("#answers")).to_contain_text("Not yet")
            look_everywhere(window, picture, andon, context.storage_state(), "contain-unverified", address)
        finally:
            stopped.send_signal(signal.SIGCONT)
    finally:
        expect.set_options(timeout=5_000)


def andon_says(page: Page, where: str, words: str) -> None:
    """Reload, as somebody without script does, until it is there."""
    for _ in range(120):
        if page.locator(where, has_text=words).count():
            return
        page.wait_for_timeout(500)
        page.reload()
    expect(page.locator(where)).to_contain_text(words)


def test_with_the_keyboard_on_the_desk(guarded, window):
    andon, world, _, address = guarded(120)
    page = window().new_page()
    arrive(page, andon, world, address)
    page.locator(".first.page summary").press("Enter")
    expect(page.locator(".first.page .sure")).to_be_visible()
    page.locator(".first.page .sure").press("Enter")
    expect(page.locator(".pull.verified")).to_contain_text("Verified", timeout=SLOW)
