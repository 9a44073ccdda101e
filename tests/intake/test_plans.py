"""The intake reads by its indexes, on either database: to read a whole table for a batch once made a storm of it."""

import json
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from andon.intake.actions import create_integration
from andon.intake.events import event
from andon.intake.models import Signal
from andon.intake.recording import Heard, record
from andon.kit import ids
from andon.people.policy import Actor
from andon.practice.grouping import SignalStatus

pytestmark = pytest.mark.django_db
MANY = 40_000
FEW = 4_000
OF_POSTGRESQL = "gen_random_uuid()", "generate_series(1, {many}) AS listed(n)"
OF_SQLITE = (
    "lower(hex(randomblob(16)))",
    "(WITH RECURSIVE listed(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM listed WHERE n < {many}) SELECT n FROM listed)",
)


@pytest.fixture(params=[MANY, FEW], ids=["after months", "in a storm"])
def filled(request):
    """A sender of whom much is on record: three of four signals have ended, as after some months.

    Or less of it, without statistics, as PostgreSQL has none yet while a storm fills the table.
    """
    sender, _ = create_integration(slug="curl", name="Curl", kind="generic", by=Actor.operator())
    key, numbers = OF_POSTGRESQL if connection.vendor == "postgresql" else OF_SQLITE
    sender_key = str(sender.pk) if connection.vendor == "postgresql" else sender.pk.hex
    statement = (
        "INSERT INTO intake_signal (id, created_at, integration_id, fingerprint, episode, past_episodes, ended_before, "
        "status, title, description, url, labels, system_hint, type_hint, count, first_at, last_at, resolved_at, "
        f"dedup_reason, reason_joined) SELECT {key}, %s, %s, 'known-' || n, 'one', '[]', '[]', "
        "CASE WHEN n % 4 = 0 THEN 'firing' ELSE 'resolved' END, 'Errors', '', '', '{}', '', '', 1, %s, %s, "
        f"CASE WHEN n % 4 = 0 THEN NULL ELSE %s END, 'new', '' FROM {numbers.format(many=request.param)}"
    ).replace("%", "%%").replace("%%s", "%s")  # fmt: skip
    at = datetime(2026, 11, 1, tzinfo=UTC)
    with connection.cursor() as cursor:
        cursor.execute(statement, [at, sender_key, at, at, at])
        if request.param == MANY:
            cursor.execute("ANALYZE")
    assert Signal.objects.count() == request.param
    return sender


def read_for(sender, numbers):
    """The statements by which a batch reads what is on record: of what fires on, of what fires anew, of what is new."""
    said = [
        event(fingerprint=name, episode=episode, status=status, title="Errors")
        for number in numbers
        for name, episode in ((f"known-{number}", "one"), (f"known-{number + 1}", "two"), (f"new-{number}", "one"))
        for status in (SignalStatus.FIRING, SignalStatus.RESOLVED)
    ]
    with CaptureQueriesContext(connection) as asked:
        record([Heard(ids.new(), sender.pk, b"{}", "application/json", said)])
    return [one["sql"] for one in asked.captured_queries if "intake_signal" in one["sql"] and "SELECT" in one["sql"]]


def test_a_batch_reads_what_is_on_record_by_an_index(filled):
    for numbers in (range(4, 8, 4), range(400, 1_600, 4)):  # a few, and a full batch
        reads = [one for one in read_for(filled, numbers) if one.lstrip().startswith("SELECT")]
        assert len(reads) >= 3
        for read in reads:
            plan = planned(read)
            assert not whole(plan), f"{read[:300]}\n{plan}"
            assert "one_firing_signal_a_fingerprint" in plan or "signal_history" in plan
    assert whole(planned("SELECT s.id FROM intake_signal s WHERE s.title = 'Errors'"))  # such a plan would be seen


def planned(statement):
    """How the database would answer, as text."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("EXPLAIN (FORMAT JSON) " + statement.replace("%", "%%"))
            return json.dumps(cursor.fetchone()[0])
        cursor.execute("EXPLAIN QUERY PLAN " + statement)
        return "; ".join(row[3] for row in cursor.fetchall())


def whole(plan):
    """Whether a plan reads all signals; what is read of JSON is listed by its own name."""
    if connection.vendor == "postgresql":
        return any(
            (node["Node Type"] == "Seq Scan" and node["Relation Name"] == "intake_signal")
            or ("Index Name" in node and "Index Cond" not in node)  # all of an index
            for node in nodes(plan)
        )
    return any(step.startswith(("SCAN s", "SCAN x", "SCAN intake_signal")) for step in plan.split("; "))


def nodes(plan):
    """Every step of PostgreSQL's plan."""
    left = [json.loads(plan)[0]["Plan"]]
    while left:
        node = left.pop()
        left += node.get("Plans", [])
        yield node
