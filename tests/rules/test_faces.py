"""Rules on the screen and over the API: who may see, try, make and end them, and that silence is never silent."""

import json
from datetime import datetime, timedelta

import pytest
from django.urls import reverse

from andon.incidents.models import Incident
from andon.intake.models import Signal
from andon.people.policy import Actor
from andon.practice.words import OrgRole
from andon.registry.models import System
from andon.response import routing
from andon.rules import actions
from andon.rules.models import Rule
from tests.response.test_routing import hear
from tests.rules.test_routing_by_rules import labelled, signal
from tests.support import scenes
from tests.support.versions import overtaken

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def route(time):
    while routing.route_due(time.now(), 100):
        pass


def filled(time, **more):
    """A silence of the credit scorer, as a browser sends it."""
    answers = {
        "name": "Known noise", "system": "credit-scorer", "expression": "", "comment": "Tested until noon.",
        "ends_at": f"{time.now() + 3 * HOUR:%Y-%m-%dT%H:%M}",
    }  # fmt: skip
    return answers | more


PAGES = {"rules": [], "rule": [1], "rule_choose": [], "rule_create": ["silence"], "rule_change": [1]}
MAY = {
    "nadia": set(PAGES), "omar": set(PAGES), "lena": set(PAGES), "tomas": set(PAGES),
    "sam": {"rules", "rule"}, "vera": {"rules", "rule"}, "rui": set(),
}  # fmt: skip


@pytest.mark.parametrize("who", MAY)
@pytest.mark.parametrize("page", PAGES)
def test_who_sees_which_page(cast, rule, signed_in, who, page):
    rule("silence", "", system=cast.credit_scorer)
    answer = signed_in(getattr(cast, who)).get(reverse(page, args=PAGES[page]))
    assert answer.status_code == (200 if page in MAY[who] else 403)


@pytest.mark.parametrize("page", PAGES)
def test_nobody_sees_anything_without_signing_in(cast, rule, client, page):
    rule("silence", "", system=cast.credit_scorer)
    assert client.get(reverse(page, args=PAGES[page])).status_code == 302


def test_a_responder_silences_a_system_of_theirs_for_a_day_and_nothing_else(cast, signed_in, time):
    lena = signed_in(cast.lena)
    System.objects.create(slug="other", name="Other")
    new = reverse("rule_create", args=["silence"])
    assert lena.post(new, filled(time)).status_code == 302
    made = Rule.objects.get()
    assert (made.made_by, made.system, made.comment) == (cast.lena, cast.credit_scorer, "Tested until noon.")
    for wrong in (
        {"ends_at": f"{time.now() + 27 * HOUR:%Y-%m-%dT%H:%M}"},
        {"system": "other"},
        {"system": "", "expression": "true"},
        {"comment": " "},
        {"ends_at": ""},
        {"ends_at": f"{time.now() - HOUR:%Y-%m-%dT%H:%M}", "starts_at": f"{time.now():%Y-%m-%dT%H:%M}"},
    ):
        assert lena.post(new, filled(time, **wrong)).status_code == 422, wrong
    for kind in ("mapping", "maintenance", "inhibition", "threshold", "heartbeat", "hold_open", "auto_close"):
        assert lena.get(reverse("rule_create", args=[kind])).status_code == 403
    assert Rule.objects.count() == 1
    assert lena.post(reverse("rule_end", args=[made.number])).status_code == 302
    made.refresh_from_db()
    assert made.ended_by == cast.lena


def test_what_leads_made_a_responder_cannot_end_unless_it_silences_their_system(cast, rule, signed_in):
    mapping = rule("mapping", severity=1)
    silence = rule("silence", "true")
    lena, vera = signed_in(cast.lena), signed_in(cast.vera)
    for one in (mapping, silence):
        assert lena.post(reverse("rule_end", args=[one.number])).status_code == 403
        assert vera.post(reverse("rule_end", args=[one.number])).status_code == 403
        assert lena.post(reverse("rule_move", args=[one.number]), {"to": "earlier"}).status_code == 403
    assert not Rule.objects.filter(ended_at__isnull=False).exists()


FILLED = {
    "mapping": {"expression": "true", "set_system": "credit-scorer", "severity": "2"},
    "silence": {"expression": "true", "ends_at": "2030-01-01T00:00", "comment": "why"},
    "maintenance": {
        "system": "credit-scorer",
        "weekdays": ["0", "5"],
        "window_starts": "22:00",
        "window_ends": "02:00",
        "zone": "Europe/Berlin",
    },
    "inhibition": {"expression": "true", "source": 'signal.title == "x"', "equal": "cluster, region"},
    "threshold": {"expression": "true", "count": "3", "minutes": "10", "counting": "events"},
    "heartbeat": {"expression": "true", "system": "credit-scorer", "every_minutes": "5", "grace_minutes": "0"},
    "hold_open": {"expression": "true", "minutes": "10"},
    "auto_close": {"expression": "true", "hours": "10"},
}


@pytest.mark.parametrize("kind", FILLED)
def test_each_kind_is_tried_before_it_has_a_name_or_a_reason(cast, signed_in, kind):
    words = {name: value for name, value in FILLED[kind].items() if name != "comment"}
    answer = signed_in(cast.omar).post(reverse("rule_create", args=[kind]), words | {"also": "1"})
    assert answer.status_code == 200
    assert answer.context["trial"].looked_at == 0
    assert not Rule.objects.exists()


@pytest.mark.parametrize("kind", FILLED)
def test_each_kind_is_made_shown_changed_and_ended(cast, signed_in, kind, time):
    omar = signed_in(cast.omar)
    answer = omar.post(reverse("rule_create", args=[kind]), FILLED[kind] | {"name": "First"}, follow=True)
    assert answer.status_code == 200
    made = Rule.objects.get(kind=kind)
    assert "First" in answer.content.decode()
    shown = omar.get(reverse("rule_change", args=[made.number])).content.decode()
    assert 'value="First"' in shown
    before = dict(made.settings)
    answer = omar.post(
        reverse("rule_change", args=[made.number]), FILLED[kind] | {"name": "Second", "seen_version": "1"}, follow=True
    )
    made.refresh_from_db()
    assert (made.name, made.version, made.settings) == ("Second", 2, before)
    assert "Version 1: First" in answer.content.decode()
    assert (
        omar.post(
            reverse("rule_change", args=[made.number]), FILLED[kind] | {"name": "Third", "seen_version": "1"}
        ).status_code
        == 422
    )
    assert omar.post(reverse("rule_end", args=[made.number]), follow=True).status_code == 200
    assert "Second" not in omar.get(reverse("rules")).content.decode()
    assert "Second" in omar.get(reverse("rules") + "?ended=1").content.decode()
    assert omar.post(reverse("rule_end", args=[made.number])).status_code == 409


@pytest.mark.parametrize("kind", FILLED)
def test_a_draft_is_tried_and_nothing_is_kept(cast, monitor, signed_in, kind, time):
    hear(monitor, labelled("a", title="x", system=""), labelled("b", title="y"))
    route(time)
    omar = signed_in(cast.omar)
    answer = omar.post(reverse("rule_create", args=[kind]), FILLED[kind] | {"name": "Draft", "also": "1"})
    assert answer.status_code == 200
    assert "Nothing is kept yet." in answer.content.decode()
    assert "Draft" in answer.content.decode()
    assert not Rule.objects.exists()


def test_a_trial_of_many_signals_folds_all_but_the_newest(cast, monitor, signed_in, time):
    hear(monitor, *[labelled(f"s{number}", title=f"Signal {number}.") for number in range(12)])
    route(time)
    answer = signed_in(cast.omar).post(reverse("rule_create", args=["silence"]), FILLED["silence"] | {"also": "1"})
    shown, _, folded = answer.content.decode().partition("Older ones")
    assert ">Signal 11.<" in shown
    assert ">Signal 0.<" not in shown
    assert ">Signal 0.<" in folded


def test_a_wrong_expression_is_said_at_its_field(cast, signed_in, time):
    omar = signed_in(cast.omar)
    answer = omar.post(
        reverse("rule_create", args=["mapping"]), {"name": "x", "expression": "signal.titel == 1", "severity": "1"}
    )
    assert answer.status_code == 422
    assert "A signal has no titel" in answer.content.decode()


def test_a_silence_until_the_end_of_the_calendar_is_refused_where_it_would_break_every_page(cast, signed_in, time):
    filled = FILLED["silence"] | {"name": "x", "comment": "x", "ends_at": "9999-12-31T23:59"}
    omar = signed_in(cast.omar)  # in Berlin, where that instant is in a year that no page can show
    answer = omar.post(reverse("rule_create", args=["silence"]), filled)
    assert answer.status_code == 422
    assert "between the years 1900 and 2200" in answer.content.decode()
    assert omar.get("/").status_code == 200


def test_silence_is_shown_at_home_in_the_lamps_on_the_system_and_in_the_list(cast, monitor, rule, signed_in, time):
    silence = rule("silence", "", name="Deployment", system=cast.credit_scorer)
    hear(monitor, labelled("a", title="Loud"))
    route(time)
    vera = signed_in(cast.vera)
    home = vera.get(reverse("home")).content.decode()
    assert "Kept quiet now" in home
    assert "Deployment" in home
    assert '<b>1</b> <span class="what">silence</span>' in home
    assert "Deployment" in vera.get(reverse("system", args=["credit-scorer"])).content.decode()
    quiet = vera.get(reverse("signals") + "?quiet=1").content.decode()
    assert "Loud" in quiet
    page = vera.get(reverse("signal", args=[signal("a").pk])).content.decode()
    assert f"{reverse('rule', args=[silence.number])}#version-1" in page
    assert "It keeps it from opening an incident." in page
    assert "Loud" in vera.get(reverse("rule", args=[silence.number])).content.decode()
    time.forward(2 * HOUR)
    route(time)
    assert "Kept quiet now" not in vera.get(reverse("home")).content.decode()


def test_what_a_rule_holds_of_a_restricted_incident_is_shown_to_nobody_else(cast, monitor, rule, signed_in, time):
    hear(monitor, labelled("a", title="Secret harm"))
    route(time)
    Incident.objects.update(restricted=True)
    sam = signed_in(cast.sam)
    answer = signed_in(cast.lena).post(
        reverse("rule_create", args=["silence"]), filled(time, also="1", expression="true")
    )
    assert answer.status_code == 200
    assert "Secret harm" not in answer.content.decode()
    cast.sam.role = OrgRole.LEAD
    cast.sam.save()
    answer = sam.post(
        reverse("rule_create", args=["mapping"]), {"name": "x", "expression": "true", "severity": "1", "also": "1"}
    )
    assert "Secret harm" not in answer.content.decode()
    assert (
        "Secret harm"
        in signed_in(cast.nadia)
        .post(
            reverse("rule_create", args=["mapping"]), {"name": "x", "expression": "true", "severity": "1", "also": "1"}
        )
        .content.decode()
    )


def send(client, person, method, path, body=None, scope="rules:write"):
    token = scenes.token(person, scope)
    return getattr(client, method)(f"/api/v1/rules{path}", body, content_type="application/json", headers=token)


@pytest.mark.parametrize(
    ("expression", "what"),
    [('__import__("os")', "no function __import__"), ("_x(1) == 2", "no function _x"), ("nobody == 1", "no nobody")],
)
def test_a_trial_refuses_names_that_are_not_there_in_the_words_of_saving(cast, client, monitor, time, expression, what):
    hear(monitor, labelled("a"))
    route(time)
    draft = {"kind": "mapping", "name": "By service", "expression": expression, "settings": {"severity": 2}}
    answers = [
        send(client, cast.omar, "post", path, draft, scope=scope)
        for path, scope in (("/try", "rules:read"), ("", "rules:write"))
    ]
    assert [answer.status_code for answer in answers] == [422, 422]
    tried, saved = (answer.json() for answer in answers)
    assert what in tried["detail"]
    assert tried == saved


def test_a_rule_over_the_api(cast, client, monitor, time):
    draft = {
        "kind": "mapping",
        "name": "By service",
        "expression": "has(signal.labels.service)",
        "settings": {"system_from": "signal.labels.service"},
    }
    hear(monitor, labelled("a", system="", service="credit-scorer"), labelled("b", system="", service="nothing"))
    route(time)
    tried = send(client, cast.omar, "post", "/try", draft, "rules:read").json()
    assert (tried["looked_at"], tried["about"], tried["changed"], tried["errors"]) == (2, 2, 1, 1)
    assert {line["says"] for line in tried["lines"]} == {
        "system: none → Credit scorer; would have opened an incident of its own; INC-1 would have opened by “Alert b”",
        "There is no system 'nothing' in the register.",
    }
    made = send(client, cast.omar, "post", "", draft)
    assert made.status_code == 201
    number = made.json()["number"]
    assert made.json()["says"] == "count as about the system that signal.labels.service gives"
    changed = send(client, cast.omar, "patch", f"/{number}", {"name": "Renamed", "version": 1})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert send(client, cast.omar, "patch", f"/{number}", {"name": "Again", "version": 1}).status_code == 409
    versions = send(client, cast.vera, "get", f"/{number}/versions", scope="rules:read").json()
    assert [one["facts"]["name"] for one in versions] == ["Renamed", "By service"]
    assert [one["ref"] for one in send(client, cast.vera, "get", "", scope="rules:read").json()] == [f"RULE-{number}"]
    assert send(client, cast.omar, "post", f"/{number}/end").status_code == 200
    assert send(client, cast.omar, "post", f"/{number}/end").status_code == 409
    assert send(client, cast.vera, "get", "", scope="rules:read").json() == []


def test_a_draft_is_tried_on_the_newest_thousand_signals_and_no_more(cast, client, monitor, time):
    """Of 1,003 the three oldest take no part, and the fourth does."""
    for number in range(4):
        hear(monitor, labelled(f"old-{number}", title=f"Old {number}"))
        time.forward(timedelta(minutes=1))
    hear(monitor, *(labelled(f"new-{number}", title="New") for number in range(999)))
    fourth = signal("old-3")

    def tried(expression):
        draft = {"kind": "hold_open", "expression": expression, "settings": {"minutes": 5}}
        return send(client, cast.omar, "post", "/try", draft, "rules:read").json()

    assert Signal.objects.count() == 1_003
    everything = tried("true")
    assert (everything["looked_at"], everything["about"]) == (1_000, 1_000)
    assert datetime.fromisoformat(everything["since"]) == fourth.first_at
    asked = {
        title: tried(f'signal.title == "{title}"')["about"] for title in ("Old 0", "Old 1", "Old 2", "Old 3", "New")
    }
    assert asked == {"Old 0": 0, "Old 1": 0, "Old 2": 0, "Old 3": 1, "New": 999}


@pytest.mark.parametrize(
    ("who", "makes", "tries", "reads"),
    [
        ("nadia", 201, 200, 200),
        ("omar", 201, 200, 200),
        ("lena", 403, 200, 200),
        ("sam", 403, 200, 200),
        ("vera", 403, 403, 200),
        ("rui", 403, 403, 403),
    ],
)
def test_who_may_what_over_the_api(cast, client, time, who, makes, tries, reads):
    draft = {"kind": "hold_open", "name": "x", "expression": "true", "settings": {"minutes": 5}}
    person = getattr(cast, who)
    assert send(client, person, "post", "", draft).status_code == makes
    assert send(client, person, "post", "/try", draft, "rules:read").status_code == tries
    assert send(client, person, "get", "", scope="rules:read").status_code == reads
    assert send(client, person, "get", "", scope="signals:read").status_code == 403
    assert client.get("/api/v1/rules").status_code == 401


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"expression": "("}, "expression"),
        ({"settings": {"minutes": 0}}, "minutes"),
        ({"settings": {"minutes": "x"}}, "minutes"),
        ({"settings": {}}, "settings"),
        ({"settings": {"minutes": 5, "hours": 3}}, "settings"),
        ({"name": " "}, "name"),
        ({"system": "nothing"}, "system"),
        ({"expression": ""}, "expression"),
        ({"ends_at": "2030-01-01T00:00:00Z"}, "ends_at"),
        ({"kind": "silence", "settings": {}, "ends_at": "2026-01-01T00:00:00Z", "comment": "x"}, "ends_at"),
        ({"kind": "silence", "settings": {}, "ends_at": "2030-01-01T00:00:00Z"}, "comment"),
        # Without a zone it is no instant; at the end of the calendar it could not be shown east of Greenwich.
        ({"kind": "silence", "settings": {}, "ends_at": "2030-01-01T00:00:00", "comment": "x"}, "ends_at"),
        ({"kind": "silence", "settings": {}, "ends_at": "9999-12-31T23:59:59Z", "comment": "x"}, "ends_at"),
        ({"kind": "maintenance", "settings": {}}, "starts_at"),
        (
            {
                "kind": "maintenance",
                "settings": {"weekly": {"weekdays": [7], "starts": "1:00", "ends": "2:00", "zone": "UTC"}},
            },
            "weekdays",
        ),
        (
            {
                "kind": "maintenance",
                "settings": {"weekly": {"weekdays": [1], "starts": "25:00", "ends": "02:00", "zone": "UTC"}},
            },
            "window_starts",
        ),
        (
            {
                "kind": "maintenance",
                "settings": {"weekly": {"weekdays": [1], "starts": "01:00", "ends": "02:00", "zone": "Mars"}},
            },
            "zone",
        ),
        ({"kind": "mapping", "settings": {}}, "set_system"),
        ({"kind": "mapping", "settings": {"set_system": "nothing"}}, "set_system"),
        ({"kind": "mapping", "settings": {"severity": 6}}, "severity"),
        ({"kind": "mapping", "settings": {"type": "odd"}}, "type"),
        ({"kind": "inhibition", "settings": {"source": "("}}, "source"),
        ({"kind": "heartbeat", "settings": {"every_minutes": 5}}, "system"),
        ({"kind": "threshold", "settings": {"count": 1, "minutes": 5}}, "count"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_by_field(cast, client, time, wrong, field):
    draft = {"kind": "hold_open", "name": "x", "expression": "true", "settings": {"minutes": 5}} | wrong
    answer = send(client, cast.omar, "post", "", draft)
    assert answer.status_code == 422
    assert answer.json()["field"] == field


def test_rules_are_asked_in_an_order_that_can_be_changed(cast, rule, signed_in, time):
    one, two = rule("mapping", severity=1), rule("mapping", severity=2)
    signed_in(cast.omar).post(reverse("rule_move", args=[two.number]), {"to": "earlier"})
    assert list(Rule.objects.order_by("position").values_list("number", flat=True)) == [two.number, one.number]
    actions.move_rule(two, earlier=True, by=Actor.of(cast.omar))  # it is the first already
    assert Rule.objects.order_by("position").first() == two


def test_a_signal_says_over_the_api_what_rules_did(cast, client, monitor, rule, time):
    rule("silence", "true")
    hear(monitor, labelled("a"))
    route(time)
    found = client.get(
        f"/api/v1/signals/{Signal.objects.get().pk}", headers=scenes.token(cast.vera, "signals:read")
    ).json()
    assert found["rules"][0]["says"] == "keeps it from opening an incident"
    assert found["looked_at_again"] is not None
    assert found["incident_reason"] == "a silence keeps it from opening an incident"


def test_a_test_signal_says_what_rules_would_make_of_it(cast, monitor, rule, signed_in, time):
    body = {"version": "4", "status": "firing", "alerts": [
        {"status": "firing", "labels": {"alertname": "Slow", "service": "credit-scorer", "severity": "warning"},
         "annotations": {}, "startsAt": "2026-03-02T03:00:00Z", "fingerprint": "f1"},
    ]}  # fmt: skip
    omar, path = signed_in(cast.omar), f"/integrations/{monitor.slug}/test"
    rule("mapping", "has(signal.labels.service)", name="Services", set_system="credit-scorer")
    silence = rule("silence", "", name="Quiet night", system=cast.credit_scorer)
    page = omar.post(path, {"body": json.dumps(body)}).content.decode()
    assert "RULE-1 Services lets it count as about the system credit-scorer" in page
    assert "It would wait, and open nothing yet." in page
    assert f"{silence.ref} Quiet night" in page
    assert not Signal.objects.exists()
    rule("mapping", "true", name="Elsewhere", system_from='"nothing"')
    page = omar.post(path, {"body": json.dumps(body)}).content.decode()
    assert "could not be asked about it: There is no system &#x27;nothing&#x27; in the register. " in page
    actions.end_rule(silence, by=Actor.of(cast.omar))
    assert "It would open an incident" in omar.post(path, {"body": json.dumps(body)}).content.decode()


def test_a_rule_that_cannot_be_read_any_more_says_so_wherever_it_is_shown(cast, rule, signed_in, client):
    made = rule("silence", 'signal.title == "x"', system=cast.credit_scorer)
    omar = signed_in(cast.omar)
    pages = [reverse("rules"), reverse("rule", args=[made.number])]
    assert not any(">does nothing<" in omar.get(page).content.decode() for page in pages)
    Rule.objects.filter(pk=made.pk).update(expression="signal.title ==")  # as a version with other rules may leave it
    assert all(">does nothing<" in omar.get(page).content.decode() for page in pages)
    assert "as if this rule were not there" in omar.get(pages[1]).content.decode()
    (out,) = send(client, cast.omar, "get", "", scope="rules:read").json()
    assert out["fault"]


def test_on_an_older_server_a_draft_is_tried_and_not_kept(cast, client, rule, signed_in):
    made, omar = rule("silence", 'signal.title == "x"', system=cast.credit_scorer), signed_in(cast.omar)
    new, change = reverse("rule_create", args=["silence"]), reverse("rule_change", args=[made.number])
    draft = {
        "kind": "mapping",
        "name": "All",
        "expression": "true",
        "settings": {"system_from": "signal.labels.service"},
    }
    with overtaken("rules"):
        for path in (new, change):
            assert omar.get(path).status_code == 200
            assert "Nothing is kept yet." in omar.post(path, FILLED["silence"] | {"also": "1"}).content.decode()
            assert omar.post(path, FILLED["silence"] | {"name": "Kept"}).status_code == 503
        assert send(client, cast.omar, "post", "/try", draft, "rules:read").status_code == 200
        refused = send(client, cast.omar, "post", "", draft)
    assert (refused.status_code, refused.json()["code"]) == (503, "outdated")
    assert [one.version for one in Rule.objects.all()] == [1]
