"""The pages of the register: what a person sees and does there, and who may."""

import re

import pytest
from django.test import Client

from andon.kit import clock
from andon.people.models import ContactPoint
from andon.practice.words import Stage
from andon.registry.models import Component, StageChange, System
from tests.oncall.support import make_schedule, utc
from tests.support.levers import rehearsed

pytestmark = pytest.mark.django_db

LADDER = ["rui", "vera", "lena", "omar", "nadia"]
SYSTEM = {
    "name": "Claims triage",
    "purpose": "Sorts insurance claims.",
    "kind": "classifier",
    "criticality": "high",
    "risk_class": "high",
    "jurisdictions": "de, EU",
    "groups": "sex, age band",
    "owner": "",
    "team": "",
    "chain": "",
    "decision_log": "",
}


def text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_the_list_shows_who_is_ready_and_is_filtered_by_its_address(time, cast, signed_in):
    System.objects.create(slug="chat", name="Chat helper", stage=Stage.PRODUCTION)
    System.objects.create(slug="sketch", name="Sketch", stage=Stage.PROPOSED)
    browser = signed_in(cast.vera)
    page = text(browser.get("/systems"))
    assert "Chat helper Not ready Production" in page
    assert "Credit scorer Ready Production High" in page
    assert "Sketch Not yet Proposed" in page
    only = text(browser.get("/systems?stage=production&q=credit"))
    assert "Credit scorer" in only
    assert "Chat helper" not in only
    assert "No system matches" in text(browser.get("/systems?q=zebra"))
    assert browser.get("/systems?stage=asleep").status_code == 422
    assert "Register a system" not in page


def test_a_system_says_who_answers_what_stands_against_it_and_what_it_stands_on(time, cast, signed_in):
    schedule = make_schedule("primary", cast.lena, cast.tomas, weekdays=[0, 1, 2, 3, 4])
    step = cast.chain.steps.first()
    step.targets.all().delete()
    step.targets.create(schedule=schedule)
    time.set(utc(2026, 3, 4, 12))
    page = text(signed_in(cast.omar).get("/systems/credit-scorer"))
    assert "Gap in a schedule in 2 d 11 h , 7 Mar 00:00 CET" in page
    assert "Nobody is on call in schedule Primary from Sat 07 Mar 2026 00:00 CET to Mon 09 Mar 2026 00:00 CET" in page
    assert "Lena on call for Primary" in page
    assert "sex, age band" in page
    assert "Incidents None yet." in page


def test_a_lead_registers_changes_and_is_refused_production(time, cast, signed_in):
    browser = signed_in(cast.omar)
    assert browser.post("/systems/new", SYSTEM)["Location"] == "/systems/claims-triage"
    system = System.objects.get(slug="claims-triage")
    assert (system.jurisdictions, system.groups, system.stage) == (["DE", "EU"], ["sex", "age band"], "development")
    refused = browser.post("/systems/claims-triage/stage", {"to": "production"})
    assert refused.status_code == 422
    assert "Nobody is named as owner" in text(refused)
    assert "There is no escalation chain" in text(refused)
    assert "Reason to override" not in text(refused), "only an administrator can"

    whole = SYSTEM | {"owner": str(cast.omar.pk), "chain": str(cast.chain.pk)}
    assert browser.post("/systems/claims-triage/change", whole).status_code == 302
    rehearsed(system)
    assert browser.post("/systems/claims-triage/stage", {"to": "production"}).status_code == 302
    assert System.objects.get(slug="claims-triage").stage == Stage.PRODUCTION
    wrong = browser.post("/systems/claims-triage/change", whole | {"jurisdictions": "Germany"})
    assert wrong.status_code == 422
    assert "no ISO 3166 code" in text(wrong)


def test_an_override_stands_on_the_page_until_the_system_is_ready(time, cast, signed_in):
    System.objects.update(stage=Stage.PILOT, owner=None)
    boss = signed_in(cast.nadia)
    moved = boss.post("/systems/credit-scorer/stage", {"to": "production", "override_reason": "The old one is gone."})
    assert moved.status_code == 302
    seen = text(signed_in(cast.vera).get("/systems/credit-scorer"))
    assert "Nadia moved it to production" in seen
    assert "The old one is gone." in seen
    System.objects.update(owner=cast.omar)
    later = signed_in(cast.vera).get("/systems/credit-scorer")
    assert "In production by override" not in text(later)
    assert "Overridden: The old one is gone." in text(later), "the move itself is kept for good"
    assert StageChange.objects.count() == 1


def test_components_and_what_stands_on_them(time, cast, signed_in):
    browser = signed_in(cast.omar)
    made = browser.post("/components/new", {"name": "Big model", "kind": "model", "vendor": "A vendor"})
    assert made["Location"] == "/components/big-model"
    added = browser.post("/systems/credit-scorer/components", {"component": "big-model", "purpose": "Reads"})
    assert added.status_code == 302
    assert "Big model" in text(browser.get("/systems/credit-scorer"))
    assert "Credit scorer Production, Omar Reads" in text(browser.get("/components/big-model"))
    assert "Big model Model A vendor 1" in text(browser.get("/components"))
    changed = browser.post("/components/big-model/change", {"name": "Bigger model", "kind": "api"})
    assert changed.status_code == 302
    assert Component.objects.get().kind == "api"
    assert browser.post("/systems/credit-scorer/components/big-model/remove").status_code == 302
    assert "No component is named" in text(browser.get("/systems/credit-scorer"))


def test_who_is_on_call_for_what_now_and_next(time, cast, signed_in):
    schedule = make_schedule("primary", cast.lena, cast.tomas, cadence="weekly")
    step = cast.chain.steps.first()
    step.targets.all().delete()
    step.targets.create(schedule=schedule)
    time.set(utc(2026, 3, 4, 12))
    page = text(signed_in(cast.vera).get("/oncall"))
    assert "Credit scorer Lena 9 Mar 08:00 UTC Tomas, 9 Mar 08:00 UTC" in page
    assert "Primary Lena 9 Mar 08:00 UTC Tomas, 9 Mar 08:00 UTC" in page


def test_the_lamp_of_a_system_goes_out_with_a_broken_contact_point(time, cast, signed_in):
    browser = signed_in(cast.vera)
    assert "Credit scorer Ready" in text(browser.get("/systems"))
    ContactPoint.objects.filter(person=cast.tomas).update(broken_at=clock.now())
    assert "Credit scorer Not ready" in text(browser.get("/systems"))


# method, path, least role
PAGES = [
    ("get", "/systems", "vera"),
    ("get", "/systems/credit-scorer", "vera"),
    ("get", "/components", "vera"),
    ("get", "/components/big-model", "vera"),
    ("get", "/oncall", "vera"),
    ("get", "/systems/new", "omar"),
    ("post", "/systems/new", "omar"),
    ("get", "/systems/credit-scorer/change", "omar"),
    ("post", "/systems/credit-scorer/change", "omar"),
    ("post", "/systems/credit-scorer/stage", "omar"),
    ("get", "/components/new", "omar"),
    ("post", "/components/new", "omar"),
    ("get", "/components/big-model/change", "omar"),
    ("post", "/components/big-model/change", "omar"),
]


@pytest.mark.parametrize(("method", "path", "least"), PAGES)
def test_who_may_open_what(time, cast, signed_in, method, path, least):
    Component.objects.create(slug="big-model", name="Big model", kind="model")
    stranger = getattr(Client(), method)(path)
    assert stranger.status_code == 302
    assert stranger["Location"].startswith("/account/login/")
    for name in LADDER:
        status = getattr(signed_in(getattr(cast, name)), method)(path).status_code
        if LADDER.index(name) < LADDER.index(least):
            assert status == 403, name
        else:
            assert status in {200, 302, 422}, (name, status)


@pytest.mark.parametrize("name", ["rui", "vera", "lena"])
def test_what_a_system_stands_on_is_a_leads_to_say(time, cast, signed_in, name):
    Component.objects.create(slug="big-model", name="Big model", kind="model")
    browser = signed_in(getattr(cast, name))
    assert browser.post("/systems/credit-scorer/components", {"component": "big-model"}).status_code == 403
    assert browser.post("/systems/credit-scorer/components/big-model/remove").status_code == 403


def test_what_is_not_there_is_said(time, cast, signed_in):
    browser = signed_in(cast.omar)
    for path in ("/systems/none", "/components/none", "/systems/none/change"):
        assert browser.get(path).status_code == 404


def test_the_list_takes_the_same_queries_for_many(time, cast, signed_in, django_assert_max_num_queries):
    browser = signed_in(cast.omar)
    browser.get("/systems")
    with django_assert_max_num_queries(40) as few:
        browser.get("/systems")
    for number in range(20):
        System.objects.create(slug=f"s{number:02}", name=f"S{number:02}", owner=cast.omar, chain=cast.chain)
    with django_assert_max_num_queries(len(few)):
        browser.get("/systems")
