"""A watch is tried on its log before it is kept: the same windows and verdicts as one that was kept, and nothing written."""

import json
from datetime import timedelta

import pytest
from django.urls import reverse

from andon.incidents.models import Incident
from andon.kit.errors import Conflict, Forbidden, Invalid
from andon.people.policy import Actor
from andon.practice.words import Direction, WatchKind
from andon.watch import actions, drafting, judging, loading, past, screen, sentences
from andon.watch.actions.writing import question_of
from andon.watch.facts import WatchFacts
from andon.watch.models import Alarm, Watch, WindowState
from andon.watch.questions import Onset, Raised
from andon.watch.replaying import Would
from andon.watch.suggestions import suggest
from tests.support.versions import overtaken
from tests.watch.conftest import MONDAY, decisions

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
END = MONDAY + 240 * HOUR


def test_an_alarm_of_a_trial_goes_with_the_incident_that_the_watch_s_own_alarm_came_to():
    """The system had another that was detected just before: the page named that one."""
    other, own = (Incident(detected_at=END + step * timedelta(seconds=1)) for step in (0, 9))
    raised = Raised(END - 3 * HOUR, Direction.UP, 1.0, 1.0, 0.1)
    would = Would(raised, Onset(END - 9 * HOUR, 0.2, 100.0))
    assert past._line(Watch(window_minutes=60), would, [other, own], set()).incident is other
    assert past._line(Watch(window_minutes=60), would, [other, own], {own.pk}).incident is own


def test_of_many_alarms_an_incident_shows_the_one_that_it_is_called_after():
    alarms = [Alarm(number=number) for number in range(1, 8)]
    assert [alarm.number for alarm in screen.told(alarms)] == [1, 5, 6, 7]
    assert screen.told(alarms[:4]) == alarms[:4]


@pytest.fixture
def log(written, connected, time):
    """Ten days of decisions; from the ninth on more of them fail."""
    time.set(END + timedelta(minutes=10))
    written(decisions(240, 20, lambda hour: 5 if hour >= 200 else 1))
    return connected(output_column="approved", score_column="score", label_column="failed", segment_columns=["region"])


@pytest.fixture
def facts(cast, log):
    def make(kind="error_rate", **given):
        said = {"name": "Draft", "what": "failed", "log": log, "budget": 1000} | given
        return WatchFacts(system=cast.credit_scorer, kind=WatchKind(kind), **said)

    return make


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("error_rate", {}),
        ("volume", {"what": ""}),
        ("latency", {"what": "latency_ms", "window_minutes": 60}),
        ("output_drift", {"what": "score", "window_minutes": 60}),
        ("fairness_gap", {"what": "approved", "window_minutes": 60, "segments": ["region"]}),
        ("estimated_accuracy", {"what": "approved", "window_minutes": 60, "label_delay_minutes": 120}),
    ],
)
def test_a_draft_sees_the_windows_that_it_would_see_if_it_were_kept(cast, facts, kind, given):
    said = facts(kind, **given)
    draft = Watch(**said.columns())
    seen = drafting.windows_of(draft)
    assert not WindowState.objects.exists()
    kept = actions.run_watch(actions.create_watch(said, by=Actor.of(cast.omar)))
    assert kept.error == ""
    assert seen == loading.load(kept, since=None, until=None, limit=10_000)
    tried = past.try_watch(Actor.of(cast.omar), kept)
    assert len(tried.lines) == kept.alarms.count()


def test_the_form_tries_before_it_keeps(cast, log, signed_in):
    url = reverse("watch_create", args=["credit-scorer", "error_rate"])
    form = {"name": "Failures", "log": log.pk, "window_minutes": "60", "direction": "up", "budget": "1000"}
    page = signed_in(cast.omar).post(url, form | {"what": "failed", "also": "1"}).content.decode()
    assert "It would have alarmed once" in page
    assert 'value="Failures"' in page
    assert not Watch.objects.exists()
    wrong = signed_in(cast.omar).post(url, form | {"what": "nosuch", "also": "1"})
    assert wrong.status_code == 422


def test_the_api_tries_what_it_would_make(cast, log, signed_in):
    body = {"system": "credit-scorer", "log": str(log.pk), "name": "Failures", "kind": "error_rate", "what": "failed"}
    browser = signed_in(cast.omar)
    tried = browser.post("/api/v1/watches/try", json.dumps(body | {"budget": 1000}), content_type="application/json")
    assert (tried.status_code, len(tried.json()["alarms"])) == (200, 1)
    assert not Watch.objects.exists()
    assert (
        signed_in(cast.vera).post("/api/v1/watches/try", json.dumps(body), content_type="application/json").status_code
        == 403
    )


def test_a_change_of_what_is_counted_is_tried_on_the_log(cast, facts):
    watch = actions.run_watch(actions.create_watch(facts(), by=Actor.of(cast.omar)))
    trial = past.try_change(Actor.of(cast.omar), watch, facts(what="latency_ms > 1000"))
    assert (len(trial.lines), trial.windows) == (0, 240)
    assert watch.states.filter(segment="").count() == 240


def test_what_cannot_be_tried_says_why(cast, facts, folder, time):
    by = Actor.of(cast.omar)
    with pytest.raises(Conflict, match="numbers are pushed"):
        past.try_draft(by, facts(log=None))
    with pytest.raises(Conflict, match="2,000 windows back"):
        past.try_draft(by, facts(window_minutes=1, reference_from=MONDAY, reference_to=MONDAY + HOUR))
    with pytest.raises(Forbidden):
        past.try_draft(Actor.of(cast.vera), facts())
    time.set(MONDAY + timedelta(minutes=30))
    with pytest.raises(Invalid, match="no window that is over yet"):
        past.try_draft(by, facts())
    (folder / "decisions.csv").unlink()
    with pytest.raises(Invalid, match="there is no file"):
        past.try_draft(by, facts())


@pytest.mark.django_db
def test_what_a_proposal_calls_normal_is_what_the_watch_then_learns(cast, written, connected, time):
    """By the same rows: its reference is worse in its first days than in its last, and what came since is worse still."""
    time.set(MONDAY + timedelta(days=20, hours=2))
    written(decisions(20 * 24, 6, lambda hour: 3 if hour < 6 * 24 else 1 if hour < 14 * 24 else 5))
    told = {}
    for offer in suggest(connected(), by=Actor.of(cast.omar)).offers:
        if not offer.detects:
            continue
        watch = actions.run_watch(actions.create_watch(offer.facts, by=Actor.of(cast.omar)))
        normal = sentences.said(watch, judging.normal_of(question_of(watch), watch.detector))
        told[offer.key] = (offer.detects.split(" from ")[1].split(" to ")[0], normal)
    assert {"failed", "volume"} <= told.keys()
    assert all(offered == learnt for offered, learnt in told.values()), told


def test_on_an_older_server_a_watch_is_tried_and_not_kept(cast, log, facts, signed_in):
    kept = actions.create_watch(facts(), by=Actor.of(cast.omar))
    browser, change = signed_in(cast.omar), f"/api/v1/watches/{kept.number}"
    form = {"name": "Failures", "log": log.pk, "window_minutes": "60", "direction": "up", "budget": "1000"}
    form["what"] = "failed"
    body = {"system": "credit-scorer", "log": str(log.pk), "name": "Failures", "kind": "error_rate", "what": "failed"}

    def ask(method, path, **given):
        return getattr(browser, method)(path, json.dumps(given), content_type="application/json").status_code

    with overtaken("watches"):
        for url in (reverse("watch_create", args=["credit-scorer", "error_rate"]), f"/watches/{kept.number}/change"):
            assert browser.get(url).status_code == 200
            assert browser.post(url, form | {"also": "1"}).status_code == 200
            assert browser.post(url, form).status_code == 503
        assert ask("post", "/api/v1/watches/try", **body) == 200
        assert ask("post", f"{change}/try", budget=1000) == 200
        assert browser.get(f"{change}/try").status_code == 200
        assert ask("post", "/api/v1/watches", **body) == 503
        assert ask("patch", change, budget=1000) == 503
    assert Watch.objects.get().version == 1
