from datetime import date, timedelta

import pytest
from django.test import Client

from andon.engine.models import EngineBeat
from andon.incidents.models import Incident, RoleAssignment
from andon.kit import clock
from andon.people.policy import Actor
from andon.practice.words import IncidentKind, IncidentType
from andon.registry.models import System
from andon.reviews import actions as review_actions
from andon.reviews.models import Review
from andon.web.queries import headline
from tests.oncall.support import make_schedule
from tests.support import levers, scenes

pytestmark = pytest.mark.django_db


def home(client: Client) -> dict:
    response = client.get("/")
    assert response.status_code == 200
    return response.context


def overdue_action(cast, incident):
    review = Review.objects.get(incident=incident)
    return review_actions.add_action(
        review, title="Alert earlier", owner=cast.lena, due_on=date(2026, 3, 4), by=Actor.of(cast.omar)
    )


def test_an_empty_register_is_not_called_covered(cast, time, signed_in):
    System.objects.update(stage="development")
    said = signed_in(cast.vera).get("/").content.decode()
    assert "No system is in production yet." in said
    assert "Every system in production is covered." not in said


def test_all_is_quiet(cast, time, signed_in):
    levers.rehearsed(cast.credit_scorer)
    shown = home(signed_in(cast.vera))
    assert shown["headline"] == "All is quiet"
    assert shown["burning"] == []
    assert shown["quiet_since"] is None


def test_quiet_since_the_last_was_resolved(cast, time, signed_in):
    over = scenes.resolved(cast)
    assert home(signed_in(cast.vera))["quiet_since"] == over.resolved_at


def test_what_burns_stands_worst_first_with_its_next_act(cast, time, signed_in):
    scenes.contained(cast, "Contained", system=None, type_=IncidentType.TECHNICAL_FAILURE)
    scenes.acknowledged(cast, "Taken up", system=None, type_=IncidentType.TECHNICAL_FAILURE)
    scenes.declared(cast, "New", system=None, type_=IncidentType.TECHNICAL_FAILURE)
    Incident.objects.filter(title="Taken up").update(severity=1)
    Incident.objects.filter(title="Contained").update(severity=2)
    Incident.objects.filter(title="New").update(severity=3)
    shown = home(signed_in(cast.lena))["burning"]
    assert [row["title"] for row in shown] == ["Taken up", "Contained", "New"]
    assert [row["act"]["label"].split()[0] for row in shown] == ["Contain", "Resolve", "Acknowledge"]
    assert shown[0]["on_it"] == "Lena"
    assert shown[2]["on_it"] == ""


def test_the_act_is_there_for_whoever_may_take_it(cast, time, signed_in):
    incident = scenes.declared(cast)
    assert home(signed_in(cast.vera))["burning"][0]["act"] is None
    RoleAssignment.objects.create(incident=incident, role="scribe", person=cast.vera)
    assert home(signed_in(cast.vera))["burning"][0]["act"] is not None
    content = signed_in(cast.lena).get("/").content.decode()
    assert f'action="/incidents/{incident.number}/acknowledge"' in content
    assert "csrfmiddlewaretoken" in content


@pytest.mark.parametrize(
    ("states", "said"),
    [
        (["open"], "One S2 incident is not acknowledged"),
        (["acknowledged"], "One S2 incident is not contained"),
        (["contained"], "One S2 incident is contained and not resolved yet"),
        (["open", "open"], "2 incidents are open, the worst is S2; none is acknowledged"),
        (["open", "acknowledged"], "2 incidents are open, the worst is S2; 1 is not acknowledged"),
        (["acknowledged", "acknowledged", "contained"], "3 incidents are open, the worst is S2; 2 are not contained"),
        (["contained", "contained"], "2 incidents are open, the worst is S2; all are contained"),
    ],
)
def test_the_headline_says_the_worst_there_is(time, states, said):
    now = clock.now()
    rows = [
        Incident(
            severity=2,
            state=state,
            acknowledged_at=None if state == "open" else now,
            contained_at=now if state == "contained" else None,
        )
        for state in states
    ]
    assert headline({2: len(rows)}, rows, uncovered=0) == said


def test_the_headline_of_a_storm_speaks_of_what_was_looked_at(time):
    rows = [Incident(severity=1, state="open") for _ in range(13)]
    assert headline({1: 500}, rows, uncovered=3).endswith("; at least 13 are not acknowledged")
    assert headline({}, [], uncovered=1) == "No incident is open; one system is not ready to page"


def test_clocks_run_soonest_first(cast, time, signed_in):
    incident = scenes.declared(cast)
    clocks = home(signed_in(cast.vera))["clocks"]
    assert {"Acknowledge", "Contain", "Tell executives"} <= {found["what"] for found in clocks}
    assert {found["ref"] for found in clocks} == {incident.ref}
    assert clocks == sorted(clocks, key=lambda found: found["due_at"])


def test_who_is_on_call(cast, time, signed_in):
    make_schedule("credit", cast.lena, cast.tomas, start=date(2026, 2, 2))
    shown = home(signed_in(cast.lena))["on_call"]
    assert len(shown) == 1
    assert shown[0]["person"] in {"Lena", "Tomas"}
    assert shown[0]["yours"] is (shown[0]["person"] == "Lena")
    assert shown[0]["next_person"]


def test_what_is_uncovered(cast, time, signed_in):
    levers.rehearsed(cast.credit_scorer)
    System.objects.create(slug="orphan", name="Orphan", stage="production")
    shown = home(signed_in(cast.omar))
    assert [gap["system"] for gap in shown["uncovered"]] == ["Orphan"]
    assert "Nobody is named as owner" in shown["uncovered"][0]["problem"]
    assert shown["uncovered"][0]["act_url"]
    assert home(signed_in(cast.vera))["uncovered"][0]["act_url"] == ""
    assert shown["lamps"].uncovered == 1


def test_overdue_actions(cast, time, signed_in):
    action = overdue_action(cast, scenes.resolved(cast))
    assert home(signed_in(cast.vera))["overdue"] == []
    time.forward(timedelta(days=3))
    assert [row["action"] for row in home(signed_in(cast.vera))["overdue"]] == [action.title]


def test_a_reporter_sees_nothing_of_the_house(cast, time, signed_in):
    scenes.declared(cast)
    System.objects.create(slug="orphan", name="Orphan", stage="production")
    make_schedule("credit", cast.lena, cast.tomas, start=date(2026, 2, 2))
    shown = home(signed_in(cast.rui))
    assert (shown["burning"], shown["clocks"], shown["on_call"], shown["uncovered"]) == ([], [], [], [])
    assert shown["lamps"].uncovered == 0
    assert shown["headline"] == "All is quiet"


def test_a_restricted_incident_lights_no_lamp_for_a_stranger(cast, time, signed_in):
    action = overdue_action(cast, scenes.resolved(cast, "Hidden before"))
    scenes.declared(cast, "Hidden", restricted=True)
    Incident.objects.filter(title="Hidden before").update(restricted=True)
    time.forward(timedelta(days=3))
    for person, sees in [(cast.nadia, True), (cast.omar, True), (cast.sam, False), (cast.vera, False)]:
        client = signed_in(person)
        shown = home(client)
        assert ([row["title"] for row in shown["burning"]] == ["Hidden"]) is sees
        assert (len(shown["clocks"]) > 0) is sees
        assert ([row["action"] for row in shown["overdue"]] == [action.title]) is sees
        lamps = client.get("/lamps").context["lamps"]
        assert sum(lamp.count for lamp in lamps.severities) == int(sees)
        assert (lamps.clocks.count > 0) is sees
        assert lamps.overdue == int(sees)
        assert b"Hidden" not in client.get("/").content or sees


def test_a_drill_lights_no_lamp(cast, time, signed_in):
    scenes.declared(cast, "Practised", kind=IncidentKind.DRILL)
    shown = home(signed_in(cast.nadia))
    assert shown["burning"] == []
    assert sum(lamp.count for lamp in shown["lamps"].severities) == 0
    assert shown["lamps"].clocks.count == 0


def test_the_lamps_count_clocks_that_are_over(cast, time, signed_in):
    scenes.declared(cast)
    time.forward(timedelta(days=2))
    lamps = signed_in(cast.vera).get("/lamps").context["lamps"]
    assert lamps.clocks.over >= 2
    assert lamps.clocks.next_at is None or lamps.clocks.next_at > time.now()


def test_the_lamps_alone_are_the_bar_and_nothing_else(cast, time, signed_in):
    content = signed_in(cast.vera).get("/lamps").content.decode()
    assert content.lstrip().startswith('<section class="lamps"')
    assert "<html" not in content


def test_nobody_unknown_sees_lamps_or_home(cast):
    for path in ("/", "/lamps"):
        assert Client().get(path).status_code == 302


def test_whoever_acts_sees_it_in_the_lamps_of_the_next_page(cast, time, signed_in):
    client = signed_in(cast.lena)
    assert client.get("/incidents").context["lamps"].overdue == 0
    client.post("/declare", {"title": "Odd answers", "system": str(cast.credit_scorer.pk)})
    lamps = client.get("/incidents").context["lamps"]
    assert sum(lamp.count for lamp in lamps.severities) == 1


def test_lamps_of_other_pages_are_kept_for_a_second(cast, time, signed_in):
    client = signed_in(cast.vera)
    client.get("/incidents")
    scenes.declared(cast)
    assert sum(lamp.count for lamp in client.get("/incidents").context["lamps"].severities) == 0
    time.forward(timedelta(seconds=1))
    assert sum(lamp.count for lamp in client.get("/incidents").context["lamps"].severities) == 1


def test_a_notice_says_that_the_engine_does_not_run_or_that_its_audit_fails(cast, time, signed_in):
    client = signed_in(cast.vera)
    assert "nobody is paged" in client.get("/").content.decode()
    EngineBeat.objects.create(name="one", started_at=clock.now(), beat_at=clock.now(), audit_passed=True)
    time.forward(timedelta(seconds=2))
    assert client.get("/").context["notice"] == ""
    EngineBeat.objects.update(
        audited_at=clock.now(),
        audit_passed=False,
        findings=[{"check": "late_pages", "says": "Pages are late.", "count": 1, "repaired": 0}],
        beat_at=clock.now(),
    )
    time.forward(timedelta(seconds=2))
    assert "Pages are late." in client.get("/incidents").content.decode()


def test_the_number_of_queries_does_not_grow(cast, time, signed_in, django_assert_max_num_queries):
    client = signed_in(cast.lena)
    for number in range(14):
        scenes.declared(cast, f"No {number}", system=None)
    make_schedule("credit", cast.lena, cast.tomas, start=date(2026, 2, 2))
    for number in range(5):
        System.objects.create(slug=f"orphan-{number}", name=f"Orphan {number}", stage="production")
    with django_assert_max_num_queries(45):
        shown = home(client)
    assert shown["more_url"].endswith("?state=unresolved")
    assert len(shown["burning"]) == 12
