"""What becomes of deliveries in the tables: one signal a fingerprint, whatever comes how often and in what order."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from andon.intake.events import event
from andon.intake.models import Delivery, Integration, Signal
from andon.intake.recording import Heard, record
from andon.kit import ids
from andon.practice.grouping import SignalStatus

pytestmark = pytest.mark.django_db


@pytest.fixture
def sender(db) -> Integration:
    return Integration.objects.create(slug="prometheus", name="Prometheus", kind="alertmanager", token_digest="x")


def heard(sender, *events) -> Heard:
    return Heard(ids.new(), sender.pk, b"{}", "application/json", list(events))


def fires(fingerprint="a", episode="2026-03-02T03:00:00+00:00", **facts):
    return event(fingerprint=fingerprint, episode=episode, status=SignalStatus.FIRING, **{"title": "Errors", **facts})


def ends(fingerprint="a", episode="2026-03-02T03:00:00+00:00", **facts):
    return event(fingerprint=fingerprint, episode=episode, status=SignalStatus.RESOLVED, **{"title": "Errors", **facts})


def test_a_first_alert_is_kept_with_all_it_says_and_is_due_for_routing(sender, time):
    labels = {"region": "eu", "odd": "nul \x00 here"}
    said = fires(labels=labels, description="More than 5 %.", url="https://x.example.org/", system_hint="credit-scorer",
                 type_hint="fairness_violation", severity_hint=2)  # fmt: skip
    delivery = heard(sender, said)

    assert record([delivery]) is True

    signal = Signal.objects.get()
    assert (signal.status, signal.count, signal.dedup_reason) == ("firing", 1, "first_heard")
    assert (signal.title, signal.description, signal.url) == ("Errors", "More than 5 %.", "https://x.example.org/")
    assert signal.labels == {"region": "eu", "odd": "nul \ufffd here"}
    assert (signal.system_hint, signal.type_hint, signal.severity_hint) == ("credit-scorer", "fairness_violation", 2)
    assert signal.first_at == signal.last_at == signal.route_at == signal.created_at == time.now()
    assert signal.first_delivery == signal.last_delivery == delivery.delivery
    kept = Delivery.objects.get()
    assert (kept.pk, bytes(kept.body), kept.outcome, kept.signals) == (delivery.delivery, b"{}", "accepted", 1)


def test_a_repeat_is_counted_and_asks_for_no_routing(sender, time):
    from datetime import timedelta

    record([heard(sender, fires())])
    first = Signal.objects.get()
    time.forward(timedelta(minutes=1))

    assert record([heard(sender, fires()), heard(sender, fires())]) is False

    signal = Signal.objects.get()
    assert (signal.count, signal.last_at, signal.first_at) == (3, time.now(), first.first_at)
    assert signal.route_at == first.route_at
    assert signal.first_delivery != signal.last_delivery


def test_a_repeat_with_a_worse_severity_is_routed_again_and_a_milder_one_changes_nothing(sender):
    record([heard(sender, fires(severity_hint=4))])
    Signal.objects.update(route_at=None)

    assert record([heard(sender, fires(severity_hint=2, description="worse"))]) is True
    assert record([heard(sender, fires(severity_hint=5))]) is False

    signal = Signal.objects.get()
    assert (signal.severity_hint, signal.description) == (2, "worse")
    assert signal.route_at is not None


def test_its_end_resolves_it_and_the_next_episode_is_another_signal(sender):
    record([heard(sender, fires())])
    assert record([heard(sender, ends())]) is True
    record([heard(sender, fires(episode="2026-03-02T05:00:00+00:00"))])

    first, second = Signal.objects.order_by("first_at", "pk")
    assert (first.status, first.dedup_reason) == ("resolved", "ended")
    assert first.resolved_at is not None
    assert (second.status, second.dedup_reason) == ("firing", "new_episode")


def test_fire_end_and_fire_again_in_one_batch_leave_two_signals_in_order(sender, time):
    again = fires(episode="2026-03-02T05:00:00+00:00")
    record([heard(sender, fires(), ends(), again), heard(sender, again)])

    first, second = Signal.objects.order_by("first_at")
    assert (first.status, first.count) == ("resolved", 1)
    assert (second.status, second.count) == ("firing", 2)


def test_an_end_that_overtakes_its_beginning_leaves_nothing_open(sender):
    record([heard(sender, ends())])
    record([heard(sender, fires())])

    signal = Signal.objects.get()
    assert (signal.status, signal.count, signal.dedup_reason) == ("resolved", 0, "nothing_open")


def test_ends_that_a_sender_repeats_without_a_mark_leave_one_signal(sender):
    for _ in range(3):
        record([heard(sender, ends(episode="")), heard(sender, ends(episode=""))])
    assert Signal.objects.get().dedup_reason == "nothing_open"

    record([heard(sender, fires(episode=""))])
    assert Signal.objects.filter(status="firing").count() == 1


def test_a_late_double_of_any_earlier_episode_opens_nothing(sender):
    episodes = [f"2026-03-02T0{hour}:00:00+00:00" for hour in range(5)]
    for episode in episodes:
        record([heard(sender, fires(episode=episode)), heard(sender, ends(episode=episode))])

    record([heard(sender, fires(episode=episodes[1]))])

    assert not Signal.objects.filter(status="firing").exists()


def test_a_sender_that_restarted_keeps_one_signal_and_both_names_of_it_are_over_at_its_end(sender):
    earlier, later = "2026-03-02T03:00:00+00:00", "2026-03-02T04:00:00+00:00"
    record([heard(sender, fires(episode=earlier))])
    record([heard(sender, fires(episode=later))])
    record([heard(sender, ends(episode=later))])

    record([heard(sender, fires(episode=earlier)), heard(sender, fires(episode=later))])

    signal = Signal.objects.get()
    assert (signal.status, signal.count, signal.past_episodes) == ("resolved", 2, [earlier])


def test_the_same_fingerprint_of_two_senders_is_two_signals(sender):
    other = Integration.objects.create(slug="other", name="Other", kind="generic", token_digest="y")
    record([heard(sender, fires()), heard(other, fires())])
    assert Signal.objects.count() == 2


def test_what_was_not_understood_is_kept_bounded(sender):
    not_understood = Heard(ids.new(), sender.pk, b"x" * 100_000, "text/plain", [], error="alerts: missing")
    record([not_understood])
    kept = Delivery.objects.get()
    assert (kept.outcome, kept.error, len(kept.body)) == ("rejected", "alerts: missing", 65_536)


def test_a_batch_takes_the_same_few_statements_whatever_its_size(sender, django_assert_max_num_queries):
    many = [heard(sender, *[fires(str(alert)) for alert in range(10)]) for _ in range(20)]
    with django_assert_max_num_queries(9):
        record(many)
    with django_assert_max_num_queries(9):
        record([heard(sender, *[fires(str(n)) for n in range(7)], *[ends(str(n)) for n in range(7, 10)], fires("new"))])
    assert Signal.objects.get(fingerprint="0").count == 21


EPISODES = ["", "2026-03-02T03:00:00+00:00", "2026-03-02T04:00:00+00:00", "2026-03-02T05:00:00+00:00"]
moves = st.tuples(st.sampled_from("abc"), st.sampled_from(EPISODES), st.booleans())


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.lists(moves, max_size=6), max_size=8))
def test_whatever_comes_in_whatever_order_at_most_one_fires_and_the_counts_add_up(sender, batches):
    Signal.objects.all().delete()
    Delivery.objects.all().delete()
    for batch in batches:
        said = [fires(key, episode) if firing else ends(key, episode) for key, episode, firing in batch]
        record([heard(sender, one) for one in said])

    together = [move for batch in batches for move in batch]
    assert Delivery.objects.count() == len(together)
    for key in "abc":
        rows = list(Signal.objects.filter(fingerprint=key))
        fired = sum(firing for name, _, firing in together if name == key)
        assert sum(row.status == "firing" for row in rows) <= 1
        assert sum(row.count for row in rows) <= fired
        told = sum(row.count + (row.status == "resolved") + (row.echo_count or 0) for row in rows)
        assert told == sum(name == key for name, _, _ in together), "each is counted, ended something, or is noted"
        assert all(row.resolved_at for row in rows if row.status == "resolved")
        ended = [row.episode for row in rows if row.status == "resolved" and row.episode]
        assert len(ended) == len(set(ended)), "an episode ends once"
        if not any(name == key and not firing for name, _, firing in together):
            assert sum(row.count for row in rows) == fired, "without an end every firing event counts"


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(together=st.lists(moves, min_size=1, max_size=12), cut=st.integers(0, 12))
def test_how_deliveries_fall_into_batches_changes_nothing(sender, together, cut):
    def told(groups):
        Signal.objects.all().delete()
        for group in groups:
            record([heard(sender, fires(k, e) if firing else ends(k, e)) for k, e, firing in group])
        rows = Signal.objects.order_by("fingerprint", "first_at", "pk")
        return [
            (row.fingerprint, row.status, row.episode, row.count, row.past_episodes, row.echo_count, row.echo_reason)
            for row in rows
        ]

    assert told([together]) == told([together[:cut], together[cut:]]) == told([[move] for move in together])
