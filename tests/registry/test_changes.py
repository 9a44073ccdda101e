"""What changed about a system: said by a script, shown on its page and beside incidents, alarming nobody."""

from datetime import timedelta

import pytest
from django.urls import reverse

from andon.intake.events import change
from andon.intake.models import Integration, Signal
from andon.intake.recording import Heard, record
from andon.kit import clock, ids
from andon.kit.errors import Forbidden, Invalid
from andon.people.policy import Actor
from andon.practice.words import ChangeKind, IncidentType
from andon.registry.actions import tell_change
from andon.registry.models import ChangeEvent, System
from andon.registry.queries import LOOKED_BACK
from andon.response import opening
from tests.oncall.support import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def mlflow(cast):
    return Integration.objects.create(
        slug="mlflow", name="MLflow", kind="generic", token_digest="x", system=cast.credit_scorer
    )


def heard(integration, *changes):
    record([Heard(ids.new(), integration.pk, b"{}", "", [], changes=list(changes))])


def test_a_script_says_what_changed_and_says_it_twice_without_harm(time, cast):
    lena = Api(cast.lena)
    facts = {"title": "v7 in production", "kind": "deployed", "url": "https://ci.example.org/17", "key": "17",
             "labels": {"version": "7"}, "at": "2026-03-02T03:00:00Z"}  # fmt: skip
    first, again = (lena("post", "/systems/credit-scorer/changes", **facts) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    other = System.objects.create(slug="chat", name="Chat")
    assert lena("post", "/systems/chat/changes", **facts).json()["id"] != first.json()["id"], "another system's 17"
    listed = lena("get", "/systems/credit-scorer/changes").json()["items"]
    assert [(row["title"], row["kind"], row["source"]) for row in listed] == [("v7 in production", "deployed", "api")]
    assert other.change_events.count() == 1


def test_without_a_key_each_is_another_and_now_is_when(time, cast):
    by = Actor.of(cast.lena)
    one, two = (tell_change(by=by, system=cast.credit_scorer, title="v7") for _ in range(2))
    assert one.pk != two.pk
    assert one.at == clock.now()
    assert one.kind == ChangeKind.DEPLOYED


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"title": " "}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"title": "x", "url": "javascript:alert(1)"}, "url"),
        ({"title": "x", "key": "k" * 191}, "key"),
        ({"title": "x", "labels": {"a": "b" * 1001}}, "labels"),
        ({"title": "x", "labels": {str(n): "" for n in range(65)}}, "labels"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_its_field(cast, facts, field):
    with pytest.raises(Invalid) as refused:
        tell_change(by=Actor.of(cast.lena), system=cast.credit_scorer, **facts)
    assert refused.value.field == field
    assert not ChangeEvent.objects.exists()


def test_who_may_say_and_who_may_see(cast, client, signed_in):
    statuses = {
        who: Api(getattr(cast, who))("post", "/systems/credit-scorer/changes", title="v7").status_code
        for who in ("nadia", "omar", "lena", "sam", "vera", "rui")
    }
    assert statuses == {"nadia": 201, "omar": 201, "lena": 201, "sam": 201, "vera": 403, "rui": 403}
    assert client.post("/api/v1/systems/credit-scorer/changes", {}, content_type="application/json").status_code == 401
    assert client.get("/api/v1/systems/credit-scorer/changes").status_code == 401
    assert Api(cast.vera)("get", "/systems/credit-scorer/changes").status_code == 200
    assert Api(cast.rui)("get", "/systems/credit-scorer/changes").status_code == 403
    assert Api(cast.lena, "systems:read")("post", "/systems/credit-scorer/changes", title="v7").status_code == 403
    with pytest.raises(Forbidden):
        tell_change(by=Actor.of(cast.vera), system=cast.credit_scorer, title="v7")
    page = reverse("system_changes", args=["credit-scorer"])
    assert {who: signed_in(getattr(cast, who)).get(page).status_code for who in ("nadia", "omar", "lena", "vera", "rui")} == {
        "nadia": 200, "omar": 200, "lena": 200, "vera": 200, "rui": 403
    }  # fmt: skip
    assert client.get(page).status_code == 302
    assert signed_in(cast.vera).get(reverse("system_changes", args=["nothing"])).status_code == 404


def test_what_a_sender_says_is_written_once_and_is_no_signal(time, mlflow, cast):
    said = change(title="credit-scorer: champion is v7", kind=ChangeKind.ALIAS_MOVED, key="hook-1", labels={"v": "7"})
    heard(mlflow, said)
    heard(mlflow, said, change(title="A note", key=""), change(title="A note", key=""))
    rows = list(ChangeEvent.objects.order_by("pk"))
    assert [row.title for row in rows] == ["credit-scorer: champion is v7", "A note", "A note"]
    assert (rows[0].system, rows[0].source, rows[0].at, rows[0].labels) == (
        cast.credit_scorer, "mlflow", clock.now(), {"v": "7"}
    )  # fmt: skip
    assert not Signal.objects.exists()


def test_a_sender_names_its_system_and_one_that_nobody_knows_is_kept_with_its_name(mlflow, cast):
    System.objects.create(slug="chat", name="Chat")
    heard(mlflow, change(title="a", system_hint="Chat"), change(title="b", system_hint="nobody"))
    assert {row.title: (str(row.system), row.system_hint) for row in ChangeEvent.objects.all()} == {
        "a": ("Chat", "Chat"), "b": ("None", "nobody")
    }  # fmt: skip


def test_the_systems_page_shows_them_newest_first_and_all_on_a_page_of_their_own(time, cast, signed_in):
    for number in range(9):
        time.forward(timedelta(minutes=1))
        tell_change(by=Actor.of(cast.lena), system=cast.credit_scorer, title=f"Version {number}")
    browser = signed_in(cast.vera)
    page = browser.get(reverse("system", args=["credit-scorer"])).content.decode()
    assert "Version 8" in page
    assert "Version 0" not in page
    everything = browser.get(reverse("system_changes", args=["credit-scorer"])).content.decode()
    assert everything.index("Version 8") < everything.index("Version 0")


def incident(cast, **facts):
    return opening.declare(
        title="Refusals of young applicants doubled", system=cast.credit_scorer,
        type_=IncidentType.FAIRNESS_VIOLATION, by=Actor.of(cast.omar), **facts,
    )  # fmt: skip


def test_an_incident_shows_what_changed_in_the_three_days_before_and_nothing_else(time, cast, signed_in):
    by, now = Actor.of(cast.lena), clock.now()
    tell_change(by=by, system=cast.credit_scorer, title="Long ago", at=now - LOOKED_BACK - timedelta(minutes=1))
    tell_change(by=by, system=cast.credit_scorer, title="Not long ago", at=now - timedelta(minutes=42))
    tell_change(by=by, system=System.objects.create(slug="chat", name="Chat"), title="Elsewhere")
    found = incident(cast)
    time.forward(timedelta(minutes=1))
    tell_change(by=by, system=cast.credit_scorer, title="Rolled back")
    page = signed_in(cast.lena).get(reverse("incident", args=[found.number])).content.decode()
    assert "What changed lately" in page
    assert "Not long ago" in page
    assert "42 min before it was detected" in page
    for other in ("Long ago", "Elsewhere", "Rolled back"):
        assert other not in page.replace("Not long ago", "")


def test_an_onset_moves_the_window_back(time, cast, signed_in):
    at = clock.now() - timedelta(days=5)
    tell_change(by=Actor.of(cast.lena), system=cast.credit_scorer, title="Five days ago", at=at)
    found = incident(cast)
    page = reverse("incident", args=[found.number])
    assert "Five days ago" not in signed_in(cast.lena).get(page).content.decode()
    found.onset = found.onset_low = clock.now() - timedelta(days=4)
    found.onset_high = clock.now()
    found.save()
    assert "Five days ago" in signed_in(cast.lena).get(page).content.decode()


def test_who_may_not_see_the_register_sees_no_changes_beside_their_own_incident(time, cast, signed_in):
    tell_change(by=Actor.of(cast.lena), system=cast.credit_scorer, title="v7 in production")
    found = opening.declare(title="Odd", system=cast.credit_scorer, by=Actor.of(cast.rui))
    answer = signed_in(cast.rui).get(reverse("incident", args=[found.number]))
    assert "v7 in production" not in answer.content.decode()
