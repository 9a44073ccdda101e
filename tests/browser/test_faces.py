"""What every page owes whoever opens it, held where it broke before: long words, three figures, paper, keys."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_walk import SEED, no_sideways_scroll, sign_in
from tests.support.processes import RunningAndon, running_andon

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

LONG = """
from andon.incidents.models import Incident
from andon.oncall.models import Chain, Schedule
from andon.intake.events import change
from andon.intake.models import Integration
from andon.intake.recording import Heard, record
from andon.kit import ids
from andon.people.models import Person, Team
from andon.people.policy import Actor
from andon.registry.actions import tell_change
from andon.registry.models import Component, System
from andon.response.opening import declare
by = Actor.of(Person.objects.get(email="nadia@example.org"))
for system in System.objects.all():
    tell_change(title=word * 2, system=system, by=by)
    declare(title=word * 2, system=system, by=by)
sender = Integration.objects.get(slug="prometheus")
record([
    Heard(ids.new(), sender.pk, word.encode() * 9, "", [], error=word * 3, changes=[change(title=word, system_hint=word)])
])
for rows in (Chain, Component, Schedule, System, Team):
    for number, row in enumerate(rows.objects.all()):
        rows.objects.filter(pk=row.pk).update(name=f"{number}{word}"[:80])
for row in Person.objects.exclude(email="nadia@example.org"):
    Person.objects.filter(pk=row.pk).update(name=word)
result = {
    "system": System.objects.first().slug,
    "component": Component.objects.first().slug,
    "team": Team.objects.first().slug,
    "person": str(Person.objects.exclude(email="nadia@example.org").first().pk),
}
"""
LISTS = (
    "/", "/incidents", "/signals", "/systems", "/components", "/schedules", "/chains", "/people", "/teams",
    "/integrations", "/reviews", "/actions", "/oncall", "/account", "/declare",
)  # fmt: skip


@pytest.fixture
def wordy(tmp_path) -> Iterator[tuple[RunningAndon, dict[str, str], dict[str, str]]]:
    """The demo's organisation, whose names are one word of eighty letters each."""
    with running_andon(tmp_path, engine=False) as andon:
        world = andon.python(SEED, port=9)
        yield (
            andon,
            world,
            andon.python(LONG, word="Pruefungsverfahrensbeschreibungsaenderungsantragsformularverwaltungsrichtlinie"),
        )


def reads_in_place(page: Page) -> None:
    """Nothing scrolls sideways, neither the page nor a table in it, and there is one first heading."""
    no_sideways_scroll(page)
    cut = page.locator("main .table-wrap").evaluate_all(
        "all => all.filter((e) => e.scrollWidth > e.clientWidth).length"
    )
    assert cut == 0, f"a list of {page.url} is wider than the phone"
    expect(page.get_by_role("heading", level=1)).to_have_count(1)


def test_long_words_break_inside_the_phone(wordy, window):
    andon, world, rows = wordy
    page = window("phone").new_page()
    sign_in(page, andon, world)
    for address in (
        *LISTS,
        "/incidents/1",
        "/incidents/1/contain",
        f"/systems/{rows['system']}",
        "/systems/identity-check",
        f"/systems/{rows['system']}/change",
        f"/systems/{rows['system']}/changes",
        "/integrations/prometheus",
        "/integrations/new",
        "/integrations/new?kind=grafana",
        f"/components/{rows['component']}",
        f"/teams/{rows['team']}",
        f"/people/{rows['person']}",
    ):
        page.goto(andon.base_url + address)
        reads_in_place(page)


def test_a_late_clock_and_three_figures_leave_the_lamps_two_rows(wordy, window):
    andon, world, _rows = wordy
    page = window("phone").new_page()
    sign_in(page, andon, world)
    page.evaluate(
        """() => { const what = document.querySelector(".lamp .what"), late = document.createElement("span");
            late.className = "late"; late.textContent = " 12 over"; what.parentElement.append(late);
            for (const more of document.querySelectorAll(".lamp .more")) more.remove(); }"""
    )
    assert page.locator(".lamps").bounding_box()["height"] <= 64
    page.evaluate(
        """() => { for (const lamp of document.querySelectorAll(".lamp")) {
            lamp.classList.add("many", "lit"); lamp.querySelector("b").textContent = "128"; } }"""
    )
    assert page.locator(".lamps").bounding_box()["height"] <= 64
    no_sideways_scroll(page)


def test_the_slash_finds_a_search_where_the_bar_has_no_room_for_one(wordy, window):
    andon, world, _rows = wordy
    page = window().new_page()
    page.set_viewport_size({"width": 1000, "height": 800})
    sign_in(page, andon, world)
    page.keyboard.press("/")
    expect(page).to_have_url(re.compile(r"/incidents$"))
    page.keyboard.press("/")
    expect(page.get_by_label("Words or number")).to_be_focused()


def test_on_paper_no_part_lies_over_another(wordy, window):
    andon, world, _rows = wordy
    page = window().new_page()
    sign_in(page, andon, world)
    page.goto(f"{andon.base_url}/incidents/1")
    page.emulate_media(media="print")
    grids = page.locator(".page, .truth, .beside, .truth > .section").evaluate_all(
        "all => all.filter((e) => getComputedStyle(e).display === 'grid').length"
    )
    assert grids == 0, "a grid that breaks over two pages lays its last row over the next section"
