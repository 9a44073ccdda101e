"""Runbooks and protocols in a real browser: the step to do now follows by itself, and nothing that is written vanishes."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_walk import bank, look_everywhere, no_sideways_scroll, phone, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
__all__ = ["bank", "phone"]  # fixtures of the walk
SLOW = 60_000

BEGIN = """
from andon.incidents.models import Incident
from andon.people.models import Person
from andon.people.policy import Actor
from andon.runbooks import actions
by = Actor.of(Person.objects.get(email=email))
run = actions.begin(Incident.objects.get(number=1), key="third-party-model", by=by)
result = {"number": run.number, "titles": [row.title for row in run.steps.order_by("position")]}
"""
SETTLE = """
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import StepState
from andon.runbooks import actions, queries, shelf
from andon.runbooks.models import Run
run = Run.objects.get()
book, rows = shelf.parsed(run.version.text), queries.latest(run)
row = next(one for one in rows if one.state == "todo")
outcomes = book.step(row.key).outcomes
actions.settle(
    run, key=row.key, state=StepState.DONE, outcome=outcomes[0].key if outcomes else "", note="By somebody else.",
    by=Actor.of(Person.objects.get(email="tomas@example.org")),
)
result = next(one.title for one in queries.latest(run) if one.state == "todo")
"""


def test_the_step_to_do_now_follows_by_itself_and_what_is_written_stays(bank, window, picture):
    andon, world = bank
    context = window("phone")
    page = context.new_page()
    sign_in(page, andon, world)
    begun = andon.python(BEGIN, email=world["email"])
    page.goto(f"{andon.base_url}/runs/{begun['number']}")
    no_sideways_scroll(page)
    now = page.locator("#now-title")
    expect(now).to_have_text(begun["titles"][0])
    expect(now).to_be_in_viewport()
    expect(page.locator(".thumb button")).to_be_in_viewport()
    state = context.storage_state()
    look_everywhere(window, picture, andon, state, "run", f"/runs/{begun['number']}")
    following = andon.python(SETTLE)
    expect(now).to_have_text(following, timeout=SLOW)

    note = page.locator("#now textarea[name=note]")
    note.fill("The vendor's status page says nothing.")
    page.locator("h1").click()  # looks elsewhere for a moment
    andon.python(SETTLE)
    expect(page.locator("#run-state")).to_contain_text("2 of", timeout=SLOW)
    expect(now).to_have_text(following)
    expect(note).to_have_value("The vendor's status page says nothing.")

    places = {
        "runbooks": "/runbooks", "runbook": "/runbooks/third-party-model", "handbook": "/handbook",
        "runbook-write": "/runbooks/write", "runbook-propose": "/runbooks/third-party-model/propose",
        "runbook-history": "/runbooks/third-party-model/history", "choose": "/incidents/1/runbooks",
        "incident": "/incidents/1",
    }  # fmt: skip
    for name, address in places.items():
        look_everywhere(window, picture, andon, state, name, address)
