"""An integration's page: how it is heard, and a test signal that leaves nothing behind."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse

from andon.incidents.models import Incident
from andon.intake import own, queries
from andon.intake.actions import create_integration, disable_integration
from andon.intake.adapters import adapters, samples
from andon.intake.events import event
from andon.intake.models import Delivery, Integration, Signal, SignalNote
from andon.intake.recording import Heard, record
from andon.intake.trying import sample, try_signal
from andon.kit import ids
from andon.kit.errors import Forbidden, Invalid
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.practice.grouping import SignalStatus
from andon.practice.hearing import Hearing
from andon.practice.words import IncidentType
from andon.registry.models import ChangeEvent
from andon.response import opening, routing
from tests.oncall.support import Api
from tests.support.versions import overtaken

pytestmark = pytest.mark.django_db

SCOPES = ("signals:write",)


@pytest.fixture
def sender(cast) -> Integration:
    return create_integration(slug="curl", name="Curl", kind="generic", by=Actor.operator())[0]


def heard(integration, times=1, error="", left_out=""):
    said = [] if error else [event(fingerprint="a", status=SignalStatus.FIRING, title="Errors")]
    record([Heard(ids.new(), integration.pk, b"{}", "", said, error=error, left_out=left_out) for _ in range(times)])


def test_its_health_and_rate_follow_what_comes(time, sender, cast):
    assert queries.activity(sender, time.now()).health is Hearing.NEVER
    heard(sender, 3)
    time.forward(timedelta(hours=2))
    heard(sender, 2, error="title: missing")
    found = queries.activity(sender, time.now())
    assert (found.health, found.last_minute) == (Hearing.GARBLED, 2)
    assert found.last_at == time.now() - timedelta(hours=2)
    assert [(hour.all, hour.bad) for hour in found.hours] == [(0, 0)] * 21 + [(3, 0), (0, 0), (2, 2)]
    time.forward(timedelta(minutes=5))
    heard(sender)
    assert queries.activity(sender, time.now()).health is Hearing.PARTLY
    time.forward(timedelta(days=2))
    found = queries.activity(sender, time.now())
    assert (found.health, found.hours, found.last_minute) == (Hearing.WELL, [], 0)
    disable_integration(sender, by=Actor.of(cast.omar))
    assert queries.activity(sender, time.now()).health is Hearing.DISABLED


def test_counting_stops_at_a_bound(time, sender, monkeypatch):
    monkeypatch.setattr(queries, "COUNTED", 5)
    heard(sender, 9)
    hour = queries.activity(sender, time.now()).hours[-1]
    assert (hour.all, hour.capped) == (5, True)


def test_the_page_draws_it_and_says_it(time, sender, cast, signed_in):
    heard(sender, 3)
    heard(sender, 1, error="title: missing")
    page = signed_in(cast.lena).get(reverse("integration", args=["curl"])).content.decode()
    assert "The newest request was not understood. Look at what came" in page
    assert "4 requests, most of them (4)" in page
    assert page.count('class="count"') == 1
    assert page.count('class="bad"') == 1
    told = Api(cast.vera, "signals:read")("get", "/integrations/curl/activity").json()
    assert (told["health"], told["last_minute"], told["hours"][-1]["refused"]) == ("garbled", 4, 1)


def untouched(*also):
    rows = [Signal, Delivery, Incident, Page, ChangeEvent, SignalNote, *also]
    return [model.objects.count() for model in rows]


@pytest.mark.parametrize("kind", sorted(adapters()))
def test_a_test_signal_of_any_kind_says_what_it_would_have_become_and_leaves_nothing(time, cast, kind):
    row, _ = create_integration(slug="x", name="X", kind=kind, by=Actor.operator(), options=_options(kind))
    before = untouched()
    trial = try_signal(row, by=Actor.of(cast.omar))
    assert not trial.problem
    assert trial.signals or trial.changes or trial.notes
    assert untouched() == before


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in sorted(adapters()) for name in samples(kind)], ids="/".join
)
def test_any_sample_pasted_there_is_taken_as_at_the_door(time, cast, kind, name):
    row, _ = create_integration(slug="x", name="X", kind=kind, by=Actor.operator(), options=_options(kind))
    trial = try_signal(row, by=Actor.of(cast.omar), body=samples(kind)[name].body.decode())
    assert not trial.problem


def test_a_pinned_topic_refuses_no_test_signal(time, cast):
    topic = {"topic": "arn:aws:sns:eu-central-1:123456789012:andon"}
    row, _ = create_integration(slug="x", name="X", kind="sns", by=Actor.operator(), options=topic)
    trial = try_signal(row, by=Actor.of(cast.omar))
    assert (trial.problem, len(trial.signals)) == ("", 1)


def _options(kind):
    return {field.name: "x" for field in adapters()[kind].fields if field.required}


def test_the_engine_has_nothing_to_do_after_a_test_signal(time, cast, sender):
    try_signal(sender, by=Actor.of(cast.omar))
    assert routing.route_due(time.now(), 100) == 0
    assert not Incident.objects.exists()
    assert not Page.objects.exists()
    assert queries.activity(sender, time.now()).health is Hearing.NEVER, "it was not heard from the sender"


def test_it_says_where_the_signal_would_have_gone(time, cast, sender):
    def become(**facts):
        body = json.dumps({"title": "Errors", **facts})
        (one,) = try_signal(sender, by=Actor.of(cast.omar), body=body).signals
        return one.where

    system = {"system": "credit-scorer"}
    assert become(**system) == "It would open an incident, and page."
    assert become(system="nobody", severity="S5").endswith("(S5).")
    assert become(severity="S4").startswith("It would be kept, and open nothing: no known system")
    assert become(severity="S2").endswith("page the fallback.")
    assert become(status="resolved", **system) == "It would be kept as ended, and open nothing."
    opening.declare(title="x", system=cast.credit_scorer, type_=IncidentType.SAFETY, by=Actor.of(cast.omar))
    assert become(type="safety", **system) == "It would join the open incident of its system and type."


def test_a_signal_that_is_open_already_would_be_counted_and_is_not(time, cast, sender):
    heard(sender)
    signal = Signal.objects.get()
    body = json.dumps({"id": "a", "title": "Errors", "severity": "S1"})
    (one,) = try_signal(sender, by=Actor.of(cast.omar), body=body).signals
    assert one.signal.count == 2
    unchanged = Signal.objects.get()
    assert (unchanged.count, unchanged.severity_hint, unchanged.route_at) == (1, None, signal.route_at)


def test_a_restricted_incident_is_not_given_away(time, cast, sender):
    found = opening.declare(
        title="Secret", system=cast.credit_scorer, type_=IncidentType.SAFETY, by=Actor.of(cast.nadia)
    )
    Incident.objects.filter(pk=found.pk).update(restricted=True)
    cast.sam.role = "lead"
    cast.sam.save()
    body = json.dumps({"title": "Errors", "type": "safety", "system": "credit-scorer"})
    (stranger,) = try_signal(sender, by=Actor.of(cast.sam), body=body).signals
    (insider,) = try_signal(sender, by=Actor.of(cast.nadia), body=body).signals
    assert stranger.where == "It would open an incident, and page."
    assert insider.where == "It would join the open incident of its system and type."


def test_nor_are_the_words_of_a_signal_in_one(time, cast, sender):
    secret = event(
        fingerprint="a", status=SignalStatus.FIRING, title="Errors", labels={"who": "minors"}, severity_hint=1
    )
    record([Heard(ids.new(), sender.pk, b"{}", "", [secret])])
    found = opening.declare(title="Secret", system=cast.credit_scorer, by=Actor.of(cast.nadia))
    Incident.objects.filter(pk=found.pk).update(restricted=True)
    Signal.objects.update(incident=found)
    cast.sam.role = "lead"
    cast.sam.save()
    body = json.dumps({"id": "a", "title": "Errors"})
    assert try_signal(sender, by=Actor.of(cast.sam), body=body).signals == []
    (insider,) = try_signal(sender, by=Actor.of(cast.nadia), body=body).signals
    assert insider.signal.labels == {"who": "minors"}


def test_a_body_of_ones_own_is_tried_on_the_page(time, cast, sender, signed_in):
    page = signed_in(cast.omar)
    assert "Approval rate of women" in page.get(reverse("integration", args=["curl"])).content.decode()
    own = page.post(reverse("integration_test", args=["curl"]), {"body": '{"title": "<b>Mine</b>"}'}).content.decode()
    assert "&lt;b&gt;Mine&lt;/b&gt;" in own
    assert "It names no system" in own
    wrong = page.post(reverse("integration_test", args=["curl"]), {"body": '{"title": "x", "severity": "bad"}'})
    assert "It was not understood" in wrong.content.decode()
    assert not Delivery.objects.exists()
    assert page.post(reverse("integration_test", args=["curl"]), {"body": "x" * 1_100_000}).status_code == 422


def test_a_test_over_the_api(time, cast, sender):
    omar = Api(cast.omar, *SCOPES)
    told = omar("post", "/integrations/curl/test", body='{"title": "Errors", "system": "credit-scorer"}').json()
    assert (told["understood"], told["signals"][0]["system"], told["signals"][0]["status"]) == (
        True, "credit-scorer", "firing"
    )  # fmt: skip
    refused = omar("post", "/integrations/curl/test", body='{"severity": 1}').json()
    assert (refused["understood"], refused["field"]) == (False, "severity")


def test_what_was_left_out_of_a_test_is_said_beside_what_was_understood(time, cast, signed_in):
    create_integration(slug="evals", name="Evals", kind="otel", by=Actor.of(cast.omar))
    body = samples("otel")["failing.json"].body.decode().replace('"Relevance"', '""')
    words = "1 log record was not taken. resourceLogs[0].scopeLogs[0].logRecords[1].attributes"
    page = signed_in(cast.omar).post(reverse("integration_test", args=["evals"]), {"body": body}).content.decode()
    assert words in page
    assert "Evaluation Groundedness fails in support-assistant" in page
    told = Api(cast.omar, *SCOPES)("post", "/integrations/evals/test", body=body).json()
    assert (told["understood"], len(told["signals"]), told["left_out"].startswith(words)) == (True, 1, True)


def test_who_may_send_one(time, cast, sender, signed_in, client):
    page = reverse("integration_test", args=["curl"])
    statuses = {
        who: (
            signed_in(getattr(cast, who)).post(page).status_code,
            Api(getattr(cast, who), *SCOPES)("post", "/integrations/curl/test").status_code,
        )
        for who in ("nadia", "omar", "lena", "sam", "vera", "rui")
    }
    assert statuses == {
        "nadia": (200, 200), "omar": (200, 200), "lena": (403, 403), "sam": (403, 403), "vera": (403, 403), "rui": (403, 403)
    }  # fmt: skip
    assert client.post(page).status_code == 302
    assert Api(cast.rui, *SCOPES)("get", "/integrations/curl/activity").status_code == 403
    with pytest.raises(Forbidden):
        try_signal(sender, by=Actor.of(cast.lena))


@pytest.mark.parametrize("kind", sorted(adapters()))
def test_the_sample_fires_where_any_does(kind):
    def fires(request):
        return any(one.status == "firing" for one in adapters()[kind].parse(request, {}).events)

    assert fires(sample(kind)) == any(fires(request) for request in samples(kind).values())


def test_nobody_sets_up_a_sender_that_would_speak_for_andon_and_a_name_alone_makes_an_address(cast):
    for voice in (own.ITSELF, own.WATCHES):
        with pytest.raises(Invalid, match="Andon uses the address"):
            create_integration(slug=voice.slug, name="Mine", kind="generic", by=Actor.operator())
    with pytest.raises(Invalid, match="Andon uses the address"):
        create_integration(slug="", name="Andon watches", kind="generic", by=Actor.operator())
    assert (
        create_integration(slug="", name="Curl on the side", kind="generic", by=Actor.operator())[0].slug
        == "curl-on-the-side"
    )


def test_on_an_older_server_a_body_is_tried(time, cast, sender, signed_in):
    body = json.dumps({"title": "Errors", "system": "credit-scorer"})
    with overtaken("routing"):
        page = signed_in(cast.omar).post(reverse("integration_test", args=["curl"]), {"body": body})
        assert page.status_code == 200
        assert Api(cast.omar, *SCOPES)("post", "/integrations/curl/test", body=body).json()["understood"]
        assert signed_in(cast.omar).post(reverse("integration_disable", args=["curl"])).status_code == 503
    assert not Delivery.objects.exists()
