"""Signals and integrations on the screen and over the API: what they show, and to whom."""

import re

import pytest
from django.urls import reverse
from django.utils.html import escape

from andon.incidents.models import Incident
from andon.intake.actions import create_integration
from andon.intake.adapters import adapters
from andon.intake.events import change, event, note
from andon.intake.models import Integration, Signal
from andon.intake.recording import Heard, record
from andon.kit import clock, ids
from andon.people.models import ApiToken
from andon.people.policy import Actor
from andon.practice.grouping import RouteReason, SignalStatus

pytestmark = pytest.mark.django_db

SECRET = "Minors were scored"


@pytest.fixture
def prometheus(cast) -> Integration:
    made, token = create_integration(slug="prometheus", name="Prometheus", kind="alertmanager", by=Actor.operator())
    made.token = token
    return made


def heard(integration, title="Errors", body=b'{"raw": 1}', **facts) -> Signal:
    said = event(fingerprint=title, status=SignalStatus.FIRING, title=title, **facts)
    record([Heard(ids.new(), integration.pk, body, "application/json", [said])])
    return Signal.objects.get(title=title)


def incident(cast, **facts) -> Incident:
    now = clock.now()
    known = {"number": 7, "title": "Approvals fail", "type": "technical_failure", "severity": 2, "group_key": "g",
             "severity_reason": "because", "detected_at": now, "changed_at": now, "chain": {"steps": []},
             "protocol_slug": "p", "protocol_version": "1", "system": cast.credit_scorer}  # fmt: skip
    return Incident.objects.create(**{**known, **facts})


@pytest.fixture
def api(client):
    def call(person, method, path, body=None, scopes=("signals:write",)):
        token = ids.new_token("andon_pat")
        ApiToken.objects.create(
            person=person, name="t", prefix=token[:12], digest=ids.digest(token), scopes=list(scopes)
        )
        headers = {"Authorization": f"Bearer {token}"}
        return getattr(client, method)(f"/api/v1{path}", body, content_type="application/json", headers=headers)

    return call


def test_the_list_shows_what_was_heard_and_filters_by_the_address(cast, prometheus, signed_in):
    routed, unrouted = heard(prometheus, "Errors high"), heard(prometheus, "Queue full", system_hint="nobody")
    Signal.objects.filter(pk=routed.pk).update(system=cast.credit_scorer, route_at=None)
    page = signed_in(cast.lena)

    everything = page.get(reverse("signals")).content.decode()
    assert "Errors high" in everything
    assert "Queue full" in everything
    by_system = page.get(reverse("signals"), {"system": "credit-scorer"}).content.decode()
    assert "Errors high" in by_system
    assert "Queue full" not in by_system
    without = page.get(reverse("signals"), {"unrouted": "1"}).content.decode()
    assert "Queue full" in without
    assert "Errors high" not in without
    assert "No signal matches" in page.get(reverse("signals"), {"status": "resolved"}).content.decode()
    assert unrouted.system is None


def test_a_signal_says_why_it_went_where_it_went_and_shows_what_came(cast, prometheus, signed_in):
    signal = heard(prometheus, labels={"region": "eu"}, system_hint="credit-scorer")
    Signal.objects.filter(pk=signal.pk).update(
        incident=incident(cast), system=cast.credit_scorer, reason_joined=RouteReason.NO_INCIDENT_YET, route_at=None
    )
    shown = signed_in(cast.lena).get(reverse("signal", args=[signal.pk])).content.decode()
    assert "INC-7" in shown
    assert "It opened this incident: none of its system and type was open" in shown
    assert "Nothing with this fingerprint was heard before" in shown
    assert "{&quot;raw&quot;: 1}" in shown
    assert "region" in shown


def test_what_its_sender_said_beside_stands_at_the_signal(cast, prometheus, signed_in, api):
    signal = heard(prometheus)
    said = note(fingerprint="Errors", text="Acknowledged at the sender.", by="<b>Batch</b>")
    record([Heard(ids.new(), prometheus.pk, b"{}", "", [], notes=[said, said])])
    shown = signed_in(cast.vera).get(reverse("signal", args=[signal.pk])).content.decode()
    assert shown.count("Acknowledged at the sender.") == 1
    assert "&lt;b&gt;Batch&lt;/b&gt;" in shown
    assert "stops no page here" in shown
    assert [row["text"] for row in api(cast.vera, "get", f"/signals/{signal.pk}").json()["notes"]] == [said.text]


def test_changes_of_systems_that_nobody_knows_stand_at_their_sender(cast, prometheus, signed_in):
    record([Heard(ids.new(), prometheus.pk, b"{}", "", [], changes=[change(title="v7", system_hint="scorer-2")])])
    shown = signed_in(cast.vera).get(reverse("integration", args=["prometheus"])).content.decode()
    assert "Changes of no known system" in shown
    assert "scorer-2" in shown


def test_a_viewer_sees_signals_but_no_raw_bodies(cast, prometheus, signed_in):
    signal = heard(prometheus)
    shown = signed_in(cast.vera).get(reverse("signal", args=[signal.pk]))
    assert shown.status_code == 200
    assert "raw" not in shown.content.decode()


def test_a_restricted_incidents_signals_reach_nobody_without_the_right(cast, prometheus, signed_in, api):
    secret = heard(prometheus, SECRET)
    other = heard(prometheus, "Harmless", body=f'["{SECRET}"]'.encode())
    Signal.objects.filter(pk=secret.pk).update(incident=incident(cast, restricted=True))

    stranger = signed_in(cast.sam)
    assert SECRET not in stranger.get(reverse("signals")).content.decode()
    assert stranger.get(reverse("signal", args=[secret.pk])).status_code == 404
    assert SECRET not in stranger.get(reverse("signal", args=[other.pk])).content.decode()
    assert api(cast.sam, "get", f"/signals/{secret.pk}").status_code == 404
    assert SECRET not in api(cast.sam, "get", "/signals").content.decode()
    assert api(cast.sam, "get", "/integrations/prometheus/rejected").json() == []

    for insider in (cast.omar, cast.nadia):  # the system's owner, an administrator
        assert SECRET in signed_in(insider).get(reverse("signals")).content.decode()
        assert signed_in(insider).get(reverse("signal", args=[secret.pk])).status_code == 200
        assert api(insider, "get", f"/signals/{secret.pk}").json()["title"] == SECRET


def test_a_sender_is_connected_and_its_token_shown_once(cast, signed_in):
    page = signed_in(cast.omar)
    form = {"kind": "alertmanager", "name": "Prometheus EU", "slug": "prometheus-eu", "system": "credit-scorer",
            "type": "fairness_violation", "resolves_incidents": "on"}  # fmt: skip
    answer = page.post(reverse("integration_create"), form)
    text = answer.content.decode()

    token = re.search(r"andon_in_[\w-]+", text).group()
    made = Integration.objects.get()
    assert made.token_digest == ids.digest(token)
    assert answer["Cache-Control"] == "no-store"
    assert "http://testserver/intake/alertmanager/prometheus-eu" in text
    assert (made.system, made.settings, made.resolves_incidents) == (
        cast.credit_scorer, {"type": "fairness_violation"}, True
    )  # fmt: skip
    assert token not in page.get(reverse("integration", args=["prometheus-eu"])).content.decode()


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"slug": "No Spaces"}, "slug"), ({"slug": "new"}, "slug"), ({"name": " "}, "name")],
)
def test_what_is_wrong_with_a_new_sender_stands_at_its_field(cast, signed_in, changes, field):
    form = {"kind": "generic", "name": "Curl", "slug": "curl", **changes}
    answer = signed_in(cast.omar).post(reverse("integration_create"), form)
    assert answer.status_code == 422
    assert f"id_{field}_error" in answer.content.decode()
    assert not Integration.objects.exists()


def test_kinds_are_chosen_from_a_plain_list_by_group(cast, signed_in):
    page = signed_in(cast.omar)
    shown = page.get(reverse("integration_create")).content.decode()
    for adapter in adapters().values():
        assert f'href="?kind={adapter.kind}"' in shown
        assert escape(adapter.line) in shown
    form = page.get(reverse("integration_create"), {"kind": "grafana"}).content.decode()
    assert "HMAC secret of Grafana" in form
    assert "id_secret" not in page.get(reverse("integration_create"), {"kind": "generic"}).content.decode()
    unknown = page.post(reverse("integration_create"), {"kind": "pigeon", "name": "Pigeon", "slug": "pigeon"})
    assert unknown.status_code == 422
    assert "There is no kind of sender called pigeon" in unknown.content.decode()


def test_a_signing_secret_is_kept_encrypted_replaced_and_forgotten_and_never_shown(cast, signed_in, api):
    page = signed_in(cast.omar)
    form = {"kind": "grafana", "name": "Grafana", "slug": "grafana", "secret": "first secret"}
    assert "first secret" not in page.post(reverse("integration_create"), form).content.decode()
    made = Integration.objects.get()
    assert made.secret == "first secret"
    address = reverse("integration", args=["grafana"])
    changes = [({}, "first secret"), ({"secret": "other words"}, "other words"), ({"unsigned": "on"}, "")]
    for filled_in, expected in changes:
        assert page.post(address, {"name": "Grafana", **filled_in}).status_code == 302
        made.refresh_from_db()
        assert made.secret == expected
        assert not expected or expected not in page.get(address).content.decode()
    assert api(cast.omar, "patch", "/integrations/grafana", {"secret": "third"}).json()["signed"] is True
    assert "third" not in api(cast.omar, "get", "/integrations/grafana").content.decode()
    refused = api(cast.omar, "post", "/integrations", {"slug": "c", "name": "C", "kind": "generic", "secret": "x"})
    assert (refused.status_code, refused.json()["field"]) == (422, "secret")
    odd = api(cast.omar, "post", "/integrations", {"slug": "c", "name": "C", "kind": "generic", "options": {"a": "b"}})
    assert (odd.status_code, odd.json()["field"]) == (422, "a")


def test_two_senders_cannot_share_an_address(cast, prometheus, signed_in):
    form = {"kind": "generic", "name": "Another", "slug": "prometheus"}
    answer = signed_in(cast.omar).post(reverse("integration_create"), form)
    assert answer.status_code == 422
    assert Integration.objects.count() == 1


def test_a_senders_page_shows_what_was_not_understood(cast, prometheus, signed_in):
    record([Heard(ids.new(), prometheus.pk, b'{"<script>": 1}', "application/json", [], error="alerts: missing")])
    shown = signed_in(cast.lena).get(reverse("integration", args=["prometheus"])).content.decode()
    assert "alerts: missing" in shown
    assert "&lt;script&gt;" in shown
    assert "webhook_configs" in shown
    assert (
        "alerts: missing" not in signed_in(cast.vera).get(reverse("integration", args=["prometheus"])).content.decode()
    )


def test_a_sender_is_changed_disabled_and_enabled(cast, prometheus, signed_in):
    page = signed_in(cast.omar)
    changed = {"name": "Prometheus EU", "system": "credit-scorer", "type": ""}
    assert page.post(reverse("integration", args=["prometheus"]), changed).status_code == 302
    assert page.post(reverse("integration_disable", args=["prometheus"])).status_code == 302
    prometheus.refresh_from_db()
    assert (prometheus.name, prometheus.system) == ("Prometheus EU", cast.credit_scorer)
    assert prometheus.disabled_at
    assert page.post(reverse("integration_disable", args=["prometheus"])).status_code == 409
    page.post(reverse("integration_enable", args=["prometheus"]))
    prometheus.refresh_from_db()
    assert prometheus.disabled_at is None


def test_a_new_token_is_shown_once_and_replaces_the_old(cast, prometheus, signed_in):
    answer = signed_in(cast.nadia).post(reverse("integration_rotate", args=["prometheus"]))
    token = re.search(r"andon_in_[\w-]+", answer.content.decode()).group()
    prometheus.refresh_from_db()
    assert token != prometheus.token
    assert prometheus.token_digest == ids.digest(token)


WHO = ("nadia", "omar", "lena", "vera", "rui")
READS = [("signals", []), ("integrations", []), ("integration", ["prometheus"])]
WRITES = [("integration_create", []), ("integration", ["prometheus"]), ("integration_rotate", ["prometheus"]),
          ("integration_disable", ["prometheus"]), ("integration_enable", ["prometheus"])]  # fmt: skip


@pytest.mark.parametrize(("name", "args"), READS)
def test_who_may_read(cast, prometheus, signed_in, client, name, args):
    statuses = {who: signed_in(getattr(cast, who)).get(reverse(name, args=args)).status_code for who in WHO}
    assert statuses == {"nadia": 200, "omar": 200, "lena": 200, "vera": 200, "rui": 403}
    assert client.get(reverse(name, args=args)).status_code == 302


@pytest.mark.parametrize(("name", "args"), WRITES)
def test_who_may_set_up_senders(cast, prometheus, signed_in, client, name, args):
    for who in ("lena", "vera", "rui"):
        assert signed_in(getattr(cast, who)).post(reverse(name, args=args), {"name": "x"}).status_code == 403
    assert client.post(reverse(name, args=args)).status_code == 302
    before = Integration.objects.values().get()
    assert (before["name"], before["disabled_at"]) == ("Prometheus", None)
    assert before["token_digest"] == ids.digest(prometheus.token)


def test_the_api_lists_and_reads_signals_page_by_page(cast, prometheus, api):
    for number in range(3):
        heard(prometheus, f"Alert {number}", severity_hint=2)
    first = api(cast.lena, "get", "/signals?limit=2").json()
    second = api(cast.lena, "get", f"/signals?limit=2&cursor={first['next_cursor']}").json()
    assert [row["title"] for row in first["items"] + second["items"]] == ["Alert 2", "Alert 1", "Alert 0"]
    assert second["next_cursor"] is None
    one = api(cast.lena, "get", f"/signals/{first['items'][0]['id']}").json()
    assert (one["status"], one["severity_hint"], one["integration"]) == ("firing", 2, "prometheus")
    assert one["reason"] == "nothing with this fingerprint was heard before"


def test_the_api_sets_up_changes_and_disables_a_sender(cast, api):
    wanted = {"slug": "curl", "name": "Curl", "kind": "generic", "system": "credit-scorer"}
    made = api(cast.omar, "post", "/integrations", wanted)
    assert made.status_code == 201
    assert Integration.objects.get().token_digest == ids.digest(made.json()["token"])
    assert made.json()["address"] == "http://testserver/intake/generic/curl"
    assert "token" not in api(cast.vera, "get", "/integrations/curl").json()
    changed = api(cast.omar, "patch", "/integrations/curl", {"system": "", "resolves_incidents": True}).json()
    assert (changed["name"], changed["system"], changed["resolves_incidents"]) == ("Curl", None, True)
    assert api(cast.omar, "post", "/integrations/curl/token").json()["token"] != made.json()["token"]
    assert api(cast.omar, "post", "/integrations/curl/disable").json()["disabled_at"]
    assert api(cast.omar, "post", "/integrations/curl/disable").status_code == 409
    assert api(cast.omar, "post", "/integrations/curl/enable").json()["disabled_at"] is None
    assert [row["slug"] for row in api(cast.vera, "get", "/integrations").json()] == ["curl"]


def test_the_api_refuses_in_words(cast, prometheus, api, client):
    assert client.get("/api/v1/signals").status_code == 401
    assert api(cast.lena, "get", "/signals", scopes=["incidents:read"]).status_code == 403
    assert api(cast.rui, "get", "/signals").status_code == 403
    assert api(cast.rui, "get", "/integrations").status_code == 403
    assert api(cast.vera, "get", "/integrations/prometheus/rejected").status_code == 403
    assert api(cast.lena, "post", "/integrations", {"slug": "a", "name": "A", "kind": "generic"}).status_code == 403
    for path in ("token", "disable", "enable"):
        assert api(cast.lena, "post", f"/integrations/prometheus/{path}").status_code == 403
    assert api(cast.lena, "patch", "/integrations/prometheus", {"name": "A"}).status_code == 403
    unknown = api(cast.omar, "post", "/integrations", {"slug": "a", "name": "A", "kind": "generic", "system": "none"})
    assert (unknown.status_code, unknown.json()["field"]) == (422, "system")
    assert api(cast.omar, "get", "/integrations/none").status_code == 404
    assert api(cast.omar, "get", f"/signals/{ids.new()}").status_code == 404


def test_a_label_may_have_any_name(cast, prometheus, signed_in):
    signal = heard(prometheus, labels={"items": "two", "keys": "three", "count": "four"})
    page = signed_in(cast.vera).get(reverse("signal", args=[signal.pk]))
    said = page.content.decode()
    assert [word in said for word in ("<dt>items</dt><dd>two</dd>", "<dt>keys</dt><dd>three</dd>")] == [True, True]
