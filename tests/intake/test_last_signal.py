"""When a sender was last heard: by what was taken from it, wholly or in part, and never by what was refused."""

import asyncio
import json
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from andon.intake import actions, queries
from andon.intake.actions import create_integration
from andon.intake.adapters import samples
from andon.intake.models import Delivery, Integration
from andon.people.policy import Actor
from andon.practice.hearing import Hearing
from tests.intake.test_asgi import post, running
from tests.intake.test_plans import OF_POSTGRESQL, OF_SQLITE, nodes, planned
from tests.oncall.support import Api

pytestmark = pytest.mark.django_db(transaction=True)

EVALS = "/intake/otel/evals"


@pytest.fixture
def token(cast):
    return create_integration(slug="evals", name="Evals", kind="otel", by=Actor.of(cast.omar))[1]


def send(*requests, path=EVALS):
    """The statuses of the answers to requests, each a body and a token."""

    async def story():
        async with running() as app:
            return [(await post(app, body=body, token=token, path=path)).status for body, token in requests]

    return asyncio.run(story())


def whole() -> bytes:
    return samples("otel")["failing.json"].body


def partial() -> bytes:
    """One evaluation that fails, and one without a name."""
    return whole().replace(b'"Relevance"', b'""')


def told(person):
    """What the API says of the sender: when it was heard by the list, by itself, and by its activity; and its health."""
    api = Api(person, "signals:read")
    (listed,) = [one for one in api("get", "/integrations").json() if one["slug"] == "evals"]
    activity = api("get", "/integrations/evals/activity").json()
    assert listed["heard_at"] == activity["heard_at"]
    return listed["heard_at"], activity["health"]


def page_of(client):
    return client.get(reverse("integration", args=["evals"])).content.decode()


def last_heard(html):
    return re.search(r"last heard (.*?) · <a", html, re.DOTALL)[1]


def test_a_stranger_keeps_no_dead_sender_alive(time, cast, token, signed_in):
    assert send((whole(), token)) == [200]
    at, health = told(cast.vera)
    assert (at, health) == (time.now().isoformat().replace("+00:00", "Z"), "well")

    time.forward(timedelta(days=3))
    before = last_heard(page_of(signed_in(cast.lena)))
    assert send((whole(), None), (b"{}", "andon_in_wrong")) == [401, 401]
    assert Delivery.objects.filter(outcome="rejected").count() == 1, "it was said"
    assert told(cast.vera) == (at, "garbled")
    shown = page_of(signed_in(cast.lena))
    assert last_heard(shown) == before
    assert "The newest request was not understood." in shown
    assert "without the integration&#x27;s token" in shown
    assert "never" not in last_heard(
        signed_in(cast.lena).get(reverse("integrations")).content.decode() + before + shown
    )


def test_what_was_refused_alone_is_nothing_heard(time, cast, token, signed_in):
    for sent in ((whole(), None), (b"nonsense", token)):
        assert send(sent)[0] in {400, 401}
        assert told(cast.vera) == (None, "unread")
        shown = page_of(signed_in(cast.lena))
        assert ">never<" in last_heard(shown)
        assert ">never<" in signed_in(cast.lena).get(reverse("integrations")).content.decode()
        assert "Nothing that came was understood yet." in shown
    send((whole(), token))
    assert told(cast.vera)[0] is not None


def test_what_was_taken_in_part_was_heard_and_is_shown_with_what_came(time, cast, token, signed_in):
    assert send((whole(), token)) == [200]
    time.forward(timedelta(hours=5))
    assert send((partial(), token)) == [200]
    kept = Delivery.objects.get(outcome="partly")
    assert (kept.signals, kept.error.startswith("1 log record was not taken.")) == (1, True)
    at, health = told(cast.vera)
    assert (at, health) == (time.now().isoformat().replace("+00:00", "Z"), "left_out")

    shown = page_of(signed_in(cast.lena))
    assert "Its newest request was taken in part: what was left out raised no signal." in shown
    assert "taken in part, 1 signal raised" in shown
    assert "1 log record was not taken." in shown
    assert "Groundedness" in shown[shown.index("1 log record was not taken.") :]
    (listed,) = Api(cast.sam, "signals:read")("get", "/integrations/evals/rejected").json()
    assert (listed["outcome"], listed["signals"], json.loads(listed["body"])) == ("partly", 1, json.loads(partial()))
    assert "1 log record was not taken." not in page_of(signed_in(cast.vera)), "what came is for responders"
    assert Api(cast.vera, "signals:read")("get", "/integrations/evals/rejected").status_code == 403

    time.forward(timedelta(minutes=1))
    send((whole(), token))
    assert told(cast.vera)[1] == "partly"


def test_the_errors_of_both_kinds_are_listed_newest_first(time, cast, token):
    for number in range(14):
        send((partial() if number % 2 else b"nonsense", token))
        time.forward(timedelta(minutes=1))
    shown = queries.rejected(Actor.of(cast.lena), Integration.objects.get())
    assert [row.outcome for row in shown] == ["partly", "rejected"] * 5
    assert [row.created_at for row in shown] == sorted((row.created_at for row in shown), reverse=True)


@pytest.fixture
def filled(cast, time):
    """A sender of whom 30,000 requests are kept, of each outcome some, and one of whom as many."""
    key, numbers = OF_POSTGRESQL if connection.vendor == "postgresql" else OF_SQLITE
    for slug in ("one", "two"):
        sender, _ = create_integration(slug=slug, name=slug, kind="generic", by=Actor.operator())
        sender_key = str(sender.pk) if connection.vendor == "postgresql" else sender.pk.hex
        since = (
            "%s - n * interval '1 minute'"
            if connection.vendor == "postgresql"
            else "datetime(%s, '-' || n || ' minutes')"
        )
        outcome = "CASE WHEN n % 3 = 0 THEN 'rejected' WHEN n % 3 = 1 THEN 'partly' ELSE 'accepted' END"
        statement = (
            "INSERT INTO intake_delivery (id, created_at, integration_id, body, content_type, outcome, error, signals) "
            f"SELECT {key}, {since}, %s, %s, '', {outcome}, '', 0 FROM {numbers.format(many=15_000)}"
        ).replace("%", "%%").replace("%%s", "%s")  # fmt: skip
        with connection.cursor() as cursor:
            cursor.execute(statement, [time.now(), sender_key, b""])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return sender


def test_all_that_is_asked_of_deliveries_is_answered_by_the_index(time, cast, filled):
    with CaptureQueriesContext(connection) as asked:
        assert queries.activity(filled, time.now()).health is not Hearing.NEVER
        assert len(queries.rejected(Actor.of(cast.lena), filled)) == 10
        assert all(one.heard_at for one in queries.integrations())
        assert actions.prune_deliveries(time.now(), 10) == 20
    reads = [one["sql"] for one in asked.captured_queries if 'FROM "intake_delivery"' in one["sql"]]
    reads = [one for one in reads if one.startswith("SELECT")]
    assert len(reads) > 50
    for read in reads:
        plan = planned(read)
        assert by_the_index(plan), f"{read}\n{plan}"
    assert not by_the_index(planned("SELECT count(*) FROM intake_delivery WHERE signals > 1"))


def by_the_index(plan):
    """Whether deliveries are read by sender and outcome, in the order in which the index holds them."""
    if connection.vendor == "postgresql":
        found = list(nodes(plan))
        if any(node["Node Type"] == "Seq Scan" and node["Relation Name"] == "intake_delivery" for node in found):
            return False
        used = [node["Index Cond"] for node in found if node.get("Index Name") == "delivery_by_outcome"]
        return bool(used) and all("integration_id" in cond and "outcome" in cond for cond in used)
    steps = [step for step in plan.split("; ") if "delivery" in step]
    return bool(steps) and all("delivery_by_outcome (integration_id=? AND outcome=?" in step for step in steps)
