"""check, oncall, verify, settings, version: what they find, say, and end with."""

from datetime import date
from datetime import time as clock_time

import pytest
from django.db import connection

from andon.cli.looking import shown
from andon.incidents.models import TimelineEntry
from andon.oncall.actions import create_schedule, set_rotation
from andon.oncall.chains import change_chain
from andon.oncall.facts import RotationFacts, StepFacts
from andon.people.models import ContactPoint
from andon.people.policy import Actor
from andon.practice.rules import RuleKind
from andon.practice.words import Stage
from andon.response.opening import declare
from andon.rules.actions import create_rule
from andon.rules.facts import RuleFacts
from andon.rules.models import Rule
from tests.support.levers import rehearsed

pytestmark = pytest.mark.django_db


def test_check_says_that_a_system_is_ready(cast, time, andon):
    rehearsed(cast.credit_scorer)
    said = andon("check")
    assert said.code == 0
    assert "ready" in said.out
    assert "credit-scorer" in said.out


def test_check_names_what_fails_and_ends_with_1(cast, time, andon):
    ContactPoint.objects.filter(person=cast.tomas).update(broken_at=time.now())
    said = andon("check")
    assert said.code == 1
    assert "NOT READY" in said.out
    assert "Step 2" in said.out
    assert "Tomas" in said.out


def test_check_as_json_names_code_and_time(cast, time, andon):
    cast.credit_scorer.owner = None
    cast.credit_scorer.save()
    said = andon("check", "--json")
    assert said.code == 1
    assert said.data[0]["system"] == "credit-scorer"
    assert said.data[0]["findings"][0]["code"] == "no_owner"


def test_check_asks_only_production_unless_a_system_is_named(cast, time, andon):
    cast.credit_scorer.stage = Stage.PILOT
    cast.credit_scorer.owner = None
    cast.credit_scorer.save()
    assert andon("check").code == 0
    assert andon("check", "--system", "credit-scorer").code == 1


def test_check_names_a_rule_that_cannot_be_read_any_more(cast, time, andon):
    rehearsed(cast.credit_scorer)
    facts = RuleFacts(RuleKind.MAPPING, "Loud ones", "true", None, "because of a test", None, None, {"severity": 1})
    rule = create_rule(facts, by=Actor.of(cast.omar))
    assert andon("check").code == 0
    Rule.objects.filter(pk=rule.pk).update(expression="signal.title ==")  # as a version with other rules may leave it
    said = andon("check")
    assert said.code == 1
    assert f"{rule.ref} “Loud ones”" in said.err
    assert "does nothing" in said.err
    Rule.objects.filter(pk=rule.pk).update(ended_at=time.now())
    assert andon("check").code == 0


def test_check_of_an_unknown_system_is_refused_in_words(cast, andon):
    said = andon("check", "--system", "no-such")
    assert said.code == 1
    assert "no system 'no-such'" in said.err
    assert "Traceback" not in said.err


def weekdays(cast):
    by = Actor.of(cast.omar)
    schedule = create_schedule(by=by, name="Credit nights", time_zone="Europe/Berlin")
    facts = RotationFacts(
        participants=(cast.lena, cast.tomas),
        time_zone="Europe/Berlin",
        start_date=date(2026, 3, 2),
        handover=clock_time(9),
    )
    set_rotation(by=by, schedule=schedule, facts=facts)
    change_chain(by=by, chain=cast.chain, name="Credit", repeats=1, steps=[StepFacts(5, (schedule,))])
    return schedule


def test_oncall_says_who_is_now_and_next(cast, time, andon):
    weekdays(cast)
    said = andon("oncall", "--schedule", "credit-nights", "--at", "2026-03-03T12:00", "--json")
    assert said.data["schedules"][0]["now"]["person"] == "Lena"
    assert said.data["schedules"][0]["next"]["person"] == "Tomas"
    assert said.data["schedules"][0]["next"]["starts"] == "2026-03-09T08:00:00+00:00"


def test_oncall_for_a_system_says_who_is_paged_first_and_why(cast, time, andon):
    weekdays(cast)
    said = andon("oncall", "--system", "credit-scorer", "--at", "2026-03-03T12:00")
    assert said.code == 0
    assert "Lena" in said.out
    assert "on call for Credit nights" in said.out


def test_oncall_before_anybody_was_says_nobody(cast, time, andon):
    weekdays(cast)
    said = andon("oncall", "--schedule", "credit-nights", "--at", "2026-03-01T12:00")
    assert "NOBODY" in said.out


def test_oncall_at_no_time_is_wrong_use(cast, andon):
    said = andon("oncall", "--at", "yesterday")
    assert said.code == 2
    assert "is no time" in said.err


def test_verify_finds_nothing_where_nothing_was_changed(cast, time, andon):
    declare(title="Errors", system=cast.credit_scorer, by=Actor.of(cast.lena))
    said = andon("verify")
    assert said.code == 0
    assert "Intact: 1 timeline" in said.out


def test_verify_finds_a_changed_entry_and_ends_with_1(cast, time, andon):
    incident = declare(title="Errors", system=cast.credit_scorer, by=Actor.of(cast.lena))
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER incidents_timelineentry_no_update")
        else:
            cursor.execute("SET LOCAL session_replication_role = 'replica'")  # as a superuser could
    TimelineEntry.objects.filter(incident=incident, seq=1).update(actor="somebody else")
    said = andon("verify", incident.ref)
    assert said.code == 1
    assert "NOT INTACT" in said.out
    assert f"{incident.ref}, entry 1" in said.out
    assert andon("verify", "--json").data["problems"][0]["incident"] == incident.ref


def test_settings_lists_every_setting_and_hides_secrets(andon, monkeypatch):
    monkeypatch.setenv("ANDON_DATABASE_URL", "postgresql://andon:very-secret@db.example.org/andon")
    monkeypatch.setenv("ANDON_OIDC_CLIENT_SECRET", "very-secret")
    said = andon("settings", "--json")
    values = {row["name"]: row["value"] for row in said.data}
    assert values["ANDON_DATABASE_URL"] == "postgresql://andon:[hidden]@db.example.org/andon"
    assert values["ANDON_OIDC_CLIENT_SECRET"] == "[hidden]"
    assert values["ANDON_SECRET_KEY"] == "[hidden]"
    assert "very-secret" not in said.out


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "ANDON_SMTP_URL",
            "smtp://a:b@mail.example.org:587?tls=starttls",
            "smtp://a:[hidden]@mail.example.org:587?tls=starttls",
        ),
        ("ANDON_HEARTBEAT_URL", "https://hc.example.org/ping/uuid", "https://hc.example.org/[hidden]"),
        ("ANDON_FIELD_KEYS", "abc,def", "[hidden]"),
        ("ANDON_LOG_LEVEL", "debug", "debug"),
    ],
)
def test_a_value_is_shown_without_its_secret_parts(name, value, says):
    assert shown(name, value) == says


def test_version(andon):
    said = andon("version")
    assert said.code == 0
    assert said.out.startswith("Andon ")
