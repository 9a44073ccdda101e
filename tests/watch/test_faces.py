"""Watches and decision logs on the screen and over the API: who may see, make, run and try them, and what they say."""

import json
from datetime import datetime, timedelta

import pytest
from django.urls import reverse

from andon.intake.models import Signal
from andon.people.policy import Actor
from andon.practice.words import Stage
from andon.response import routing
from andon.watch import actions
from andon.watch.models import Alarm, Log, Watch
from andon.watch.suggestions import suggest
from tests.support import scenes
from tests.watch.conftest import MONDAY, decisions

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
END = MONDAY + 240 * HOUR


@pytest.fixture
def log(written, connected, time):
    """Ten days of decisions; from the ninth on more of them fail."""
    time.set(END + timedelta(minutes=10))
    written(decisions(240, 20, lambda hour: 5 if hour >= 200 else 1))
    return connected(output_column="approved", segment_columns=["region"])


@pytest.fixture
def watch(log, watched):
    """A watch that has read that, and alarmed."""
    return actions.run_watch(watched(log, what="failed", segments=["region"], budget=1000))


PAGES = {
    "watches": lambda w: [], "watch": lambda w: [w.number], "watch_try": lambda w: [w.number],
    "watch_change": lambda w: [w.number], "watch_choose": lambda w: ["credit-scorer"],
    "watch_create": lambda w: ["credit-scorer", "latency"], "log_create": lambda w: ["credit-scorer"],
    "log": lambda w: [w.log.pk], "log_change": lambda w: [w.log.pk], "log_suggest": lambda w: [w.log.pk],
}  # fmt: skip
SEEN = {"watches", "watch", "watch_try", "log", "log_suggest"}
MAY = {"nadia": set(PAGES), "omar": set(PAGES), "lena": SEEN, "tomas": SEEN, "sam": SEEN, "vera": SEEN, "rui": set()}
PRESSED = {
    "watch_pause": {"nadia", "omar", "lena", "tomas"}, "watch_run": {"nadia", "omar", "lena", "tomas"},
    "watch_end": {"nadia", "omar"},
}  # fmt: skip


def test_who_sees_which_page(cast, written, connected, watched, signed_in, client):
    written(decisions(2, 1, lambda _: 0))
    watch = watched(connected(), what="failed")
    urls = {page: reverse(page, args=args(watch)) for page, args in PAGES.items()}
    for who, may in MAY.items():
        browser = signed_in(getattr(cast, who))
        answers = {page: browser.get(url).status_code for page, url in urls.items()}
        assert answers == {page: 200 if page in may else 403 for page in urls}, who
    assert {client.get(url).status_code for url in urls.values()} == {302}


@pytest.mark.parametrize("who", MAY)
@pytest.mark.parametrize("act", PRESSED)
def test_who_may_pause_run_and_end_it(cast, watched, signed_in, folder, act, who):
    watch = watched(None)
    answer = signed_in(getattr(cast, who)).post(reverse(act, args=[watch.number]))
    assert answer.status_code == (302 if who in PRESSED[act] else 403)
    watch.refresh_from_db()
    assert (watch.ended_at is not None) == (act == "watch_end" and who in PRESSED[act])


def test_the_page_says_what_it_tests_what_it_saw_and_what_it_can_detect(cast, watch, signed_in):
    page = signed_in(cast.vera).get(reverse("watch", args=[watch.number])).content.decode()
    assert "Tests every hour whether the share of decisions that failed rises above what is normal" in page
    assert "rose from 5% to" in page
    assert "began 10 Feb" in page
    assert "at least 1,000 windows between false alarms: 42 days" in page
    assert "It detects a rise from 5% to" in page
    assert "alarm at </tspan>1.11k" in page
    assert 'style="' not in page
    assert "Pause it" not in page  # a viewer only looks


def test_a_watch_says_which_rows_it_tests(cast, log, watched, signed_in):
    watch = watched(log, what="failed", only="region = 'north'")
    page = signed_in(cast.lena).get(f"/watches/{watch.number}").content.decode()
    assert "of rows with region = &#x27;north&#x27;." in page


def test_a_stale_watch_says_why_and_gives_no_verdict(cast, watch, signed_in, folder, time):
    (folder / "decisions.csv").unlink()
    time.set(END + 5 * HOUR)
    actions.run_watch(watch)
    page = signed_in(cast.omar).get(reverse("watch", args=[watch.number])).content.decode()
    assert "Stale since" in page
    assert "there is no file “decisions.csv”" in page


def test_history_is_tried_beside_the_incidents_that_there_were(cast, watch, signed_in, scene_incident):
    found, before = scene_incident(END - 10 * HOUR), scene_incident(END - 100 * HOUR)
    page = signed_in(cast.vera).get(reverse("watch_try", args=[watch.number])).content.decode()
    alarm = watch.alarms.get()
    ahead = END - 10 * HOUR - alarm.window_end
    assert ahead > timedelta(hours=20)
    assert "It would have alarmed once" in page
    assert "before your incident" in page
    assert found.ref in page
    assert "1 incident of that time it would have said nothing about" in page
    assert before.title in page
    assert Alarm.objects.count() == 1  # nothing was written


def test_a_restricted_incident_is_no_part_of_a_stranger_s_trial(cast, watch, signed_in, scene_incident):
    secret = scene_incident(END - 10 * HOUR, restricted=True)
    shown = signed_in(cast.omar).get(reverse("watch_try", args=[watch.number])).content.decode()
    hidden = signed_in(cast.sam).get(reverse("watch_try", args=[watch.number])).content.decode()
    assert secret.ref in shown
    assert secret.ref not in hidden
    assert "no incident that you may see goes with it" in hidden


@pytest.fixture
def scene_incident(cast, time):
    """An incident of the credit scorer that was detected at a time."""

    def make(at, *, restricted=False):
        now = time.now()
        time.set(at)
        incident = scenes.declared(cast, title=f"Approvals fell {at:%d %H}", restricted=restricted)
        time.set(now)
        return incident

    return make


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("error_rate", "A budget of 10,000 windows of an hour is a false alarm in 14 months, on average"),
        ("output_drift", "A budget of 10,000 windows of a day is a false alarm in 27 years, on average"),
    ],
)
def test_the_form_says_what_a_budget_means_for_windows_of_the_kind(cast, log, signed_in, kind, said):
    assert said in signed_in(cast.omar).get(f"/systems/credit-scorer/watches/new/{kind}").content.decode()


def test_a_lead_changes_a_watch_and_tries_the_change_first(cast, watch, signed_in):
    browser, url = signed_in(cast.omar), reverse("watch_change", args=[watch.number])
    form = {name: value for name, value in browser.get(url).context["form"].initial.items() if value is not None}
    tried = browser.post(url, form | {"baseline": "0.9", "also": "1"}).content.decode()
    assert "It would not have alarmed" in tried
    watch.refresh_from_db()
    assert watch.baseline is None
    assert (
        "It would not have alarmed"
        in browser.post(url, form | {"what": "latency_ms > 9", "also": "1"}).content.decode()
    )
    assert browser.post(url, form | {"what": "nosuch > 120", "also": "1"}).status_code == 422
    assert browser.post(url, form | {"budget": "500"}).status_code == 302
    watch.refresh_from_db()
    assert (watch.budget, watch.version) == (500, 2)
    late = browser.post(url, form | {"budget": "400"})  # the form of version 1
    assert late.status_code == 422
    assert "changed meanwhile" in late.content.decode()


def test_what_cannot_be_meant_is_said_at_its_field(cast, log, signed_in):
    browser = signed_in(cast.omar)
    url = reverse("watch_create", args=["credit-scorer", "error_rate"])
    form = {"name": "Failures", "log": log.pk, "window_minutes": "60", "direction": "up", "budget": "1000"}
    wrong = browser.post(url, form | {"what": "nosuch = 1"})
    assert wrong.status_code == 422
    assert "The log has no column “nosuch”" in wrong.content.decode()
    made = browser.post(url, form | {"what": "failed"})
    assert made.status_code == 302
    assert Watch.objects.get().name == "Failures"


def test_a_connection_string_is_never_shown_again(cast, connected, written, signed_in, folder):
    import sqlite3

    with sqlite3.connect(folder / "d.sqlite") as base:
        base.execute("CREATE TABLE decisions (at TEXT, failed INTEGER)")
    log = connected("decisions", source="d.sqlite")
    Log.objects.filter(pk=log.pk).update(source="postgresql://reader:s3cret@warehouse/decisions?sslpassword=hush")
    browser = signed_in(cast.omar)
    for page in ("log", "log_change"):
        shown = browser.get(reverse(page, args=[log.pk])).content.decode()
        assert "s3cret" not in shown
        assert "hush" not in shown
    assert "postgresql://warehouse/decisions" in browser.get(reverse("log", args=[log.pk])).content.decode()
    said = browser.get(f"/api/v1/logs/{log.pk}").content.decode()
    assert "s3cret" not in said
    assert "hush" not in said


@pytest.mark.parametrize(("days", "weekly"), [(60, True), (50, False)])
def test_a_week_is_proposed_where_the_log_shows_four_of_them_in_the_first_half(
    cast, written, connected, time, days, weekly
):
    time.set(MONDAY + timedelta(days=days))
    written(decisions(24 * days, 2, lambda _hour: 0))
    log = connected(output_column="approved", score_column="score", label_column="failed")
    found = suggest(log, by=Actor.of(cast.omar), measured=False)
    offers = {offer.key: offer for offer in found.offers}
    assert offers["volume"].facts.weekly is weekly
    assert not offers["latency"].facts.weekly
    made = actions.create_watch(offers["estimated-wrong"].facts, by=Actor.of(cast.omar))
    state = actions.run_watch(made).states.get(window_start=MONDAY + 24 * HOUR, segment="")
    assert state.n == 48
    assert state.total == pytest.approx(24 * ((1 - 0.0) + 0.1))


def test_the_proposed_watches_say_why_and_what_and_are_made(cast, log, signed_in):
    browser, url = signed_in(cast.omar), reverse("log_suggest", args=[log.pk])
    page = browser.get(url).content.decode()
    assert "Silence is not health" in page
    assert "It would detect a rise from" in page
    assert "Gap in what groups are granted" in page
    assert browser.post(url, {"key": ["failed", "latency"]}).status_code == 302
    assert {watch.name for watch in Watch.objects.all()} == {"Decisions that fail", "Waiting time"}
    again = browser.get(url).content.decode()
    assert "does</a>" in again
    refused = signed_in(cast.lena).post(url, {"key": ["volume"]})
    assert refused.status_code == 403


def test_the_system_s_page_says_what_is_watched_and_the_list_what_is_not(cast, watch, signed_in):
    browser = signed_in(cast.vera)
    page = browser.get(reverse("system", args=["credit-scorer"])).content.decode()
    assert "A watch of error_rate" in page
    assert "In alarm" in page
    assert "not watched" not in browser.get(reverse("watches")).content.decode()
    actions.end_watch(watch, by=Actor.of(cast.omar))
    assert "1 system in production is not watched" in browser.get(reverse("watches")).content.decode()
    bare = browser.get(reverse("system", args=["credit-scorer"])).content.decode()
    assert "only people would notice" in bare
    cast.credit_scorer.stage = Stage.PILOT
    cast.credit_scorer.save()
    assert "not watched" not in browser.get(reverse("watches")).content.decode()


# --- Over the API ---------------------------------------------------------------------------------------------------


def sent(browser, method, path, body=None):
    call = getattr(browser, method)
    if body is None:
        return call(f"/api/v1{path}")
    return call(f"/api/v1{path}", json.dumps(body), content_type="application/json")


def test_everything_that_the_screens_can_do(cast, written, folder, signed_in, time):
    time.set(END + timedelta(minutes=10))
    written(decisions(240, 20, lambda hour: 5 if hour >= 200 else 1))
    api = signed_in(cast.omar)
    log = {"system": "credit-scorer", "name": "Decisions", "table": "decisions.csv", "time_column": "at"}
    made = sent(api, "post", "/logs", log | {"segment_columns": ["region"]})
    assert made.status_code == 201
    key = made.json()["id"]
    assert made.json()["columns"]["failed"] == "int64"
    assert sent(api, "patch", f"/logs/{key}", {"output_column": "approved"}).json()["output_column"] == "approved"
    proposed = sent(api, "get", f"/logs/{key}/suggest").json()
    assert {"volume", "failed"} <= {offer["key"] for offer in proposed["offers"]}
    number = sent(
        api, "post", "/watches",
        {"system": "credit-scorer", "name": "Failures", "kind": "error_rate", "log": key, "what": "failed",
         "segments": ["region"], "budget": 1000},
    ).json()["number"]  # fmt: skip
    actions.run_watch(Watch.objects.get(number=number))
    row = sent(api, "get", f"/watches/{number}").json()
    assert (row["standing"], row["alarm"]) == ("alarmed", "ALARM-1")
    assert row["tests"].startswith("Tests every hour whether")
    (alarm,) = sent(api, "get", f"/alarms?watch={number}&open=true").json()["items"]
    assert alarm["direction"] == "up"
    assert sent(api, "get", "/alarms/1").json() == alarm
    windows = sent(api, "get", f"/watches/{number}/windows?limit=3").json()
    assert [one["n"] for one in windows] == [20, 20, 20]
    south = sent(api, "get", f"/watches/{number}/windows?limit=1&segment=south").json()
    assert [one["n"] for one in south] == [10]
    assert len(sent(api, "get", f"/watches/{number}/try").json()["alarms"]) == 1
    assert sent(api, "post", f"/watches/{number}/try", {"baseline": 0.9}).json()["alarms"] == []
    changed = sent(api, "patch", f"/watches/{number}", {"baseline": 0.9, "version": 1}).json()
    assert (changed["baseline"], changed["version"]) == (0.9, 2)
    assert sent(api, "patch", f"/watches/{number}", {"baseline": None, "version": 1}).status_code == 409
    assert sent(api, "patch", f"/watches/{number}", {"baseline": None}).json()["baseline"] is None
    assert sent(api, "post", f"/watches/{number}/pause").json()["enabled"] is False
    assert sent(api, "post", f"/watches/{number}/run").status_code == 409
    assert sent(api, "post", f"/watches/{number}/resume").json()["enabled"] is True
    assert sent(api, "post", f"/watches/{number}/run").status_code == 200
    assert sent(api, "post", f"/logs/{key}/end").status_code == 409
    assert sent(api, "post", f"/watches/{number}/end").json()["standing"] == "ended"
    assert sent(api, "get", "/watches").json()["items"] == []
    assert sent(api, "get", "/watches?ended=true").json()["items"][0]["number"] == number
    assert len(sent(api, "post", f"/logs/{key}/suggest", {"keys": ["volume"]}).json()) == 1
    assert sent(api, "post", f"/logs/{key}/suggest", {"keys": ["nosuch"]}).status_code == 422


def test_a_log_says_of_which_place_its_times_are(cast, written, folder, signed_in, time):
    time.set(END + timedelta(minutes=10))
    rows = decisions(240, 20, lambda hour: 5 if hour >= 200 else 1)
    ago = timedelta(hours=8)  # of Los Angeles, in winter
    written([row | {"at": f"{datetime.fromisoformat(row['at']) - ago:%Y-%m-%d %H:%M:%S}"} for row in rows])
    api = signed_in(cast.omar)
    log = {"system": "credit-scorer", "name": "Decisions", "table": "decisions.csv", "time_column": "at"}
    refused = sent(api, "post", "/logs", log | {"time_zone": "PST8"})
    assert refused.status_code == 422
    assert "“PST8” is no time zone" in refused.json()["detail"]
    made = sent(api, "post", "/logs", log).json()
    assert made["time_zone"] == "UTC"
    changed = sent(api, "patch", f"/logs/{made['id']}", {"time_zone": "America/Los_Angeles"}).json()
    assert changed["time_zone"] == "America/Los_Angeles"
    watch = {"system": "credit-scorer", "name": "Failures", "kind": "error_rate", "log": made["id"], "what": "failed"}
    number = sent(api, "post", "/watches", watch).json()["number"]
    actions.run_watch(Watch.objects.get(number=number))
    windows = sent(api, "get", f"/watches/{number}/windows?limit=1").json()
    assert datetime.fromisoformat(windows[0]["start"]) == END - timedelta(hours=1)
    assert windows[0]["n"] == 20
    page = api.get(f"/logs/{made['id']}").content.decode()
    assert "America/Los_Angeles" in page
    form = api.get(f"/logs/{made['id']}/change").content.decode()
    assert 'value="America/Los_Angeles" selected' in form


ROUTES = (
    ("get", "/watches", None, "viewer"), ("get", "/watches/1", None, "viewer"), ("get", "/watches/1/try", None, "viewer"),
    ("get", "/watches/1/windows", None, "viewer"), ("get", "/alarms", None, "viewer"), ("get", "/logs", None, "viewer"),
    ("post", "/watches/1/try", {"budget": 50}, "viewer"), ("post", "/watches/1/run", {}, "its people"),
    ("post", "/watches/1/pause", {}, "its people"), ("patch", "/watches/1", {"budget": 50}, "lead"),
    ("post", "/watches", {"system": "credit-scorer", "name": "More", "kind": "error_rate"}, "lead"),
    ("post", "/logs", {"system": "credit-scorer", "name": "x", "table": "x.csv", "time_column": "at"}, "lead"),
    ("post", "/watches/1/end", {}, "lead"),
)  # fmt: skip
WHO = {
    "viewer": {"nadia", "omar", "lena", "tomas", "sam", "vera"}, "its people": {"nadia", "omar", "lena", "tomas"},
    "lead": {"nadia", "omar"},
}  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "least"), ROUTES, ids=[f"{m} {p}" for m, p, _, _ in ROUTES])
def test_who_may_call_which_route(cast, watched, signed_in, client, folder, method, path, body, least):
    watched(None)
    for who in MAY:
        status = sent(signed_in(getattr(cast, who)), method, path, body).status_code
        assert (status != 403) == (who in WHO[least]), (who, status)
    assert sent(client, method, path, body).status_code == 401


def test_a_token_needs_the_scope(cast, watched, client, folder):
    watched(None)
    reads, signals = scenes.token(cast.omar, "watches:read"), scenes.token(cast.omar, "signals:read")
    assert client.get("/api/v1/watches", headers=reads).status_code == 200
    assert client.get("/api/v1/watches", headers=signals).json()["code"] == "scope-missing"
    assert client.post("/api/v1/watches/1/run", headers=reads).json()["code"] == "scope-missing"


def test_an_alarm_of_a_restricted_incident_is_for_who_may_see_that(cast, watch, signed_in, scene_incident):
    secret = scene_incident(END - HOUR, restricted=True)
    alarm = watch.alarms.get()
    assert Signal.objects.filter(pk=alarm.signal_id).update(incident=secret) == 1
    assert sent(signed_in(cast.omar), "get", "/alarms").json()["items"][0]["incident"] == secret.number
    stranger = signed_in(cast.sam)
    assert sent(stranger, "get", "/alarms").json()["items"] == []
    assert sent(stranger, "get", f"/alarms/{alarm.number}").status_code == 404
    assert sent(stranger, "get", f"/watches/{watch.number}").json()["alarm"] is None
    assert secret.ref not in stranger.get(reverse("watch", args=[watch.number])).content.decode()
    assert "In alarm</span>" not in stranger.get(reverse("watches")).content.decode()
    assert sent(stranger, "get", "/watches?alarmed=true").json()["items"] == []
    assert watch.ref not in stranger.get(reverse("watches") + "?state=alarmed").text
    page = stranger.get(reverse("watch", args=[watch.number]))
    assert page.context["title"] == "A watch of error_rate: 25%"  # neither the alarm nor that all is well
    assert "as expected" not in page.text
    assert "no incident that you may see goes with it" in stranger.get(reverse("watch_try", args=[watch.number])).text
    assert sent(signed_in(cast.omar), "get", "/watches?alarmed=true").json()["items"][0]["number"] == watch.number
    assert "In alarm</span>" in signed_in(cast.omar).get(reverse("watches")).content.decode()


def test_the_incident_s_page_shows_what_the_watch_saw(cast, watch, signed_in, time):
    while routing.route_due(time.now(), 100):
        pass
    incident = watch.alarms.get().signal.incident
    page = signed_in(cast.vera).get(reverse("incident", args=[incident.number])).content.decode()
    assert "What the watch saw" in page
    assert "A watch of error_rate: rose from 5% to" in page
    assert "Affected so far" in page
    assert reverse("watch", args=[watch.number]) in page
    assert 'class="stretch"' in page  # the onset, as a band
    shown = signed_in(cast.vera).get(reverse("watch", args=[watch.number])).content.decode()
    assert f"Open {incident.ref}" in shown


def test_a_watch_of_pushed_numbers_says_where_to_push_them(cast, watched, signed_in, folder):
    system = signed_in(cast.omar).get(reverse("system", args=["credit-scorer"])).content.decode()
    assert "Watch pushed numbers" in system
    named, plain = watched(None, "metric", what="error"), watched(None, "metric", what="error rate, EU")
    page = signed_in(cast.omar).get(reverse("watch", args=[named.number])).content.decode()
    assert f"/api/v1/watches/{named.number}/points" in page
    assert "count(&quot;credit-scorer&quot;, error=…)" in page or 'count("credit-scorer", error=…)' in page
    other = signed_in(cast.omar).get(reverse("watch", args=[plain.number])).content.decode()
    assert '**{"error rate, EU": …}' in other
