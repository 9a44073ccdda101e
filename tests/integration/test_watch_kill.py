"""kill -9 of the engine while it reads, judges, alarms and tells: every row once, every alarm once, one incident.

Real processes, both databases. Three watches on one decision log see one cause.
"""

from datetime import UTC, datetime, timedelta

import pytest

from tests.integration.test_kill import keys, organisation, until
from tests.support.listener import listening
from tests.support.processes import RunningAndon, running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(480)]
HOURS, A_HOUR, CHANGED, WATCHES = 120, 40, 12, 3
MAKE = """
from datetime import datetime
from andon.people.models import Person
from andon.people.policy import Actor
from andon.practice.words import WatchKind
from andon.registry.models import System
from andon.watch.actions import create_log, create_watch
from andon.watch.facts import LogFacts, WatchFacts
by = Actor.of(Person.objects.create_user(email="omar@example.org", name="Omar", role="lead"))
system = System.objects.get()
log = create_log(LogFacts(system=system, name="decisions", table="decisions.csv", time_column="at"), by=by)
for number in range(watches):
    create_watch(
        WatchFacts(
            system=system, name=f"Failures {number}", kind=WatchKind.ERROR_RATE, log=log, what="failed",
            segments=["region"], window_minutes=60,
        ),
        by=by,
    )
"""
EXPIRE = """
from andon.kit import clock
from andon.paging.models import Page
from andon.intake.models import Signal
from andon.watch.models import Watch
Watch.objects.filter(lease_until__isnull=False).update(lease_until=clock.now())
Signal.objects.filter(leased_until__isnull=False).update(leased_until=clock.now())
Page.objects.filter(state="sending").update(due_at=clock.now())
"""


def write_log(andon: RunningAndon) -> None:
    """Hours up to this one: 5 % fail, and half in the last twelve."""
    folder = andon.folder / "data" / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    now = datetime.now(tz=UTC).replace(minute=0, second=0, microsecond=0)
    lines = ["at,region,failed"]
    for hour in range(HOURS):
        start = now - timedelta(hours=HOURS - hour)
        failing = A_HOUR // 2 if hour >= HOURS - CHANGED else 2
        lines += [
            f"{(start + timedelta(minutes=n)).isoformat()},{('north', 'south')[n % 2]},{int(n < failing)}"
            for n in range(A_HOUR)
        ]
    (folder / "decisions.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def count(andon: RunningAndon, table: str, where: str = "1 = 1") -> int:
    return int(andon.sql(f"SELECT count(*) FROM {table} WHERE {where}")[0][0])


def test_killed_at_every_stage_it_reads_alarms_and_tells_once(tmp_path, database_url):
    with listening() as pager, running_andon(tmp_path, database_url, engine=False) as andon:
        organisation(andon, pager)
        write_log(andon)
        andon.python(MAKE, watches=WATCHES)
        stages = (
            lambda: count(andon, "watch_watch", "lease_until IS NOT NULL") > 0,
            lambda: count(andon, "watch_windowstate") > 0,
            lambda: count(andon, "watch_alarm") > 0,
            lambda: count(andon, "incidents_incident") > 0,
        )
        for stage in stages:
            andon.start_engine()
            until(stage, andon)
            andon.kill_engine()
            andon.python(EXPIRE)
        andon.start_engine()
        told = "kind = 'alarm_raised'"
        until(lambda: count(andon, "incidents_timelineentry", told) == WATCHES, andon, 120)
        until(lambda: count(andon, "watch_alarm", "news_at IS NOT NULL") == 0, andon)
        assert count(andon, "incidents_incident") == 1
        assert count(andon, "watch_alarm") == count(andon, "watch_alarm", "recovered_at IS NULL") == WATCHES
        assert count(andon, "intake_signal") == count(andon, "intake_signal", "status = 'firing'") == WATCHES
        assert andon.sql("SELECT count(DISTINCT signal_id) FROM watch_alarm") == [(WATCHES,)]
        assert count(andon, "watch_windowstate", "segment = ''") == WATCHES * HOURS
        sums = andon.sql("SELECT sum(n), sum(total) FROM watch_windowstate WHERE segment = ''")
        failed = 2 * (HOURS - CHANGED) + A_HOUR // 2 * CHANGED
        assert [tuple(map(int, row)) for row in sums] == [(WATCHES * HOURS * A_HOUR, WATCHES * failed)]
        until(lambda: count(andon, "paging_page", "state = 'sent'") > 0, andon)
        assert len(set(keys(pager))) == count(andon, "paging_page")
        andon.python(
            "from andon.cli.looking import verify_everything\nbroken, _, _ = verify_everything()\nassert not broken"
        )
