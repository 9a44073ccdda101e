"""Windows by the arrival of labels: nothing is waited for, and an onset is by when decisions were made."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from andon.incidents.models import Incident
from andon.kit.errors import Conflict, Invalid
from andon.people.policy import Actor
from andon.practice.words import Direction, FairnessMetric, Measure
from andon.response.routing import route_due
from andon.watch import actions, arriving, past, wording
from andon.watch.facts import LogFacts, WatchFacts, waits_for_what_is_dated
from andon.watch.models import Alarm, WindowState
from andon.watch.questions import Question, Window
from andon.watch.suggestions import suggest
from tests.watch.conftest import MONDAY

DAY = timedelta(days=1)
CHANGED = 46
NAMES = {"output_column": "approved", "label_column": "repaid", "label_time_column": "known_at"}


def rows_of(days, a_day, wrong, *, never=0.05, slowest=14, seed=7):
    """Decisions of which `wrong(day, group)` turn out wrong, with labels that come late, out of order, or never."""
    random_ = random.Random(seed)
    found = []
    for day in range(days):
        for n in range(a_day):
            group = ("north", "south")[n % 2]
            positive = n % 4 < 2
            takes = slowest * random_.random() ** 2
            found.append(
                {
                    "at": MONDAY + day * DAY + n * DAY / a_day,
                    "approved": int(positive),
                    "repaid": int(positive ^ (random_.random() < wrong(day, group))),
                    "known_at": None if random_.random() < never else MONDAY + (day + n / a_day + takes) * DAY,
                    "region": group,
                }
            )
    return found


def known_by(rows, now):
    """The rows as they stand at a moment: labels that have not come are not in them."""
    return [
        {
            **row,
            "at": row["at"].isoformat(),
            "repaid": row["repaid"] if come else None,
            "known_at": row["known_at"].isoformat() if come else None,
        }
        for row in rows
        if row["at"] < now and [come := row["known_at"] is not None and row["known_at"] < now]
    ]


@pytest.fixture
def on_day(written, time):
    """Moves the clock to a day of the story, with what was known by then: `on_day(rows, 70)`."""

    def move(rows, day):
        now = MONDAY + day * DAY
        written(known_by(rows, now))
        time.set(now + timedelta(hours=3))

    return move


def a_question(**more):
    said = {"budget": 1000, "tolerance": 0.0, "minimum": 10, "length": DAY, "by_arrival": True}
    return Question(measure=Measure.RATE, direction=Direction.UP, **said | more)


# --- Pure -----------------------------------------------------------------------------------------------------------

rows = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40), st.booleans(), st.sampled_from(["", '["a"]'])))


@given(rows)
def test_rows_are_the_same_by_when_their_decisions_were_made(found):
    """Whatever order labels come in, each row is in the window of its decision, and none is lost or made up."""
    windows = []
    for start in range(31):
        made = {}
        for came, age, event, key in found:
            if came == start:
                ages = made.setdefault(key, {})
                before = ages.get(age, [0.0] * 4)
                ages[age] = [before[0] + 1, before[1] + event, before[2] + event, 0.0]
        windows.append(
            Window(MONDAY + start * DAY, 0, 0, 0, made={key: arriving.kept(ages) for key, ages in made.items()})
        )
    since = MONDAY - 40 * DAY
    by_decision = {window.start: window for window in arriving.decided(a_question(), windows, since)}
    assert list(by_decision) == [since + n * DAY for n in range(71)]
    for start, window in by_decision.items():
        mine = [row for row in found if MONDAY + (row[0] - row[1]) * DAY == start]
        whole = [row for row in mine if not row[3]]
        assert (window.n, window.total) == (len(whole), sum(row[2] for row in whole))
        assert sum(counts[0][0] for counts in window.segments.values()) == len(mine) - len(whole)
    cut = arriving.decided(a_question(), windows)  # decisions before the first window are left out, no other
    assert cut == [window for start, window in by_decision.items() if start >= MONDAY]


@given(
    st.lists(
        st.tuples(st.integers(0, 20), st.integers(1, 500), st.floats(0.01, 1)), min_size=1, unique_by=lambda row: row[0]
    ),
    st.integers(1, 300),
    st.sampled_from([Measure.RATE, Measure.MEAN]),
)
def test_where_labels_of_each_age_are_as_in_the_reference_nothing_stands_out(ages, age_n, measure):
    """Whatever is known sooner: once little is known of no age, windows with any mix of ages show the mean of all."""
    many = 1e9  # so that what is taken for normal is what the reference says
    reference = [[float(age), n * many, n * many * share] for age, n, share in ages]
    mean = sum(row[2] for row in reference) / sum(row[1] for row in reference)
    question = replace(a_question(), measure=measure, low=0.0, high=1.0)
    for age, _, share in ages:
        made = {"": [[age, float(age_n), age_n * share, age_n * share, 0.0]]}
        (one,) = arriving.decided(
            question, arriving.beside(question, [Window(MONDAY + age * DAY, 0, 0, 0, made=made)], reference), MONDAY
        )[:1]
        if mean and (one.n or measure is Measure.MEAN):
            assert one.total / one.n == pytest.approx(mean, rel=1e-4, abs=1e-4)


@given(st.lists(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9), st.integers(0, 9)), max_size=5), max_size=6))
def test_what_is_normal_at_each_age_adds_up(windows):
    ages = None
    for rows in windows:
        made = {"": [[age, float(n), float(total), 0.0, 0.0] for age, n, total in rows]}
        ages = arriving.learn(ages, Window(MONDAY, 0, 0, 0, made=made))
    told = [row for rows in windows for row in rows]
    assert sum(row[1] for row in ages or ()) == sum(row[1] for row in told)
    assert sum(row[2] for row in ages or ()) == sum(row[2] for row in told)
    assert [row[0] for row in ages or ()] == sorted({row[0] for row in told})


@pytest.mark.django_db
def test_what_is_known_sooner_does_not_draw_the_onset_to_the_end(connected, watched, on_day):
    """Wrong decisions are found out within days and right ones within weeks: new decisions look worse than they are."""
    told = rows_of(75, 200, lambda day, _group: 0.05 if day < CHANGED else 0.12)
    for row in told:
        if row["known_at"] is not None and row["approved"] != row["repaid"]:
            row["known_at"] = row["at"] + (row["known_at"] - row["at"]) / 4
    on_day(told, 66)
    alarm = actions.run_watch(watched(connected(**NAMES), "accuracy", label_delay_minutes=14 * 24 * 60)).alarms.get()
    assert alarm.onset_low <= MONDAY + CHANGED * DAY <= alarm.onset_high
    assert abs(alarm.onset_at - (MONDAY + CHANGED * DAY)) <= 3 * DAY


@given(st.integers(0, 400), st.integers(0, 5000), st.none() | st.integers(-200, 200))
def test_an_onset_is_looked_for_from_where_labels_were_still_to_come(days, minutes, recovered):
    question = a_question(label_delay=timedelta(minutes=minutes))
    since = MONDAY + days * DAY
    over = None if recovered is None else since + recovered * DAY
    first = arriving.begins(question, since, over)
    assert first <= since
    assert since - first < timedelta(minutes=minutes) + DAY
    assert over is None or first >= min(over, since) or first == since - -(-question.label_delay // DAY) * DAY
    if over is not None:
        assert first >= min(since, over)


# --- Stories --------------------------------------------------------------------------------------------------------


@pytest.fixture
def worse():
    """Wrong decisions rise from 5% to 15% on a day."""
    return rows_of(70, 120, lambda day, _group: 0.05 if day < CHANGED else 0.15)


@pytest.mark.django_db
def test_labels_alarm_as_they_come_and_the_onset_is_by_decisions(worse, connected, watched, on_day, cast):
    on_day(worse, CHANGED)
    log = connected(**NAMES)
    waits = actions.run_watch(
        watched(log, "accuracy", name="Waits", by_arrival=False, label_delay_minutes=14 * 24 * 60)
    )
    watch = actions.run_watch(watched(log, "accuracy", name="As they come", label_delay_minutes=14 * 24 * 60))
    assert watch.by_arrival
    assert watch.began_at == MONDAY + 14 * DAY  # labels of its first decisions have had their time
    assert watch.read_until == MONDAY + CHANGED * DAY
    assert not Alarm.objects.exists()
    first = {}
    for day in range(CHANGED + 1, CHANGED + 25, 4):
        on_day(worse, day)
        for one in (watch, waits):
            actions.run_watch(one)
            if one.alarms.exists():
                first.setdefault(one.name, day)
        if len(first) == 2:
            break
    assert first["As they come"] + 7 <= first["Waits"]
    alarm = watch.alarms.get()
    assert alarm.onset_low <= MONDAY + CHANGED * DAY <= alarm.onset_high
    assert abs(alarm.onset_at - (MONDAY + CHANGED * DAY)) <= 3 * DAY
    assert alarm.figures["n"] == sum(
        row["known_at"] is not None and row["known_at"] < watch.judged_until and row["at"] >= alarm.onset_at
        for row in worse
    )
    assert alarm.observed == pytest.approx(0.15, abs=0.04)
    assert "by when decisions were made" in wording.onset(alarm)
    assert "made since" in wording.evidence(alarm)
    route_due(watch.ran_at, 10)
    incident = Incident.objects.get(signals=alarm.signal)
    assert incident.onset == alarm.onset_at


@pytest.mark.django_db
def test_what_comes_late_and_again_is_counted_once_in_the_window_of_its_label(connected, watched, on_day):
    some = rows_of(40, 40, lambda _day, _group: 0.1)
    on_day(some, 40)
    watch = watched(connected(**NAMES), "accuracy", label_delay_minutes=7 * 24 * 60, segments=["region"])
    actions.run_watch(watch)
    for day in (41, 42):
        on_day(some, day)
        actions.run_watch(watch)
    states = WindowState.objects.filter(watch=watch, segment="")
    for state in states:
        mine = [
            row
            for row in some
            if row["known_at"] is not None and state.window_start <= row["known_at"] < state.window_start + DAY
        ]
        assert state.n == len(mine)
        ages = sorted((state.window_start - (row["at"] - MONDAY) // DAY * DAY - MONDAY) // DAY for row in mine)
        assert [one[0] for one in state.made or [] for _ in range(int(one[1]))] == ages
    apart = WindowState.objects.filter(watch=watch).exclude(segment="")
    assert sum(state.n for state in apart) == sum(state.n for state in states)


@pytest.mark.django_db
def test_a_gap_of_labels_alarms_as_they_come(connected, watched, on_day, signed_in, cast):
    """Of one region, ever more that should have been approved are not, from a day on."""
    told = rows_of(71, 200, lambda day, group: 0.35 if day >= CHANGED and group == "south" else 0.1)
    on_day(told, 71)
    log = connected(**NAMES)
    watch = watched(
        log, "fairness_gap", metric=FairnessMetric.TPR, segments=["region"], label_delay_minutes=14 * 24 * 60
    )
    assert watch.by_arrival
    watch = actions.run_watch(watch)
    alarm = watch.alarms.get()
    assert alarm.plan["about"]["test"] == "region"
    assert alarm.onset_low <= MONDAY + CHANGED * DAY <= alarm.onset_high
    assert alarm.observed == pytest.approx(0.25, abs=0.08)
    page = signed_in(cast.vera).get(reverse("watch", args=[watch.number])).content.decode()
    assert "by when decisions were made" in page
    assert "counted as they come" in page
    trial = past.try_watch(Actor.of(cast.omar), watch)
    (line,) = trial.lines
    assert abs(line.would.onset.at - (MONDAY + CHANGED * DAY)) <= 4 * DAY
    draft = past.try_draft(Actor.of(cast.omar), _facts(watch))
    assert [one.would.raised for one in draft.lines] == [line.would.raised]
    assert [one.would.onset for one in draft.lines] == [line.would.onset]


def _facts(watch):
    return WatchFacts(
        system=watch.system, log=watch.log, name="A draft", kind=watch.what_kind, metric=FairnessMetric(watch.metric),
        segments=watch.segments, label_delay_minutes=watch.label_delay_minutes,
    )  # fmt: skip


@pytest.mark.django_db
def test_the_drivers_are_by_when_decisions_were_made(connected, watched, on_day):
    told = rows_of(66, 200, lambda day, group: 0.25 if day >= CHANGED and group == "south" else 0.05)
    on_day(told, 66)
    watch = watched(connected(**NAMES), "accuracy", segments=["region"], label_delay_minutes=14 * 24 * 60)
    alarm = actions.run_watch(watch).alarms.get()
    (driver,) = alarm.drivers[:1]
    assert driver["segment"] == {"region": "south"}
    mine = [
        row
        for row in told
        if row["region"] == "south" and row["known_at"] is not None and row["known_at"] < watch.judged_until
    ]
    assert driver["n"] == sum(row["at"] >= alarm.onset_at for row in mine)
    assert isinstance(driver["n"], int)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "more", "by_arrival"),
    [
        ("accuracy", {}, True),
        ("calibration", {"what": "repaid - approved"}, True),
        ("accuracy", {"by_arrival": False}, False),
        ("accuracy", {"weekly": True}, False),
        ("error_rate", {"what": "approved"}, False),
        ("fairness_gap", {"metric": FairnessMetric.FPR, "segments": ["region"]}, True),
        ("fairness_gap", {"metric": FairnessMetric.PPV, "segments": ["region"]}, True),
        ("fairness_gap", {"metric": FairnessMetric.SELECTION_RATE, "segments": ["region"]}, False),
        ("metric", {"what": "repaid", "by_arrival": True}, True),
    ],
)
def test_it_goes_by_arrival_where_labels_are_needed(kind, more, by_arrival, connected, watched, on_day):
    on_day(rows_of(2, 10, lambda _day, _group: 0.1), 2)
    watch = watched(connected(**NAMES), kind, **more)
    assert watch.by_arrival is by_arrival
    assert bool(watch.waits) is (not by_arrival and watch.label_delay_minutes > 0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "more", "names", "says"),
    [
        ("accuracy", {}, {"label_time_column": ""}, "names no column for it"),
        ("accuracy", {"weekly": True}, {}, "Choose one of the two"),
        ("volume", {}, {}, "Only what needs labels"),
        ("fairness_gap", {"segments": ["region"]}, {}, "Only what needs labels"),
    ],
)
def test_it_is_refused_where_it_makes_no_sense(kind, more, names, says, connected, watched, on_day):
    on_day(rows_of(2, 10, lambda _day, _group: 0.1), 2)
    log = connected(**NAMES | names)
    with pytest.raises(Invalid, match=says) as refused:
        watched(log, kind, by_arrival=True, **more)
    assert refused.value.field == "by_arrival"


@pytest.mark.django_db
def test_labels_that_stop_are_told_and_a_proposed_watch_alarms_on_them(connected, on_day, time, cast):
    """No label comes from a day on. By arrival nothing is there to test, so something else has to say it."""
    told = rows_of(75, 60, lambda _day, _group: 0.05, slowest=5)
    for row in told:
        if row["known_at"] is not None and row["known_at"] > MONDAY + 55 * DAY:
            row["known_at"] = None
    on_day(told, 50)
    log = connected(**NAMES)
    offers = {one.key: one for one in suggest(log, by=Actor.of(cast.omar), measured=False).offers}
    wrong = actions.create_watch(offers["wrong"].facts, by=Actor.of(cast.omar))
    missing = actions.create_watch(offers["labels-missing"].facts, by=Actor.of(cast.omar))
    assert (missing.what, missing.by_arrival, missing.waits) == ('"repaid" IS NULL', False, 5 * DAY)
    assert missing.tolerance == pytest.approx(
        0.05
    )  # so many labels may still come: a reference is older when it is read
    actions.run_watch(wrong)
    actions.run_watch(missing)
    on_day(told, 75)
    wrong = actions.run_watch(wrong)
    (note,) = wrong.notes
    assert note.startswith("No label came to the log “decisions.csv” in the windows from 2026-04-14")
    assert not wrong.alarms.exists()  # no verdict is invented
    found = actions.run_watch(missing).alarms.all()
    assert found.get(recovered_at=None).direction == "up"


@pytest.mark.django_db
def test_a_log_does_not_forget_when_labels_came_while_watches_go_by_it(connected, watched, on_day, cast):
    on_day(rows_of(2, 10, lambda _day, _group: 0.1), 2)
    log = connected(**NAMES)
    watch = watched(log, "accuracy")
    facts = LogFacts(system=log.system, name=log.name, table=log.table, time_column="at", label_column="repaid")
    with pytest.raises(Conflict, match=f"{watch.ref} count labels by when they came"):
        actions.change_log(log, facts, by=Actor.of(cast.omar))
    actions.end_watch(watch, by=Actor.of(cast.omar))
    assert not actions.change_log(log, facts, by=Actor.of(cast.omar)).label_time_column


@pytest.mark.django_db
def test_a_watch_that_waits_for_dated_labels_says_so_and_a_button_mends_it(
    worse, connected, watched, on_day, signed_in, cast, client
):
    """As one that was made before labels were counted as they come, or before its log named when they came."""
    on_day(worse, 60)
    log = connected(**NAMES)
    watch = actions.run_watch(watched(log, "accuracy", by_arrival=False, label_delay_minutes=14 * 24 * 60))
    page, press = (reverse(name, args=[watch.number]) for name in ("watch", "watch_as_they_come"))
    assert "though the log says when each came" in signed_in(cast.vera).get(page).text
    assert press not in signed_in(cast.vera).get(page).text
    for who in ("lena", "tomas", "sam", "vera", "rui"):
        assert signed_in(getattr(cast, who)).post(press).status_code == 403, who
    assert client.post(press).status_code == 302
    watch.refresh_from_db()
    assert (watch.by_arrival, watch.version) == (False, 1)
    browser = signed_in(cast.omar)
    assert press in browser.get(page).text
    assert "counts labels as they come, as version 2" in browser.post(press, follow=True).text
    watch.refresh_from_db()
    assert (watch.by_arrival, watch.version, watch.states.count()) == (True, 2, 0)
    watch = actions.run_watch(watch)
    assert watch.began_at == MONDAY + 14 * DAY
    assert watch.alarms.filter(recovered_at=None).exists()
    assert "though the log says when each came" not in browser.get(page).text
    with pytest.raises(Conflict, match="already"):
        actions.count_as_they_come(watch, by=Actor.of(cast.omar))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("kind", "more", "names"),
    [
        ("accuracy", {"by_arrival": True}, NAMES),
        ("accuracy", {"weekly": True}, NAMES),
        ("accuracy", {}, {"output_column": "approved", "label_column": "repaid"}),
        ("error_rate", {"what": "approved"}, NAMES),
        ("fairness_gap", {"metric": FairnessMetric.SELECTION_RATE, "segments": ["region"]}, NAMES),
    ],
)
def test_no_other_watch_is_told_to_count_labels_as_they_come(connected, watched, on_day, cast, kind, more, names):
    on_day(rows_of(2, 5, lambda _day, _group: 0.1), 2)
    watch = watched(connected(**names), kind, **more)
    assert not waits_for_what_is_dated(watch)
    with pytest.raises(Conflict):
        actions.count_as_they_come(watch, by=Actor.of(cast.omar))
