"""What the engine asks for again and again is answered by the indexes of what is due, however much is not."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from andon.engine.auditor import audit
from andon.incidents.models import Incident
from andon.intake import queries as heard
from andon.intake.models import Integration, Signal
from andon.kit import db, ids
from andon.paging import sending
from andon.paging.models import Page
from andon.response import escalating
from tests.support.cast import Cast
from tests.support.paging import Story, open_incident

pytestmark = pytest.mark.django_db

MANY = 4000
LARGE = ("incidents_incident", "paging_page", "intake_signal")


def copies(row: Incident | Page | Signal, changes: list[dict[str, object]]) -> None:
    """Insert the row again so often, with these columns changed."""
    fields = row._meta.concrete_fields
    values = {field.attname: getattr(row, field.attname) for field in fields}
    rows = [[(values | change)[field.attname] for field in fields] for change in changes]
    db.insert_each(type(row), [field.name for field in fields], rows)


@pytest.fixture
def many(cast: Cast, time) -> Incident:
    """Thousands of open incidents with a page and a signal each, and nothing due."""
    story = Story(time)
    incident = open_incident(cast.credit_scorer, cast.vera)
    story.run()
    incident.refresh_from_db()
    source = Integration.objects.create(slug="p", name="P", kind="generic", token_digest="x")
    signal = Signal.objects.create(
        integration=source, fingerprint="a", status="firing", title="Drift", first_at=time.now(), last_at=time.now(),
        dedup_reason="new", incident=incident, reason_joined="incident_open",
    )  # fmt: skip
    new = [ids.new() for _ in range(MANY)]
    copies(incident, [{"id": key, "number": 100 + n, "group_key": f"own:{n}"} for n, key in enumerate(new)])
    copies(Page.objects.get(), [{"id": ids.new(), "incident_id": key, "key": f"{n:032d}"} for n, key in enumerate(new)])
    copies(signal, [{"id": ids.new(), "incident_id": key, "fingerprint": f"{n}"} for n, key in enumerate(new)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return incident


def plan(sql: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"{'EXPLAIN QUERY PLAN' if db.is_sqlite() else 'EXPLAIN'} {sql}")
        return [str(row[-1]) for row in cursor.fetchall()]


def whole_table(line: str) -> bool:
    """Whether a line of a plan reads a large table from end to end."""
    if db.is_sqlite():
        return line.startswith("SCAN ") and "INDEX" not in line and any(line.split()[1] == name for name in LARGE)
    return "Seq Scan" in line and any(f"on {name}" in line for name in LARGE)


@pytest.mark.parametrize("ask", ["audit", "steps", "routing", "ahead", "claim"])
def test_nothing_due_is_found_without_reading_a_whole_table(many: Incident, time, ask: str):
    asks = {
        "audit": lambda: audit(time.now()),
        "steps": lambda: escalating.escalate_due(time.now(), 100),
        "routing": lambda: heard.take_due(time.now(), 1000),
        "ahead": lambda: heard.sorts_due(time.now()),
        "claim": lambda: sending.claim(time.now(), 100, "one"),
    }
    with CaptureQueriesContext(connection) as asked:
        asks[ask]()
    statements = [query["sql"] for query in asked.captured_queries if query["sql"].startswith(("SELECT", "UPDATE"))]
    statements = [sql for sql in statements if any(f'"{name}"' in sql for name in LARGE)]
    assert statements
    for sql in statements:
        lines = plan(sql)
        assert not any(whole_table(line) for line in lines), "\n".join([sql, *lines])


def test_a_whole_table_would_be_found(many: Incident):
    lines = plan("SELECT id FROM incidents_incident WHERE title = 'no index has it'")
    assert any(whole_table(line) for line in lines), lines
