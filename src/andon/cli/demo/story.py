"""The story of one incident, told as it happens.

Each step is done as a person does it, over HTTP, or is what the watch and the engine do by themselves; it is believed
only when it was read back from the API.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

import httpx

from andon.cli.demo.clock import ElasticClock
from andon.cli.demo.known_questions import WINDOW_MINUTES, KnownQuestions
from andon.cli.demo.lever import NAME as LEVER
from andon.cli.demo.phones import Phones, Rang
from andon.cli.demo.replicas import Replicas
from andon.cli.demo.seed import World
from andon.kit import clock

if TYPE_CHECKING:
    from andon.people.models import Person

T = TypeVar("T")

SYSTEM = "support-assistant"
PATIENCE = 90.0
"""Seconds of real time that a step may take before the demo says that it did not happen."""
_LOOK_EVERY = 0.1
_WRONG, _RIGHT = 0.1, 0.9
"""Shares of right answers about primes: below one before, above the other after. Measured were 2% and 98%."""


@dataclass(frozen=True)
class Step:
    """Something that happened, with the instant that the demo's Andon gives for it."""

    key: str
    at: datetime
    title: str
    detail: str = ""


class DidNotHappen(Exception):  # noqa: N818  reads as what it is
    """A step of the story that was waited for in vain."""


@dataclass
class Story:
    """What is told, to whom, and what was told so far. `wait` shows that time passes while a block runs."""

    http: httpx.Client
    world: World
    phones: Phones
    clock: ElasticClock
    log: KnownQuestions
    replicas: Replicas
    lever: int
    tell: Callable[[Step], None]
    passing: Callable[[str, float], AbstractContextManager[None]]
    steps: list[Step] = field(default_factory=list)
    holder: "Person" = field(init=False)
    number: int = 0

    def run(self) -> None:
        """From the alarm to the actions of the review; raises `DidNotHappen` at the first step that does not."""
        self._signal()
        self._opened()
        self._estimated()
        first = self._paged("first_page")
        self._nobody_answers(first)
        second = self._paged("second_page", after=first)
        self._acknowledged(second)
        self._contained()
        self._alarm_ends()
        self._resolved()
        self._reviewed()
        self._verified()

    def readiness(self) -> list[tuple[str, str]]:
        """Each system with what the API says of its readiness."""
        told = []
        for system in self._get("/systems")["items"]:
            found = self._get(f"/systems/{system['slug']}/readiness")["findings"]
            more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
            told.append((system["slug"], f"NOT READY. {found[0]['text']}{more}" if found else "ready"))
        ready = {slug for slug, words in told if words == "ready"}
        if ready != set(self.world.ready):
            raise DidNotHappen(f"{', '.join(self.world.ready)} and nothing else is ready")
        return told

    # The steps

    def _signal(self) -> None:
        """The watch reads its log, learns what is normal, and finds that something has changed."""
        took = clock.monotonic()
        signal = self._until("the watch alarms", self._alarm)
        seconds = clock.monotonic() - took
        detail = f"by a watch on the decision log, which read three hours of it within {seconds:.1f} s"
        self._happened("signal", _time(signal["first_at"]), f"Alarm: “{signal['title']}”", detail)

    def _opened(self) -> None:
        def look() -> dict[str, Any] | None:
            items = self._get("/incidents", {"system": SYSTEM, "state": "unresolved"})["items"]
            return items[0] if items else None

        incident = self._until("an incident opens", look)
        self.number = incident["number"]
        entry = self._entry("opened")
        title = f"{incident['ref']} opened: S{incident['severity']}, {incident['type'].replace('_', ' ')}"
        self._happened("opened", _time(entry["at"]), title, incident["severity_reason"])

    def _estimated(self) -> None:
        """When it began, and what drives it: told by the watch, and right, since the demo knows."""
        entry = self._entry("alarm_raised")
        incident = self._incident()
        low, high = _time(incident["onset_low"]), _time(incident["onset_high"])
        changed, window = self.log.changed_at, timedelta(minutes=WINDOW_MINUTES)
        if not low <= changed <= high + window:
            raise DidNotHappen(f"the onset interval, {low:%H:%M} to {high + window:%H:%M}, holds {changed:%H:%M}")
        drivers = [one["segment"]["kind"] for one in entry["body"]["drivers"]]
        if drivers != ["prime"]:
            raise DidNotHappen(f"the watch names primes as what drives it (it named {drivers})")
        figures, affected = entry["body"]["figures"], entry["body"]["affected"]
        detail = (
            f"{affected} more wrong answers than were to be expected, of {figures['n']} since then; all of them about "
            f"primes. The model changed at {changed:%H:%M}, and nobody had said so"
        )
        self._happened("estimated", _time(entry["at"]), f"Began between {low:%H:%M} and {high + window:%H:%M}", detail)

    def _paged(self, key: str, after: Rang | None = None) -> Rang:
        """A page that the timeline says went out, and that arrived on a phone, signed."""
        known = self.phones.rang.index(after) + 1 if after else 0
        arrived = self._until(
            "somebody's phone rings", lambda: next((one for one in self.phones.rang[known:] if _is_page(one)), None)
        )
        person = self.world.people[arrived.owner]
        sent = self._entry("page_sent", lambda entry: (entry["body"] or {}).get("person") == str(person.pk))
        why = str(arrived.data["why"]).removeprefix("You are paged because: ").removesuffix(".")
        self._happened(key, _time(sent["at"]), f"Paged {person}", f"by a signed webhook; {why}")
        return arrived

    def _nobody_answers(self, first: Rang) -> None:
        """The wait of the chain's first step, played fast; the last second of it runs as it is."""
        due = _time(self._incident()["next_page_at"])
        self._pass(due - clock.now() - timedelta(seconds=1), 4, f"{self.world.people[first.owner]} does not answer")

    def _acknowledged(self, page: Rang) -> None:
        """The page's own link: opened as a mail program's preview does (nothing happens), then its button pressed."""
        person = self.world.people[page.owner]
        link = str(page.data["link"])
        self._pass(timedelta(seconds=70), 1, f"{person} wakes up")
        with httpx.Client(timeout=PATIENCE) as phone:
            shown = phone.get(link)
            if shown.status_code != httpx.codes.OK or '<form method="post"' not in shown.text:
                raise DidNotHappen(f"the link of the page shows a button (it answered {shown.status_code})")
            if self._incident()["acknowledged_at"]:
                raise DidNotHappen("looking at the link changes nothing")
            pressed = phone.post(link)
        if pressed.status_code >= httpx.codes.BAD_REQUEST:
            raise DidNotHappen(f"the button of the page acknowledges (it answered {pressed.status_code})")
        entry = self._entry("acknowledged")
        incident = self._incident()
        self.holder = person
        if incident["next_page_at"] or incident["acknowledged_by"]["id"] != str(person.pk):
            raise DidNotHappen("an acknowledgement ends the paging")
        detail = "by the link in the page; opening it alone did nothing. Nobody else will be paged"
        self._happened("acknowledged", _time(entry["at"]), f"{person} has it", detail)

    def _contained(self) -> None:
        """The lever is pulled; it counts when every replica says so, and when the answers themselves are right."""
        self._pass(timedelta(minutes=4), 2, "The page is opened, and says what to do first")
        before = self.replicas.ask()
        if before.share > _WRONG:
            raise DidNotHappen(f"the replicas answer as badly as the watch says ({before.right} of {before.asked})")
        detail = f"by the replicas, asked now about {before.asked} primes; model {', '.join(before.models)}"
        self._happened("served_before", clock.now(), f"{before.right} of {before.asked} answers are right", detail)
        shown = self._pulled_on_the_page()
        kept = self._entry("evidence_kept")
        self._happened("evidence", _time(kept["at"]), "Evidence preserved before anything changed", kept["text"])
        incident = self._incident()
        if not incident["contained_at"]:
            raise DidNotHappen("a verified lever contains the incident")
        took = _time(incident["contained_at"]) - _time(incident["detected_at"])
        detail = f"“{LEVER}”: {shown}, {_minutes(took)} after detection; diagnosis opens now"
        self._happened("contained", _time(incident["contained_at"]), "Contained, and seen to be", detail)
        self.log.back_at = _time(incident["contained_at"])
        self.log.write()
        after = self.replicas.ask()
        if after.share < _RIGHT:
            raise DidNotHappen(f"the replicas answer right again ({after.right} of {after.asked})")
        detail = f"the same questions to the same replicas; model {', '.join(after.models)}"
        self._happened("served", clock.now(), f"{after.right} of {after.asked} answers are right", detail)

    def _pulled_on_the_page(self) -> str:
        """The button of the incident page, pressed by whoever has it; what the page then says of the replicas."""
        with httpx.Client(base_url=self.http.base_url, follow_redirects=True, timeout=PATIENCE) as browser:
            sign_in(browser, self.holder.email, self.world.password)
            address = f"/incidents/{self.number}"
            shown = browser.get(address).text
            button = f"{address}/levers/{self.lever}/pull"
            if f'action="{button}"' not in shown:
                raise DidNotHappen("the incident page shows the lever first")
            browser.post(button, data={"csrfmiddlewaretoken": token_in(shown)}, headers=_from(browser))
            self._until("the lever was seen to work", self._seen_to_work)
            verdict = re.search(r'class="replicas everywhere">([^<]+)<', browser.get(address).text)
            if verdict is None:
                raise DidNotHappen("the incident page says that every replica is contained")
            return verdict[1]

    def _seen_to_work(self) -> dict[str, Any] | None:
        """The entry that says so; a lever that ends otherwise is told at once."""
        for entry in self._get(f"/incidents/{self.number}/timeline", {"order": "newest"})["items"]:
            if entry["kind"] in {"lever_unverified", "lever_failed"}:
                raise DidNotHappen(f"the lever takes effect ({entry['text']})")
            if entry["kind"] == "lever_verified":
                return cast("dict[str, Any]", entry)
        return None

    def _alarm_ends(self) -> None:
        """The watch sees that the answers are as right as they were."""
        self._pass(timedelta(minutes=12), 3, "The answers are right again")
        entry = self._entry("signals_ended")
        recovered = self._entry("alarm_recovered")
        self._happened("signal_ended", _time(entry["at"]), "The alarm has ended", recovered["text"])

    def _resolved(self) -> None:
        self._pass(self.clock.behind, 3, "It stays quiet")
        facts = {"summary": "As many known questions are answered right as before; checked on the last 300."}
        incident = self._post(f"/incidents/{self.number}/resolve", facts)
        if self._incident()["state"] != "resolved":
            raise DidNotHappen("the incident is resolved")
        self._happened("resolved", _time(incident["resolved_at"]), "Resolved", facts["summary"])

    def _reviewed(self) -> None:
        """The draft that opens by itself, and two actions in it."""
        review = self._until("a review is drafted", lambda: self._get_or_none(f"/reviews/{self.number}"))
        filled = [section for section in review["sections"] if section["body"].strip()]
        entry = self._entry("review_drafted")
        detail = f"{len(filled)} of {len(review['sections'])} sections filled from the timeline"
        self._happened("review_drafted", _time(entry["at"]), "Review drafted", detail)
        today = clock.now().date()
        for days, owner, title, verification in (
            (7, "sam", "Pin the version of the hosted model", "A request without a version is refused"),
            (
                21,
                "lena",
                "Ask the known questions of a new version as a canary, before it is used",
                "A drill with June's",
            ),
        ):
            facts = {
                "title": title, "owner": str(self.world.people[owner].pk), "due_on": str(today + timedelta(days=days)),
                "verification": verification,
            }  # fmt: skip
            self._post(f"/reviews/{self.number}/actions", facts)
        actions = self._get(f"/reviews/{self.number}")["actions"]
        if len(actions) != 2:  # noqa: PLR2004  those above
            raise DidNotHappen("the review has its two actions")
        detail = "; ".join(f"{one['ref']} is {one['owner']['name']}'s, due {one['due_on']}" for one in actions)
        self._happened("actions", self.clock.now(), "Two actions added", detail)

    def _verified(self) -> None:
        from andon.cli.looking import verify_everything

        broken, _, entries = verify_everything()
        if broken:
            raise DidNotHappen(f"the timeline verifies ({broken[0].problem})")
        self._happened("verified", self.clock.now(), "Timeline verified", f"{entries} entries, hash-chained and intact")

    # How they are done

    def _happened(self, key: str, at: datetime, title: str, detail: str = "") -> None:
        step = Step(key, at, title, detail)
        self.steps.append(step)
        self.tell(step)

    def _pass(self, span: timedelta, seconds: float, what: str) -> None:
        """Let time pass on the demo's clock, quickly."""
        played = self.clock.play(span, seconds)
        with self.passing(f"{what}: {_minutes(played)}, played in {seconds:.0f} s", seconds):
            pass

    def _incident(self) -> dict[str, Any]:
        return cast("dict[str, Any]", self._get(f"/incidents/{self.number}"))

    def _entry(self, kind: str, fits: Callable[[dict[str, Any]], bool] = lambda _entry: True) -> dict[str, Any]:
        """The newest timeline entry of a kind that fits, waited for."""

        def look() -> dict[str, Any] | None:
            entries = self._get(f"/incidents/{self.number}/timeline", {"order": "newest"})["items"]
            return next((entry for entry in entries if entry["kind"] == kind and fits(entry)), None)

        return self._until(f"the timeline says “{kind.replace('_', ' ')}”", look)

    def _alarm(self) -> dict[str, Any] | None:
        items = self._get("/signals", {"system": SYSTEM})["items"]
        return next((item for item in items if item["labels"].get("kind") == "accuracy"), None)

    def _until(self, what: str, look: Callable[[], T | None]) -> T:
        deadline = clock.monotonic() + PATIENCE
        for found in _looking(look, deadline):
            if found is not None:
                return found
        raise DidNotHappen(what)

    def _get_or_none(self, path: str) -> dict[str, Any] | None:
        answer = self.http.get(f"/api/v1{path}", headers=self._signed())
        return cast("dict[str, Any]", answer.json()) if answer.is_success else None

    def _get(self, path: str, query: dict[str, str] | None = None) -> Any:
        return self._read(self.http.get(f"/api/v1{path}", params=query, headers=self._signed()))

    def _post(self, path: str, facts: dict[str, Any]) -> Any:
        return self._read(self.http.post(f"/api/v1{path}", json=facts, headers=self._signed()))

    def _read(self, answer: httpx.Response) -> Any:
        if not answer.is_success:
            where = f"{answer.request.method} {answer.request.url.path}"
            raise DidNotHappen(f"{where} works (it answered {answer.status_code}: {answer.text[:300]})")
        return answer.json()

    def _signed(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.world.lead_token}"}


def _looking(look: Callable[[], T | None], deadline: float) -> Iterator[T | None]:
    import time

    while True:
        yield look()
        if clock.monotonic() > deadline:
            return
        time.sleep(_LOOK_EVERY)


def sign_in(browser: httpx.Client, email: str, password: str) -> None:
    """Sign in as a person does, by the form."""
    form = browser.get("/account/login/").text
    facts = {"login": email, "password": password, "csrfmiddlewaretoken": token_in(form)}
    browser.post("/account/login/", data=facts, headers=_from(browser))


def token_in(page: str) -> str:
    """The token of a page's forms."""
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    if found is None:
        raise DidNotHappen("a page has a form that can be sent")
    return found[1]


def _from(browser: httpx.Client) -> dict[str, str]:
    return {"Referer": str(browser.base_url)}


def _is_page(message: Rang) -> bool:
    return message.kind == "incident.page"


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _minutes(span: timedelta) -> str:
    minutes, seconds = divmod(round(span.total_seconds()), 60)
    return f"{minutes} min {seconds} s" if minutes and seconds else f"{minutes} min" if minutes else f"{seconds} s"
