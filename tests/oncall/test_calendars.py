"""iCalendar in and out, through the daylight-saving week."""

from datetime import timedelta

import icalendar
import pytest

from andon.kit.errors import Forbidden, Invalid, Missing
from andon.oncall import actions, calendars, queries
from andon.oncall.calendars import NotMatched
from andon.oncall.models import CalendarShift, Layer
from andon.people.models import Person
from andon.people.policy import Actor
from tests.oncall.support import make_schedule, utc, wall

pytestmark = pytest.mark.django_db

BERLIN = """BEGIN:VTIMEZONE
TZID:W. Europe Standard Time
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE"""


def ics(*events, before=""):
    body = "\n".join(f"BEGIN:VEVENT\n{event.strip()}\nEND:VEVENT" for event in events)
    text = f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//EN\n{before}\n{body}\nEND:VCALENDAR\n"
    return "\r\n".join(line for line in text.splitlines() if line) + "\r\n"


WEEKLY = """UID:lena-weeks
SUMMARY:Primary
ATTENDEE;CN=Lena:mailto:Lena@Example.org
DTSTART;TZID=Europe/Berlin:20260302T090000
DTEND;TZID=Europe/Berlin:20260309T090000
RRULE:FREQ=WEEKLY;INTERVAL=2"""
OTHER_WEEKS = """UID:tomas-weeks
SUMMARY:On call: Tomas (primary)
DTSTART;TZID=W. Europe Standard Time:20260309T090000
DTEND;TZID=W. Europe Standard Time:20260316T090000
RRULE:FREQ=WEEKLY;INTERVAL=2"""


def importing(cast, schedule, text, by=None, **more):
    return calendars.import_calendar(by=Actor.of(by or cast.omar), schedule=schedule, text=text, **more)


def test_weeks_that_repeat_hand_over_at_nine_all_year(time, cast):
    schedule = make_schedule("credit")
    layer, found = importing(cast, schedule, ics(WEEKLY, OTHER_WEEKS, before=BERLIN), position=1)
    assert found.unmatched == []
    first = layer.shifts.first()
    assert (first.person, first.starts_local, first.ends_local) == (
        cast.lena,
        wall("2026-03-02 09:00"),
        wall("2026-03-09 09:00"),
    )
    assert {shift.time_zone for shift in CalendarShift.objects.all()} == {"Europe/Berlin"}
    # Clocks go forward on Sunday 29 March: the hand-over on Monday is an hour earlier by UTC.
    held = queries.who_is_on_call(schedule, utc(2026, 3, 28, 12))
    assert (held.person, held.starts, held.ends) == (
        cast.tomas,
        utc(2026, 3, 23, 8),
        utc(2026, 3, 30, 7),
    )
    # And in October back again; the year ahead has no gap.
    assert queries.who_is_on_call(schedule, utc(2026, 10, 26, 7, 59)).ends == utc(2026, 10, 26, 8)
    assert queries.gaps_between(schedule, utc(2026, 3, 2, 8), utc(2027, 3, 2)) == []


def test_importing_again_takes_the_place_from_now_on(time, cast):
    schedule = make_schedule("credit")
    importing(cast, schedule, ics(WEEKLY, OTHER_WEEKS, before=BERLIN), position=1)
    time.set(utc(2026, 3, 11, 12))
    assert queries.who_is_on_call(schedule, time.now()).person == cast.tomas
    importing(cast, schedule, ics(WEEKLY.replace("RRULE:FREQ=WEEKLY;INTERVAL=2", "RRULE:FREQ=WEEKLY")), position=1)
    assert queries.who_is_on_call(schedule, time.now()).person == cast.lena
    assert queries.who_is_on_call(schedule, utc(2026, 3, 10)).person == cast.tomas
    assert Layer.objects.filter(schedule=schedule, effective_until=None).count() == 1


def test_events_that_mean_nobody_are_named_and_hold_the_import_back(time, cast):
    schedule = make_schedule("credit")
    stranger = """UID:x
SUMMARY:Secondary
ATTENDEE:mailto:kim@example.com
DTSTART:20260303T080000Z
DTEND:20260303T160000Z"""
    team = """UID:y
SUMMARY:Lena or Tomas
DTSTART:20260304T080000Z
DTEND:20260304T160000Z"""
    with pytest.raises(NotMatched) as refused:
        importing(cast, schedule, ics(WEEKLY, stranger, team))
    assert [(one.summary, one.starts, one.why) for one in refused.value.unmatched] == [
        ("Secondary", "2026-03-03", "nobody here has the address kim@example.com"),
        ("Lena or Tomas", "2026-03-04", "it could mean Lena or Tomas"),
    ]
    assert "'Secondary' on 2026-03-03" in refused.value.what
    assert CalendarShift.objects.count() == 0

    layer, found = importing(cast, schedule, ics(WEEKLY, stranger, team), leave_out=True)
    assert len(found.unmatched) == 2
    assert {shift.person for shift in layer.shifts.all()} == {cast.lena}


def test_whole_days_floating_times_and_cancelled_events(time, cast):
    schedule = make_schedule("credit", zone="America/New_York")
    importing(
        cast,
        schedule,
        ics(
            "UID:day\nSUMMARY:tomas\nDTSTART;VALUE=DATE:20260307\nDTEND;VALUE=DATE:20260309",
            "UID:float\nSUMMARY:sam@example.org\nDTSTART:20260310T090000\nDURATION:PT8H",
            "UID:gone\nSUMMARY:Lena\nSTATUS:CANCELLED\nDTSTART:20260311T090000\nDURATION:PT8H",
        ),
    )
    # New York's clocks go forward on 8 March, so these two days have 47 hours.
    days, floating = queries.shifts_between(schedule, utc(2026, 3, 5), utc(2026, 3, 20))
    assert (days.person, days.starts, days.ends) == (cast.tomas, utc(2026, 3, 7, 5), utc(2026, 3, 9, 4))
    assert (floating.person, floating.starts) == (cast.sam, utc(2026, 3, 10, 13))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no iCalendar"),
        ("Dear all, I am on call", "no iCalendar"),
        ("BEGIN:VEVENT\r\nEND:VEVENT\r\n", "begins with BEGIN:VCALENDAR"),
        (b"\xff\xfe\x00", "no iCalendar"),
        (ics("UID:x\nSUMMARY:Lena"), "'Lena' cannot be read: it has no start"),
        (ics("UID:x\nSUMMARY:Lena\nDTSTART:yesterday"), "'Lena' cannot be read"),
        (ics("UID:x\nSUMMARY:Lena\nDTSTART;TZID=Moon/Base:20260303T080000\nDURATION:PT8H"), "Moon/Base"),
        (ics("UID:x\nSUMMARY:Lena\nDTSTART:20260303T080000Z\nRRULE:FREQ=SECONDLY"), "by the hour or faster"),
        (ics("UID:x\nSUMMARY:Lena\nDTSTART:20200303T080000Z\nDURATION:PT8H"), "no shift from now on"),
        (ics("UID:x\nSUMMARY:Lena\nDTSTART:20260303T080000Z\nRRULE:FREQ=DAILY;BYMINUTE=1,2,3"), "by the hour"),
        (ics("UID:x", before="BEGIN:VTIMEZONE\nTZID:Odd\nRRULE:FREQ=DAILY\nEND:VTIMEZONE"), "no zone does"),
        ("x" * 1_100_000, "larger than 1 MB"),
    ],
)
def test_a_file_that_cannot_be_taken_is_refused_in_words(time, cast, text, says):
    schedule = make_schedule("credit", cast.lena)
    with pytest.raises(Invalid, match=says) as refused:
        importing(cast, schedule, text)
    assert refused.value.field == "calendar"


def test_too_many_shifts(time, cast):
    many = [f"UID:{n}\nSUMMARY:Lena\nDTSTART:2026030{n}T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY" for n in range(1, 10)]
    with pytest.raises(Invalid, match="more than 3000"):
        importing(cast, make_schedule("credit"), ics(*many))


def events(data):
    return list(icalendar.Calendar.from_ical(data.decode()).walk("VEVENT"))


def test_a_person_subscribes_to_their_shifts(time, cast):
    make_schedule("primary", cast.lena, cast.tomas, cadence="weekly")
    make_schedule("nights", cast.sam)
    token = actions.new_feed(by=Actor.of(cast.lena))
    found = events(calendars.feed(token))
    assert {str(event["SUMMARY"]) for event in found} == {"On call: Primary"}
    # Lena has the weeks from 2 and 16 and 30 March; the last begins in summer time.
    starts = [event.start for event in found]
    assert starts[:3] == [utc(2026, 3, 2, 8), utc(2026, 3, 16, 8), utc(2026, 3, 30, 7)]
    assert found[1].end == utc(2026, 3, 23, 8)
    assert not any("Tomas" in str(event) for event in found)

    time.forward(timedelta(days=1))
    again = events(calendars.feed(token))
    assert [str(event["UID"]) for event in again][:3] == [str(event["UID"]) for event in found][:3]
    assert len({str(event["UID"]) for event in again}) == len(again)


def test_what_goes_out_comes_in_again_through_the_daylight_saving_week(time, cast):
    make_schedule("primary", cast.lena, cast.tomas)
    copy = make_schedule("copy")
    for person in (cast.lena, cast.tomas):
        data = calendars.feed(actions.new_feed(by=Actor.of(person))).decode()
        # The feed says whose it is in the calendar's name alone; an importer names the person in each event.
        importing(cast, copy, data.replace("SUMMARY:On call: Primary", f"SUMMARY:{person.name}"))
    start, end = utc(2026, 3, 23, 8), utc(2026, 3, 31, 7)
    whole = queries.shifts_between(queries.schedules().get(slug="primary"), start, end)
    back = queries.shifts_between(copy, start, end)
    assert [(s.person, s.starts, s.ends) for s in back] == [(s.person, s.starts, s.ends) for s in whole]
    assert {s.ends - s.starts for s in whole} == {timedelta(hours=24), timedelta(hours=23)}


def test_the_feed_is_public_by_its_secret_alone(time, cast, client):
    make_schedule("primary", cast.lena)
    token = actions.new_feed(by=Actor.of(cast.lena))
    answer = client.get(f"/ical/{token}.ics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/calendar")
    assert answer["Cache-Control"] == "private, max-age=900"
    assert len(events(answer.content)) == 1

    later = actions.new_feed(by=Actor.of(Person.objects.get(pk=cast.lena.pk)))
    assert client.get(f"/ical/{token}.ics").status_code == 404
    assert client.get(f"/ical/{later}.ics").status_code == 200
    Person.objects.filter(pk=cast.lena.pk).update(is_active=False)
    assert client.get(f"/ical/{later}.ics").status_code == 404
    assert client.get("/ical/guess.ics").status_code == 404


def test_a_feed_is_for_who_can_be_on_call_and_stops(time, cast):
    with pytest.raises(Forbidden):
        actions.new_feed(by=Actor.of(cast.vera))
    token = actions.new_feed(by=Actor.of(cast.lena))
    actions.stop_feed(by=Actor.of(cast.lena))
    with pytest.raises(Missing):
        calendars.feed(token)


def test_an_empty_digest_is_nobodys_feed(time, cast, client):
    assert client.get("/ical/.ics").status_code in {302, 404}
    with pytest.raises(Missing):
        calendars.feed("")


def test_importing_takes_a_lead(time, cast):
    with pytest.raises(Forbidden):
        importing(cast, make_schedule("credit"), ics(WEEKLY), by=cast.lena)
