"""What the other side says is kept and shown: none of the lever's secrets in it, and nothing that no database can hold."""

import json
from base64 import b64encode
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from andon.containment import actions, adapters, offering
from andon.containment.actions.pulls import why_not_undoable
from andon.containment.evidence.models import Item
from andon.containment.models import Pull
from andon.containment.queries import targets
from andon.containment.recording import LONGEST, Record
from andon.kit.errors import Invalid
from andon.paging.models import Page
from andon.people.policy import Actor
from andon.practice.containment import PullState
from tests.containment.conftest import SECRET, facts
from tests.support.listener import Listener

HALF = "\ud800"


def answering(service, *, get=(200, b'{"model": "v7"}'), post=(200, b"")):
    """Let the service answer as given, whatever it is asked."""
    service.listener.answer = lambda handler: Listener.say(
        handler, *(post if handler.request_heard.command == "POST" else get)
    )


def told_of(pull, incident):
    """Everything that anybody can read of a pull."""
    pull.refresh_from_db()
    steps = [(one.text, one.facts) for one in pull.trail.all()]
    entries = [entry.body for entry in incident.timeline.all()]
    missing = list(Item.objects.values_list("why_missing", flat=True))
    return repr((pull.says, pull.outcome, pull.seen, steps, entries, missing))


@pytest.mark.django_db
@pytest.mark.parametrize("get", [(200, b'{"model": "v7"}'), (403, f"{SECRET} is not welcome".encode())])
def test_a_secret_that_the_other_side_repeats_is_shown_to_nobody(cast, time, service, lever, incident, get):
    answering(service, get=get, post=(401, f"The signature by {SECRET} is wrong.".encode()))
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    for _ in range(4):  # what holds now is asked for three times
        pull = actions.run_pull(pull)
        time.forward(timedelta(seconds=10))
    assert pull.phase is PullState.FAILED
    told = told_of(pull, incident)
    assert SECRET not in told
    assert "The webhook answered 40" in told
    trial = actions.dry_run(lever, by=Actor.of(cast.omar))
    assert SECRET not in trial.says


@pytest.mark.django_db
def test_bytes_that_are_no_text_leave_no_pull_without_an_end(cast, time, service, lever, incident):
    """A NUL, which PostgreSQL refuses, and half a character, which every database does."""
    answering(service, post=(500, b"\x00\x01\xff broken \xed\xa0\x80"))
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    answering(service, get=(200, b'{"model": "v7"}'), post=(500, b"\x00\x01\xff broken \xed\xa0\x80"))
    pull = actions.run_pull(pull)
    assert (pull.phase, pull.crashed) == (PullState.ACTED, True)
    assert "broken" in pull.outcome
    answering(service, get=(200, json.dumps({"model": f"v7{HALF}\x00"}).encode()))
    pages = Page.objects.count()
    time.forward(timedelta(seconds=lever.verify_seconds))
    pull = actions.run_pull(pull)
    assert pull.phase is PullState.UNVERIFIED
    assert Page.objects.count() > pages


@pytest.mark.django_db
def test_half_a_character_is_no_state(cast, time, service, lever, incident):
    answering(service, get=(200, json.dumps({"model": HALF}).encode()))
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    for _ in range(4):
        pull = actions.run_pull(pull)
        time.forward(timedelta(seconds=10))
    assert pull.phase is PullState.FAILED
    assert "half a character" in pull.outcome
    assert "half a character" in actions.dry_run(lever, by=Actor.of(cast.omar)).says


@pytest.mark.django_db
def test_a_bug_of_an_adapter_is_said_by_a_dry_run_and_leaves_a_pull_that_changed_nothing(
    cast, time, service, lever, incident, monkeypatch
):
    def broken(*_):
        raise TypeError(SECRET)

    monkeypatch.setattr(type(adapters.find("webhook")), "plan", broken)
    trial = actions.dry_run(lever, by=Actor.of(cast.omar))
    assert (trial.ok, trial.says) == (False, "Andon’s own fault in the webhook lever: TypeError. The log has details.")
    pull = actions.pull(lever, incident, by=Actor.of(cast.lena))
    for _ in range(4):
        pull = actions.run_pull(pull)
        time.forward(timedelta(seconds=10))
    assert (pull.phase, service.told) == (PullState.FAILED, [])
    assert pull.outcome.startswith("Nothing was changed. Andon’s own fault in the webhook lever: TypeError.")


secrets = st.text(min_size=4).filter(lambda one: one.strip() == one and one.isprintable() and "…" not in one)


@given(st.text(), secrets)
def test_what_is_recorded_is_one_line_that_can_be_written_without_the_secret(said, secret):
    record = Record.of(adapters.find("webhook"), {"secret": secret})
    found = record.text(f"{said}{secret}{said}")
    assert secret not in found
    found.encode()
    assert found.isprintable()
    assert len(found) <= LONGEST


def test_a_secret_is_known_in_every_form_in_which_it_comes_back():
    settings = {"user": "andon", "password": "pass word/1", "token": "token-17"}
    record = Record.of(
        adapters.find("mlflow"), settings, {"headers": "Accept: text/plain\nAuthorization: Bearer abc-def"}
    )
    basic = b64encode(b"andon:pass word/1").decode()
    for form in ("pass word/1", "pass%20word%2F1", "token-17", f"Basic {basic}", "Bearer abc-def", "abc-def"):
        shown = record.text(f"no {form} here")
        assert form not in shown
        assert "…" in shown
    kept = record.facts({"token-17": [1, None, True, {"a": "abc-def\x00"}]})
    assert kept == {"…": [1, None, True, {"a": "…"}]}


# What cannot be brought back is not said to be


@pytest.mark.django_db
def test_without_a_way_back_no_undo_is_promised_offered_or_rehearsed(cast, service, incident):
    given_ = facts(service)
    settings = {name: value for name, value in given_.settings.items() if name != "state_url"}
    probe = {"url": f"{service.url}/state", "pointer": "/model", "equals": "v6"}
    lever = actions.create_lever(
        cast.credit_scorer, "webhook", facts(service, settings=settings, probe=probe), by=Actor.of(cast.omar)
    )
    (offer,) = offering.offers(incident)
    assert "It cannot be undone by Andon." in offering.effect(offer, incident)
    assert targets(lever) == []
    with pytest.raises(Invalid, match="cannot be undone by Andon, so the real target is not rehearsed on"):
        actions.rehearse(lever, by=Actor.of(cast.omar), on_real=True)
    pull = actions.run_pull(actions.pull(lever, incident, by=Actor.of(cast.lena)))
    assert pull.phase is PullState.VERIFIED
    assert "cannot be undone by Andon" in why_not_undoable(Pull.objects.get())


@pytest.mark.parametrize(
    ("kind", "settings", "undoable"),
    [
        ("github", {"inputs": "{}"}, False),
        ("github", {"undo_inputs": "{}"}, True),
        ("openfeature", {"change_url": "https://flags.example.org", "change_body": '{"on": false}'}, False),
        ("openfeature", {"change_url": "https://flags.example.org", "change_body": '{"on": "$value"}'}, True),
        ("openfeature", {"change_url": "https://flags.example.org", "undo_url": "https://flags.example.org/on"}, True),
        ("command", {"command": "not-known-on-this-machine"}, True),
        ("mlflow", {}, True),
    ],
)
def test_whether_there_is_a_way_back_is_read_off_the_settings(kind, settings, undoable):
    assert adapters.find(kind).undoable(settings) is undoable
