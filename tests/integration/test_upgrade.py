"""An installation of an older version is brought up to date: its rows stay, and what its database refuses."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

pytestmark = [pytest.mark.heavy, pytest.mark.timeout(300)]

SCRIPT = """
import django; django.setup()
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from andon.kit import clock

before = [("incidents", "0005_duties_decided"), ("paging", "0005_reports_and_mirrors")]
for app, name in before:
    call_command("migrate", app, name, verbosity=0)
old = MigrationExecutor(connection).loader.project_state(before).apps
incident = old.get_model("incidents", "Incident").objects.create(
    number=1, title="Odd answers", type="safety", group_key="one", severity=2, technical=2, detected_at=clock.now(), chain={},
    changed_at=clock.now(),
)
old.get_model("incidents", "TimelineEntry").objects.create(
    incident=incident, seq=1, at=clock.now(), recorded_at=clock.now(), actor="engine", kind="opened", body={},
    body_digest="d", hash="h",
)
call_command("migrate", verbosity=0)

from andon.incidents.models import Incident, TimelineEntry
print("kept", Incident.objects.get().title, TimelineEntry.objects.get(incident__number=1).kind)
for what in (lambda: TimelineEntry.objects.all().delete(), lambda: TimelineEntry.objects.update(hash="other")):
    try:
        with transaction.atomic():
            what()
        print("done, and should not be")
    except DatabaseError as error:
        print("refused:", str(error).splitlines()[0])
"""


CUT_OFF = """
import django; django.setup()
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

LISTED = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
    "postgresql": "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'",
}

def indexes():
    with connection.cursor() as cursor:
        cursor.execute(LISTED[connection.vendor])
        return {name for (name,) in cursor.fetchall()}

call_command("migrate", verbosity=0)
whole = indexes()
gone = MigrationRecorder(connection).migration_qs.filter(app__in=["incidents", "paging"], name__startswith="0006_").delete()
with connection.cursor() as cursor:
    cursor.execute("DROP INDEX timeline_of_person")
call_command("migrate", verbosity=0)
print(gone[0], indexes() == whole, "timeline_of_person" in whole)
"""
AT_WORK = """
import django; django.setup()
import threading, time
import psycopg
from django.conf import settings
from django.core.management import call_command

for app, name in [("incidents", "0005_duties_decided"), ("paging", "0005_reports_and_mirrors")]:
    call_command("migrate", app, name, verbosity=0)

troubles = []
def beside(do):
    def guarded():
        try:
            do()
        except Exception as error:
            troubles.append(repr(error))
    thread = threading.Thread(target=guarded)
    thread.start()
    return thread

def waiting(least):
    ends = time.monotonic() + 20
    while looker.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0] < least:
        assert time.monotonic() < ends, "nobody waits"
        time.sleep(0.02)

looker = psycopg.connect(URL, autocommit=True)
with psycopg.connect(URL) as writer, psycopg.connect(URL) as reader:
    writer.execute("SELECT id FROM incidents_incident FOR UPDATE")
    reader.execute("SELECT id FROM incidents_promise")
    migrating = beside(lambda: call_command("migrate", verbosity=0))
    waiting(1)
    reading = beside(lambda: reader.execute("SELECT id FROM incidents_incident"))
    waiting(2)
    writer.commit()
    reading.join(20)
    reader.commit()
    migrating.join(60)
print("troubles:", troubles)
"""


def run(script: str, database_url: str, folder: Path) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ANDON_")} | {
        "ANDON_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "andon.site.settings",
        "ANDON_DATABASE_URL": database_url, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)]),
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_what_an_older_version_wrote_is_there_and_as_well_guarded(database_url, tmp_path):
    assert run(SCRIPT, database_url or f"sqlite:///{tmp_path / 'andon.sqlite3'}", tmp_path) == [
        "kept Odd answers opened",
        "refused: incidents_timelineentry is append-only",
        "refused: incidents_timelineentry is append-only",
    ]


def test_an_upgrade_that_was_cut_off_before_its_last_step_goes_on(database_url, tmp_path):
    assert run(CUT_OFF, database_url or f"sqlite:///{tmp_path / 'andon.sqlite3'}", tmp_path) == ["2 True True"]


def test_who_works_meanwhile_waits_and_does_not_stand_in_a_ring_with_the_migration(postgres_url, tmp_path):
    assert run(f"URL = {postgres_url!r}" + AT_WORK, postgres_url, tmp_path) == ["troubles: []"]
