"""The pages of on call: what a person sees and does there, and who may."""

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from andon.oncall.models import Chain, Layer, Override, Schedule
from andon.oncall.picture import weeks, window
from andon.oncall.queries import gaps_between, shifts_between, who_is_on_call
from tests.oncall.support import make_schedule, utc, wall
from tests.oncall.test_calendars import WEEKLY, ics

pytestmark = pytest.mark.django_db

LADDER = ["rui", "vera", "lena", "omar", "nadia"]


def text(answer):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_who_is_on_call_stands_on_the_list_and_the_schedule(time, cast, signed_in):
    make_schedule("primary", cast.lena, cast.tomas, cadence="weekly")
    time.set(utc(2026, 3, 4, 12))
    browser = signed_in(cast.lena)
    assert "Lena 9 Mar 09:00 CET Tomas none" in text(browser.get("/schedules"))
    page = browser.get("/schedules/primary")
    assert "Lena is on call until 9 Mar 09:00 CET (by layer 1)" in text(page)
    assert "then Tomas from 9 Mar 09:00 CET" in text(page)
    # The table says the same times in UTC beside the viewer's own.
    assert "9 Mar 08:00" in text(page)
    assert "weekly turns, hand-over Monday 09:00, Europe/Berlin" in text(page)
    assert page.content.decode().count('class="mine"') == 5, "two turns of one's own, each over a Monday, and the key"


def test_a_gap_is_shown_in_words_and_in_the_picture(time, cast, signed_in):
    make_schedule("office", cast.lena, weekdays=[0, 1, 2, 3, 4])
    page = signed_in(cast.omar).get("/schedules/office")
    assert "Nobody from 7 Mar 00:00 CET to 9 Mar 00:00 CET" in text(page)
    assert 'class="gap"' in page.content.decode()


def test_the_picture_is_to_scale_over_the_change_of_clocks(time, cast):
    schedule = make_schedule("primary", cast.lena, cast.tomas)
    now = utc(2026, 3, 25, 12)
    start, end = window(now, "Europe/Berlin")
    assert (start, end) == (utc(2026, 3, 22, 23), utc(2026, 4, 19, 22))
    rows = weeks(
        shifts_between(schedule, start, end), gaps_between(schedule, start, end), now, "Europe/Berlin", cast.lena
    )
    assert [len(week.days) for week in rows] == [7, 7, 7, 7]
    short = rows[0].days[-1]
    assert (short.label, short.width) == ("Sun 29", round(100 * 23 / 167, 3))
    for week in rows:
        assert sum(bar.width for bar in week.bars) == pytest.approx(100, abs=0.01)
    assert [week.now_x is not None for week in rows] == [True, False, False, False]
    assert {bar.look for bar in rows[1].bars} == {"mine", "tone-0"} or {bar.look for bar in rows[1].bars} == {
        "mine",
        "tone-1",
    }


def test_a_lead_makes_a_schedule_puts_people_in_and_changes_them(time, cast, signed_in):
    browser = signed_in(cast.omar)
    made = browser.post("/schedules/new", {"name": "Credit", "time_zone": "Europe/Berlin", "team": ""})
    assert made["Location"] == "/schedules/credit/layers/new"
    form = {
        "name": "primary",
        "time_zone": "Europe/Berlin",
        "start_date": "2026-02-23",
        "handover": "09:00",
        "every": "1",
        "cadence": "weekly",
        "turn_1": str(cast.lena.pk),
        "turn_2": "",
        "turn_3": str(cast.tomas.pk),
    }
    assert browser.post("/schedules/credit/layers/new", form).status_code == 302
    schedule = Schedule.objects.get(slug="credit")
    layer = Layer.objects.get()
    assert [turn.person for turn in layer.participants.all()] == [cast.lena, cast.tomas]

    shown = browser.get("/schedules/credit/layers/1").content.decode()
    assert f'name="replaces" value="{layer.pk}"' in shown
    again = browser.post("/schedules/credit/layers/1", form | {"turn_1": str(cast.sam.pk), "replaces": str(layer.pk)})
    assert again.status_code == 302
    assert who_is_on_call(schedule, time.now()).person == cast.sam
    stale = browser.post("/schedules/credit/layers/1", form | {"replaces": str(layer.pk)})
    assert stale.status_code == 422
    assert "Somebody changed this layer meanwhile" in text(stale)
    nobody = browser.post("/schedules/credit/layers/new", form | {"turn_1": "", "turn_3": ""})
    assert "Name at least one person" in text(nobody)

    assert browser.post("/schedules/credit/layers/1/remove").status_code == 302
    assert browser.post("/schedules/credit/change", {"name": "Credit risk", "time_zone": "UTC"}).status_code == 302
    assert "Credit risk" in text(browser.get("/schedules/credit"))
    assert browser.post("/schedules/credit/archive")["Location"] == "/schedules"
    assert "Archived" in text(browser.get("/schedules/credit"))


def test_a_responder_takes_over_and_gives_back(time, cast, signed_in):
    schedule = make_schedule("primary", cast.lena)
    browser = signed_in(cast.tomas)
    page = browser.get("/schedules/primary/take-over").content.decode()
    assert "Lena" not in page, "a responder chooses nobody but themselves"
    given = {
        "person": str(cast.tomas.pk),
        "starts_local": "2026-03-04T20:00",
        "ends_local": "2026-03-05T06:00",
        "time_zone": "Europe/Berlin",
    }
    assert browser.post("/schedules/primary/take-over", given).status_code == 302
    row = Override.objects.get()
    assert (row.starts_local, row.made_by) == (wall("2026-03-04 20:00"), cast.tomas)
    assert who_is_on_call(schedule, utc(2026, 3, 4, 23)).person == cast.tomas
    assert "Wed 4 Mar 20:00 to Thu 5 Mar 06:00, Europe/Berlin" in text(browser.get("/schedules/primary"))
    assert signed_in(cast.sam).post(f"/schedules/primary/overrides/{row.pk}/cancel").status_code == 403
    assert browser.post(f"/schedules/primary/overrides/{row.pk}/cancel").status_code == 302
    assert who_is_on_call(schedule, utc(2026, 3, 4, 23)).person == cast.lena

    wrong = browser.post("/schedules/primary/take-over", given | {"ends_local": "2026-03-04T10:00"})
    assert wrong.status_code == 422
    assert "The end must be after the start" in text(wrong)
    assert browser.post("/schedules/primary/take-over", given | {"starts_local": "soon"}).status_code == 422
    other = browser.post("/schedules/primary/take-over", given | {"person": str(cast.sam.pk)})
    assert other.status_code == 422


def test_a_calendar_is_imported_from_a_file_and_names_what_it_cannot_match(time, cast, signed_in):
    make_schedule("primary")
    browser = signed_in(cast.omar)
    stranger = "UID:x\nSUMMARY:Kim\nDTSTART:20260303T080000Z\nDURATION:PT8H"
    refused = browser.post("/schedules/primary/import", {"calendar": ics(WEEKLY, stranger)})
    assert refused.status_code == 422
    assert "Kim 2026-03-03 no attendee, and no name or address of anybody here" in text(refused)
    assert not Layer.objects.filter(kind="calendar").exists()

    upload = SimpleUploadedFile("oncall.ics", ics(WEEKLY, stranger).encode(), content_type="text/calendar")
    done = browser.post("/schedules/primary/import", {"file": upload, "position": "1", "leave_out": "on"})
    assert done.status_code == 302
    assert "1 kinds of event were left out" in text(browser.get("/schedules/primary"))
    assert Layer.objects.get(kind="calendar").position == 1
    assert "Choose a file" in text(browser.post("/schedules/primary/import", {}))


def test_a_lead_makes_a_chain_and_changes_it(time, cast, signed_in):
    schedule = make_schedule("primary", cast.lena)
    browser = signed_in(cast.omar)
    form = {
        "name": "Night",
        "repeats": "1",
        "step_1": [f"schedule:{schedule.pk}"],
        "wait_1": "3",
        "step_2": [f"person:{cast.omar.pk}", f"team:{cast.credit_team.pk}"],
        "wait_2": "10",
        "step_3": [],
        "wait_3": "5",
    }
    assert browser.post("/chains/new", form)["Location"] == "/chains/night"
    time.set(utc(2026, 3, 4, 12))
    page = text(browser.get("/chains/night"))
    assert "1. whoever is on call for Primary after 0 min Now: Lena. Waits 3 min" in page
    assert "everybody in Credit models" in page
    assert "after 3 min" in page
    shown = browser.get("/chains/night/change").content.decode()
    assert f'value="schedule:{schedule.pk}" selected' in shown
    assert browser.post("/chains/night/change", form | {"name": "Nights", "step_2": []}).status_code == 302
    assert Chain.objects.get(slug="night").steps.count() == 1
    empty = browser.post("/chains/night/change", form | {"step_1": [], "step_2": []})
    assert empty.status_code == 422
    assert browser.post("/chains/night/fallback").status_code == 302
    assert "Nights Fallback" in text(browser.get("/chains"))
    assert "is the organisation" in text(browser.post("/chains/night/archive", follow=True))


def test_the_address_of_a_feed_is_shown_once(time, cast, signed_in):
    browser = signed_in(cast.lena)
    assert "Make an address" in text(browser.get("/schedules"))
    made = browser.post("/oncall/feed")
    [token] = re.findall(r"http://testserver/ical/(cal_[\w-]+)\.ics", made.content.decode())
    assert made["Cache-Control"] == "no-store"
    assert Client().get(f"/ical/{token}.ics").status_code == 200
    assert "Make a new address" in text(browser.get("/schedules"))
    assert browser.post("/oncall/feed/stop").status_code == 302
    assert Client().get(f"/ical/{token}.ics").status_code == 404


# method, path, least role
PAGES = [
    ("get", "/schedules", "vera"),
    ("get", "/schedules/primary", "vera"),
    ("get", "/chains", "vera"),
    ("get", "/chains/credit", "vera"),
    ("get", "/schedules/primary/take-over", "lena"),
    ("post", "/schedules/primary/take-over", "lena"),
    ("post", "/oncall/feed", "lena"),
    ("get", "/schedules/new", "omar"),
    ("post", "/schedules/new", "omar"),
    ("get", "/schedules/primary/change", "omar"),
    ("post", "/schedules/primary/change", "omar"),
    ("get", "/schedules/primary/layers/new", "omar"),
    ("post", "/schedules/primary/layers/new", "omar"),
    ("get", "/schedules/primary/layers/1", "omar"),
    ("post", "/schedules/primary/layers/1", "omar"),
    ("get", "/schedules/primary/import", "omar"),
    ("post", "/schedules/primary/import", "omar"),
    ("get", "/chains/new", "omar"),
    ("post", "/chains/new", "omar"),
    ("get", "/chains/credit/change", "omar"),
    ("post", "/chains/credit/change", "omar"),
    ("post", "/chains/credit/fallback", "omar"),
    ("post", "/chains/credit/archive", "omar"),
    ("post", "/schedules/primary/archive", "omar"),
]


@pytest.mark.parametrize(("method", "path", "least"), PAGES)
def test_who_may_open_what(time, cast, signed_in, method, path, least):
    make_schedule("primary", cast.lena)
    stranger = getattr(Client(), method)(path)
    assert stranger.status_code == 302
    assert stranger["Location"].startswith("/account/login/")
    for name in LADDER:
        status = getattr(signed_in(getattr(cast, name)), method)(path).status_code
        if LADDER.index(name) < LADDER.index(least):
            assert status == 403, name
        else:
            assert status in {200, 302, 422}, (name, status)


def test_removing_a_layer_takes_a_lead(time, cast, signed_in):
    schedule = make_schedule("primary", cast.lena)
    for name in ("rui", "vera", "lena"):
        assert signed_in(getattr(cast, name)).post("/schedules/primary/layers/1/remove").status_code == 403
    assert who_is_on_call(schedule, utc(2026, 3, 4, 12)).person == cast.lena


def test_what_is_not_there_is_said(time, cast, signed_in):
    browser = signed_in(cast.omar)
    for path in ("/schedules/none", "/chains/none", "/schedules/none/take-over"):
        assert browser.get(path).status_code == 404
    make_schedule("primary", cast.lena)
    assert browser.get("/schedules/primary/layers/7").status_code == 404


def test_the_lists_take_the_same_queries_for_many(time, cast, signed_in, django_assert_max_num_queries):
    browser = signed_in(cast.omar)
    make_schedule("primary", cast.lena, cast.tomas)
    with django_assert_max_num_queries(30) as few:
        browser.get("/schedules")
    for number in range(20):
        make_schedule(f"s{number:02}", cast.lena, cast.tomas)
        Chain.objects.create(slug=f"c{number:02}", name=f"C{number:02}")
    with django_assert_max_num_queries(len(few)):
        browser.get("/schedules")
    with django_assert_max_num_queries(20):
        browser.get("/chains")
