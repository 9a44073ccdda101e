"""Browser push in Chromium: its worker under the strict policy, what it shows, and what a click does.

The push service itself is a listener here: Chromium's own is on the outside. Everything else is real: the page's
script, the registration of the worker, the keys, the encrypted message, and the worker that shows what was in it.
"""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.test_walk import SEED, no_sideways_scroll, sign_in
from tests.paging.test_push import Browser, new_browser
from tests.support.listener import Listener, listening
from tests.support.processes import RunningAndon, running_andon

pytestmark = [pytest.mark.heavy, pytest.mark.browser, pytest.mark.timeout(300)]

SWITCH_ON = """
from andon.paging.providers.actions import set_up
from andon.people.models import ChannelKind
from andon.people.policy import Actor
set_up(ChannelKind.PUSH, {}, by=Actor.operator())
"""
# What a browser whose push service answers would give out.
SUBSCRIBES = """(given) => {
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0)).buffer;
  const made = () => ({
    endpoint: given.endpoint,
    options: { applicationServerKey: bytes(localStorage.getItem("key")) },
    getKey: (name) => bytes(given[name]),
    unsubscribe: async () => { localStorage.removeItem("key"); return true; },
  });
  PushManager.prototype.getSubscription = async () => localStorage.getItem("key") ? made() : null;
  PushManager.prototype.subscribe = async (options) => {
    if (!options.userVisibleOnly || options.applicationServerKey.length !== 65) throw new Error("not what Andon asks");
    localStorage.setItem("key", btoa(String.fromCharCode(...options.applicationServerKey)));
    return made();
  };
}"""
SHOWN = """async () => {
  const worker = await navigator.serviceWorker.getRegistration("/");
  const shown = await worker.getNotifications();
  return shown.map((n) => ({ title: n.title, body: n.body, tag: n.tag, data: n.data, stays: n.requireInteraction }));
}"""
SHOWN_NOW = """async () => {
  const shown = await self.registration.getNotifications();
  return shown.map((n) => ({ title: n.title, body: n.body, stays: n.requireInteraction, buttons: n.actions.map((a) => a.title) }));
}"""
PAGE = """
from andon.incidents.models import Incident
from andon.paging import links
from andon.paging.models import Page
from andon.people.models import ContactPoint, Person
from andon.people.policy import Actor
from andon.kit import clock
from andon.response.opening import declare
nadia = Person.objects.get(email=email)
incident = declare(title="Approvals fell by half", system=None, by=Actor.of(nadia))
point = ContactPoint.objects.filter(person=nadia).first()
page = Page.objects.create(
    incident=incident, person=nadia, contact_point=point, channel=point.kind, step=1, round=1, reason="step 1",
    key=f"key-of-{incident.number}", send_after=clock.now(), state="sent", sent_at=clock.now(), attempts=1,
)
result = {"link": "/a/" + links.make(page), "ref": incident.ref, "number": incident.number}
"""
TAKE = """
from andon.incidents.models import Incident
from andon.people.models import Person
from andon.people.policy import Actor
from andon.response.acknowledging import acknowledge
acknowledge(Incident.objects.get(number=number), by=Actor.of(Person.objects.exclude(email=email).first()), via="page")
result = None
"""
# Chromium forgets a notification that somebody asks for while it is being shown: so nobody asks before it is.
COUNT_SHOWN = """() => {
  if (self.countShown !== undefined) return;
  self.countShown = 0;
  const show = self.registration.showNotification.bind(self.registration);
  self.registration.showNotification = async (...all) => { await show(...all); self.countShown += 1; };
}"""
UNTIL_SHOWN = """async (count) => {
  for (let turn = 0; self.countShown < count && turn < 1200; turn++) await new Promise((done) => setTimeout(done, 25));
  return self.countShown;
}"""
CLICK = """async (action) => {
  const [notification] = await self.registration.getNotifications();
  const waiting = [];
  const click = new NotificationEvent("notificationclick", { notification, action: action || "open" });
  click.waitUntil = (promise) => waiting.push(promise);
  const opened = [];
  Clients.prototype.openWindow = async (url) => { opened.push(url); return null; };
  self.dispatchEvent(click);
  await Promise.all(waiting);
  return opened;
}"""


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as one:
        one.always(201)
        yield one


@pytest.fixture
def seeded(tmp_path) -> Iterator[tuple[RunningAndon, dict[str, str]]]:
    with running_andon(tmp_path, engine=False) as andon:
        world = andon.python(SEED, port=9)
        andon.python(SWITCH_ON)
        yield andon, world


def open_account(context: BrowserContext, andon: RunningAndon, world: dict[str, str], browser: Browser) -> Page:
    context.grant_permissions(["notifications"], origin=andon.base_url)
    form = {name: browser.form[name] for name in ("endpoint", "p256dh", "auth")}
    context.add_init_script(f"({SUBSCRIBES})({json.dumps(form)})")
    page = context.new_page()
    sign_in(page, andon, world)
    page.goto(f"{andon.base_url}/account")
    return page


def turned_on(
    context: BrowserContext, andon: RunningAndon, world: dict[str, str], listener: Listener
) -> tuple[Page, Browser]:
    """The account's page after push was turned on there, and the browser's own side of it."""
    browser = new_browser(f"{listener.url}/push/chromium")
    page = open_account(context, andon, world, browser)
    page.get_by_role("button", name="Turn on in this browser").click()
    expect(page.locator("main")).to_contain_text("A test notification is on its way")
    return page, browser


def deliver(page: Page, andon: RunningAndon, text: dict, times: int = 1) -> None:
    """What Chromium does with a message once it has decrypted it."""
    devtools = page.context.new_cdp_session(page)
    registrations: list[dict] = []
    devtools.on("ServiceWorker.workerRegistrationUpdated", lambda e: registrations.extend(e["registrations"]))
    devtools.send("ServiceWorker.enable")
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    for _ in range(400):
        if registrations and page.context.service_workers:
            break
        page.wait_for_timeout(25)
    (worker,) = page.context.service_workers
    worker.evaluate(COUNT_SHOWN)
    due = worker.evaluate("() => self.countShown") + times
    message = {"registrationId": registrations[0]["registrationId"], "data": json.dumps(text)}
    for _ in range(times):
        devtools.send("ServiceWorker.deliverPushMessage", {"origin": andon.base_url, **message})
    assert worker.evaluate(UNTIL_SHOWN, due) == due


def test_a_browser_is_turned_on_shows_the_test_and_is_confirmed_by_a_click(seeded, window, picture, listener):
    andon, world = seeded
    browser = new_browser(f"{listener.url}/push/chromium")
    context = window()
    page = open_account(context, andon, world, browser)
    section = page.locator("#this-browser")
    expect(section).to_contain_text("also when Andon is not open")
    section.get_by_role("button", name="Turn on in this browser").click()
    expect(page.locator("main")).to_contain_text("A test notification is on its way")
    expect(section).to_contain_text("Pages appear here as notifications")
    expect(section.get_by_role("button", name="Turn on in this browser")).to_be_hidden()
    picture(page, "push-on")
    test = browser.read(listener.heard[0])
    deliver(page, andon, test)
    (shown,) = page.evaluate(SHOWN)
    assert shown["title"] == "Andon: does this reach you?"
    assert shown["tag"] == test["key"]
    assert andon.sql("SELECT count(*) FROM people_contactpoint WHERE kind = 'push' AND verified_at IS NOT NULL") == [
        (0,)
    ]
    (worker,) = context.service_workers
    assert worker.url == f"{andon.base_url}/push-worker.js"
    assert worker.evaluate(CLICK) == [andon.base_url + test["link"]]
    assert andon.sql("SELECT count(*) FROM people_contactpoint WHERE kind = 'push' AND verified_at IS NOT NULL") == [
        (1,)
    ]
    section.get_by_role("button", name="Turn off in this browser").click()
    expect(section.get_by_role("button", name="Turn on in this browser")).to_be_visible()
    assert andon.sql("SELECT count(*) FROM people_contactpoint WHERE kind = 'push' AND removed_at IS NULL") == [(0,)]


def test_a_page_is_shown_until_it_is_seen_and_its_click_opens_the_link_and_acknowledges_nothing(
    seeded, window, listener
):
    andon, world = seeded
    context = window("phone")
    page, browser = turned_on(context, andon, world, listener)
    no_sideways_scroll(page)
    told = browser.read(listener.heard[0]) | {
        "kind": "page", "key": "one", "tag": "incident", "title": "[S2] INC-1 Credit scorer: approvals fell",
        "body": "First: roll back", "link": "/a/not-a-real-token", "take": "I have it", "act": "Look and acknowledge",
    }  # fmt: skip
    deliver(page, andon, told, times=2)  # sent again after a crash
    (shown,) = page.evaluate(SHOWN)
    assert shown["stays"]
    assert (shown["title"], shown["body"]) == (told["title"], told["body"])
    asked: list[str] = []
    context.on("request", lambda request: asked.append(request.method))
    (worker,) = context.service_workers
    assert worker.evaluate(CLICK) == [f"{andon.base_url}/a/not-a-real-token"]
    assert "POST" not in asked
    deliver(page, andon, told | {"link": "https://elsewhere.example.org/x"})
    assert worker.evaluate(CLICK) == []


def test_i_have_it_acknowledges_with_every_page_closed_and_says_what_came_of_it(seeded, window, listener):
    andon, world = seeded
    context = window("phone")
    page, browser = turned_on(context, andon, world, listener)
    first, second, third = (andon.python(PAGE, email=world["email"]) for _ in range(3))
    told = browser.read(listener.heard[0]) | {"kind": "page", "take": "I have it", "act": "Look and acknowledge"}

    def one(made: dict) -> dict:
        return told | {"key": made["ref"], "tag": made["ref"], "title": f"[S2] {made['ref']}", "link": made["link"]}

    deliver(page, andon, one(first))
    (worker,) = context.service_workers
    assert worker.evaluate(SHOWN_NOW)[0]["buttons"] == ["I have it", "Look and acknowledge"]
    context.clear_cookies()  # nothing rides on the session
    page.goto("about:blank")

    def press() -> dict:
        assert worker.evaluate(CLICK, "take") == []  # no window opens
        (shown,) = worker.evaluate(SHOWN_NOW)
        return shown

    shown = press()
    assert shown["title"] == f"You have {first['ref']}"
    assert (shown["stays"], shown["buttons"]) == (False, ["Open"])
    assert acknowledged_by(andon, first) == world["email"]
    assert worker.evaluate(CLICK) == [f"{andon.base_url}{first['link']}"]

    andon.python(TAKE, number=second["number"], email=world["email"])
    worker.evaluate("(told) => show(told)", one(second))
    shown = press()
    assert shown["title"].endswith(f" has {second['ref']}")
    assert "There is nothing for you to do." in shown["body"]
    assert acknowledged_by(andon, second) != world["email"]
    worker.evaluate(CLICK)

    worker.evaluate("() => { self.fetched = self.fetch; self.fetch = () => Promise.reject(new TypeError('offline')); }")
    worker.evaluate("(told) => show(told)", one(third))
    for _ in range(2):
        shown = press()
        assert shown["title"] == "Andon did not answer"
        assert shown["body"] == f"Try again, or open the incident.\n[S2] {third['ref']}"
        assert (shown["stays"], shown["buttons"]) == (True, ["I have it", "Look and acknowledge"])
    worker.evaluate("() => { self.fetch = self.fetched; }")
    assert press()["title"] == f"You have {third['ref']}"
    assert acknowledged_by(andon, third) == world["email"]


def test_i_have_it_asks_nobody_but_this_andon_and_says_when_a_link_is_no_more(seeded, window, listener):
    andon, world = seeded
    context = window()
    page, browser = turned_on(context, andon, world, listener)
    heard = len(listener.heard)
    told = browser.read(listener.heard[0]) | {"kind": "page", "key": "k", "take": "I have it", "act": "Look"}
    deliver(page, andon, told | {"link": f"{listener.url}/thief"})
    (worker,) = context.service_workers
    assert worker.evaluate(CLICK, "take") == []
    assert worker.evaluate(SHOWN_NOW) == []
    assert len(listener.heard) == heard
    worker.evaluate("(told) => show(told)", told | {"link": "/a/not-a-real-token"})
    worker.evaluate(CLICK, "take")
    (shown,) = worker.evaluate(SHOWN_NOW)
    assert shown["title"] == "This page does not work any more"
    assert (shown["stays"], shown["buttons"]) == (True, ["Open"])


def acknowledged_by(andon: RunningAndon, made: dict) -> str:
    rows = andon.sql(
        "SELECT p.email FROM incidents_incident i JOIN people_person p ON p.id = i.acknowledged_by_id WHERE i.number = ?",
        made["number"],
    )
    return rows[0][0] if rows else ""


def test_where_notifications_are_not_allowed_it_is_said_what_to_do(seeded, window, listener):
    andon, world = seeded
    page = window().new_page()
    page.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'denied' })")
    sign_in(page, andon, world)
    page.goto(f"{andon.base_url}/account")
    expect(page.locator("#this-browser")).to_contain_text("Allow them in its settings for this site")
    expect(page.get_by_role("button", name="Turn on in this browser")).to_be_hidden()
