"""The pages of watches in a real browser: they work without script, fit a phone, and behind each picture is a table."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_walk import no_sideways_scroll, sign_in
from tests.support.processes import running_andon

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

WATCH = """
from datetime import timedelta
from pathlib import Path
from django.conf import settings
from andon.kit import clock
from andon.people.models import Organisation, Person
from andon.people.policy import Actor
from andon.practice.words import WatchKind
from andon.registry.models import System
from andon.response import routing
from andon.watch import actions
from andon.watch.facts import LogFacts, WatchFacts
from andon.watch.models import MONDAY
Organisation.objects.create(id=1, name="Example Bank")
by = Actor.of(Person.objects.create_user(email=email, name="Omar", role="lead", password=password))
system = System.objects.create(slug="support-assistant", name="Support assistant", stage="production", kind="generative")
now = clock.now()
end = now.replace(minute=0, second=0, microsecond=0)
lines = ["at,region,approved,score,repaid,failed,latency_ms"]
for hour in range(20 * 24):
    for n in range(10):
        at = end - timedelta(hours=20 * 24 - hour) + n * timedelta(minutes=6)
        worse = hour >= 16 * 24 and n % 2  # in the north, for the last four days
        approved = n % 5 < (1 if n % 2 and hour >= 12 * 24 else 3)
        repaid = "" if hour > 13 * 24 else int((n * 7 + hour) % 10 < (9 if n % 5 < 3 else 1))
        failed = int(n == hour % 10 or (worse and n in (1, 3)))
        region = ("south", "north")[n % 2]
        lines.append(f"{at.isoformat()},{region},{approved},{0.9 if n % 5 < 3 else 0.1},{repaid},{failed},{100 + n}")
folder = Path(settings.LOG_DIRS[0])
folder.mkdir(parents=True, exist_ok=True)
for name in ("answers.csv", "gone.csv"):
    (folder / name).write_text("\\n".join(lines) + "\\n")
roles = {
    "output_column": "approved", "score_column": "score", "label_column": "repaid", "segment_columns": ["region"],
}
def connect(table):
    return actions.create_log(LogFacts(system=system, name=table, table=table, time_column="at", **roles), by=by)
log, gone = connect("answers.csv"), connect("gone.csv")
(folder / "gone.csv").unlink()
def watch(name, kind, log=log, **facts):
    facts = {"system": system, "name": name, "kind": WatchKind(kind), "log": log, "budget": 1000} | facts
    return actions.run_watch(actions.create_watch(WatchFacts(**facts), by=by))
watches = [
    watch("Answers that fail", "error_rate", what="failed", segments=["region"]),
    watch("Gap in approvals by region", "fairness_gap", segments=["region"], window_minutes=360),
    watch("How many answers", "volume"),
    watch("Answers of a log that is away", "error_rate", gone, what="failed"),
]
while routing.route_due(clock.now(), 100):
    pass
incident = watches[0].alarms.get().signal.incident
result = {"watches": [one.number for one in watches], "log": str(log.pk), "incident": incident.number}
"""


def reads_without_script(page: Page, address: str) -> int:
    """A page stands as it came: one first heading, nothing wider than the phone, a table behind each of its pictures."""
    no_sideways_scroll(page)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    pictures = page.locator("figure:has(svg[role=img])").all()
    for picture in pictures:
        fold = picture.locator("details.fold")
        fold.locator("summary").click()
        assert fold.locator("tbody tr").count() > 0, f"a picture of {address} has no table behind it"
        expect(fold.locator("table")).to_be_visible()
    no_sideways_scroll(page)
    return len(pictures)


def test_the_pages_of_watches_fit_a_phone_and_need_no_script(tmp_path, window, picture):
    with running_andon(tmp_path, engine=False) as andon:
        world = {"email": "omar@example.org", "password": "four words are enough here"}
        made = andon.python(WATCH, **world)
        failing, gap, volume, away = made["watches"]
        pages = {
            "list": "/watches", "watch": f"/watches/{failing}", "gap": f"/watches/{gap}", "volume": f"/watches/{volume}",
            "stale": f"/watches/{away}", "try": f"/watches/{failing}/try", "change": f"/watches/{failing}/change",
            "choose": "/systems/support-assistant/watches/new", "new": "/systems/support-assistant/watches/new/error_rate",
            "log": f"/logs/{made['log']}", "suggest": f"/logs/{made['log']}/suggest",
            "incident": f"/incidents/{made['incident']}",
        }  # fmt: skip
        page = window("phone", java_script_enabled=False).new_page()
        sign_in(page, andon, world)
        drawn = {}
        for name, address in pages.items():
            answer = page.goto(andon.base_url + address)
            assert answer is not None
            assert answer.status == 200, address
            drawn[name] = reads_without_script(page, address)
        shown = {name: number for name, number in drawn.items() if number}
        assert shown == {"watch": 2, "gap": 2, "volume": 1, "try": 1, "incident": 1}
        page.goto(andon.base_url + pages["change"])
        page.get_by_label("False-alarm budget").fill("2000")
        page.get_by_role("button", name="Try it", exact=True).click()
        expect(page.get_by_role("heading", name="It would have alarmed once")).to_be_visible()
        no_sideways_scroll(page)

        state = page.context.storage_state()
        for name in ("list", "watch", "gap", "change", "suggest", "incident"):
            # Each in a window of its own: a live page that is left complains of its stream.
            desk = window("desktop", storage_state=state).new_page()
            desk.goto(andon.base_url + pages[name])
            no_sideways_scroll(desk)
            picture(desk, f"watches-{name}")
            desk.context.close()
