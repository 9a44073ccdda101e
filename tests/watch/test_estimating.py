"""Accuracy estimated before labels come: it alarms by scores, and falls silent where late labels contradict them."""

from datetime import timedelta

import numpy as np
import pytest
from django.urls import reverse

from andon.detect.estimate import expected_share
from andon.intake.models import Signal
from andon.kit.errors import Invalid
from andon.people.policy import Actor
from andon.practice.words import WatchKind
from andon.registry.models import System
from andon.watch import actions, past, sentences
from andon.watch.facts import WatchFacts
from andon.watch.models import Watch
from andon.watch.sentences import Standing
from tests.watch.conftest import MONDAY

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
DAYS, A_DAY, CHANGE = 60, 60, 40


def scored(scores, label, *, days=DAYS):
    """Rows of a log: `scores(rng, day)` are a day's, `label(rng, scores, day)` says which turned out positive."""
    rng = np.random.default_rng(7)
    rows = []
    for day in range(days):
        found = scores(rng, day)
        for n, (score, positive) in enumerate(zip(found, label(rng, found, day), strict=True)):
            at = MONDAY + day * DAY + n * DAY / len(found)
            row = {"at": at.isoformat(), "score": round(float(score), 4), "approved": bool(score >= 0.5)}
            rows.append(row | {"repaid": int(positive) if day < days - 7 else None, "region": "ns"[n % 2]})
    return rows


def sure(rng, _day):
    """Scores far from the middle: few decisions are to turn out wrong."""
    return np.clip(rng.choice([0.05, 0.95], A_DAY) + rng.uniform(-0.04, 0.04, A_DAY), 0, 1)


def less_sure(rng, day):
    return sure(rng, day) if day < CHANGE else rng.uniform(0.25, 0.75, A_DAY)


def as_scored(rng, scores, _day):
    return rng.random(len(scores)) < scores


def by_coin(rng, scores, _day):
    return rng.random(len(scores)) < 0.5


def then_by_coin(rng, scores, day):
    return as_scored(rng, scores, day) if day < CHANGE else by_coin(rng, scores, day)


@pytest.fixture
def estimated(written, connected, watched, time):
    """A watch on a log of scores that has read all of it."""

    def make(scores, label, **facts):
        time.set(MONDAY + DAYS * DAY + timedelta(hours=3))
        written(scored(scores, label))
        log = connected(output_column="approved", score_column="score", label_column="repaid")
        return actions.run_watch(watched(log, "estimated_accuracy", budget=1000, **facts))

    return make


def test_scores_that_lose_their_edge_alarm_before_any_label_of_theirs_has_come(estimated):
    watch = estimated(less_sure, as_scored, segments=["region"])
    alarm = watch.alarms.get()
    assert MONDAY + CHANGE * DAY <= alarm.window_start <= MONDAY + (CHANGE + 2) * DAY
    assert alarm.onset_low <= MONDAY + CHANGE * DAY <= alarm.onset_high
    assert (alarm.baseline, alarm.observed) == (pytest.approx(0.05, abs=0.02), pytest.approx(0.37, abs=0.05))
    assert watch.detector["phase"] == "alarmed"


def test_labels_that_contradict_the_scores_end_every_verdict(estimated):
    watch = estimated(sure, then_by_coin)
    assert not watch.alarms.exists()
    assert watch.detector["phase"] == "refused"
    says = watch.detector["says"]
    assert says.startswith("No verdict since 2026-03-")  # the first such labels come on 21 March
    assert "labels that came late contradict the scores" in says
    assert sentences.standing(watch) is Standing.REFUSED


@pytest.mark.parametrize("blind_again", [False, True])
def test_no_verdict_any_more_on_a_critical_system_is_one_signal_until_it_is_judged_anew(estimated, cast, blind_again):
    """Of another system it is only shown."""
    watch = estimated(sure, then_by_coin)
    assert not Signal.objects.exists()
    System.objects.filter(pk=cast.credit_scorer.pk).update(criticality="critical")
    for _ in range(2):
        watch = actions.run_watch(actions.run_soon(watch, by=Actor.of(cast.omar)))
    signal = Signal.objects.get()
    assert signal.status == "firing"
    assert signal.title == f"Blind: {watch.ref} {watch.name} gives no verdict"
    assert watch.detector["refused"] in signal.description
    assert f"{signal.starts_at:%Y-%m-%d}" in watch.detector["refused"]
    if blind_again:
        facts = WatchFacts(
            system=cast.credit_scorer, name="Again", kind=WatchKind.ESTIMATED_ACCURACY, log=watch.log, budget=2000
        )
        actions.change_watch(watch, facts, by=Actor.of(cast.omar))
        assert Signal.objects.get().status == "resolved"
        actions.run_watch(watch)  # which finds the same once more
        assert [one.status for one in Signal.objects.order_by("created_at")] == ["resolved", "firing"]
    actions.end_watch(watch, by=Actor.of(cast.omar))
    assert not Signal.objects.filter(status="firing").exists()


def test_a_watch_that_never_had_a_verdict_to_give_is_no_signal(estimated, cast):
    System.objects.filter(pk=cast.credit_scorer.pk).update(criticality="critical")
    watch = estimated(less_sure, by_coin)
    assert watch.detector["phase"] == "learning"
    assert not Signal.objects.exists()


def test_scores_that_were_never_calibrated_are_no_ground_for_a_verdict(estimated):
    watch = estimated(less_sure, by_coin)
    assert not watch.alarms.exists()
    assert watch.detector["phase"] == "learning"
    assert "The scores are not calibrated, so nothing can be estimated from them" in watch.detector["says"]


def test_a_log_whose_labels_never_come_says_what_is_missing(estimated):
    watch = estimated(
        less_sure, lambda _rng, scores, _day: [False] * len(scores), only="repaid IS NULL OR region = 'x'"
    )
    assert not watch.alarms.exists()
    assert (
        "of at least 500 labelled decisions" in watch.detector["says"]
        or "learns what is normal" in watch.detector["says"]
    )


def test_what_it_would_have_done_is_what_it_did(estimated, cast):
    watch = estimated(less_sure, as_scored)
    trial = past.try_watch(Actor.of(cast.omar), watch)
    assert [line.at for line in trial.lines] == [watch.alarms.get().window_end]
    again = estimated_draft(cast, watch)
    assert [line.at for line in again.lines] == [line.at for line in trial.lines]
    assert Watch.objects.count() == 1


def estimated_draft(cast, watch):
    facts = WatchFacts(
        system=cast.credit_scorer, name="Draft", kind=WatchKind.ESTIMATED_ACCURACY, log=watch.log, budget=1000
    )
    return past.try_draft(Actor.of(cast.omar), facts)


def test_its_page_says_how_sure_it_is_and_by_how_many_labels_it_was_checked(estimated, cast, signed_in):
    watch = estimated(sure, as_scored)
    page = signed_in(cast.vera).get(reverse("watch", args=[watch.number])).content.decode()
    assert "Tests every day whether the share of decisions expected to be wrong by their scores rises" in page
    assert "are to turn out wrong (95% sure, as far as the scores hold)" in page
    assert "do not contradict them" in page
    assert "old show whether scores hold" in page


@pytest.mark.parametrize(("left_out", "role"), [("score_column", "score"), ("label_column", "label")])
def test_it_needs_scores_and_labels(written, connected, watched, left_out, role):
    written(scored(sure, as_scored, days=1))
    named = {"output_column": "approved", "score_column": "score", "label_column": "repaid"}
    log = connected(**{name: column for name, column in named.items() if name != left_out})
    with pytest.raises(Invalid, match=f"needs the {role} column"):
        watched(log, "estimated_accuracy", what="approved")


def test_the_interval_of_an_estimate_holds_what_comes_true():
    rng = np.random.default_rng(3)
    chances = rng.beta(1, 9, 2_000)
    low, high = expected_share(len(chances), chances.sum(), (chances**2).sum())
    came = (rng.random((2_000, len(chances))) < chances).mean(axis=1)
    assert 0.93 < ((low <= came) & (came <= high)).mean() < 0.97
    with pytest.raises(ValueError, match="no decisions"):
        expected_share(0, 0.0, 0.0)
