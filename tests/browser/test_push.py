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
CLICK = """async () => {
  const [notification] = await self.registration.getNotifications();
  const waiting = [];
  const click = new NotificationEvent("notificationclick", { notification, action: "open" });
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
    browser = new_browser(f"{listener.url}/push/chromium")
    context = window("phone")
    page = open_account(context, andon, world, browser)
    page.get_by_role("button", name="Turn on in this browser").click()
    expect(page.locator("main")).to_contain_text("A test notification is on its way")
    no_sideways_scroll(page)
    told = browser.read(listener.heard[0]) | {
        "kind": "page", "key": "one", "tag": "incident", "title": "[S2] INC-1 Credit scorer: approvals fell",
        "body": "First: roll back", "link": "/a/not-a-real-token", "act": "Acknowledge",
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


def test_where_notifications_are_not_allowed_it_is_said_what_to_do(seeded, window, listener):
    andon, world = seeded
    page = window().new_page()
    page.add_init_script("Object.defineProperty(Notification, 'permission', { get: () => 'denied' })")
    sign_in(page, andon, world)
    page.goto(f"{andon.base_url}/account")
    expect(page.locator("#this-browser")).to_contain_text("Allow them in its settings for this site")
    expect(page.get_by_role("button", name="Turn on in this browser")).to_be_hidden()
