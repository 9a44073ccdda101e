/* Shows pages as notifications, also when no page of Andon is open. "I have it" acknowledges at once, by the page's link,
   and says what came of it; any other click opens the link, which changes nothing. */
"use strict";

const UNREADABLE = { title: "Andon has a page for you", body: "Open Andon to see it.", link: "/", tag: "andon", key: "", kind: "page", take: "", act: "Open" };
const SETTLED = new Set(["yours", "theirs", "over"]); /* nothing is left to be seen: it goes by itself */
const PATIENCE = 20000; /* milliseconds for Andon to answer "I have it" */

const read = (event) => {
  try {
    return { ...UNREADABLE, ...event.data.json() };
  } catch {
    return UNREADABLE;
  }
};

/* A message sent again after a crash has the same key: it takes the place of the first without ringing once more. */
async function showNow(page) {
  const shown = await self.registration.getNotifications({ tag: page.tag });
  await self.registration.showNotification(page.title, {
    body: page.body,
    tag: page.tag,
    renotify: !(page.key && shown.some((one) => one.data && one.data.key === page.key)),
    requireInteraction: page.kind === "page",
    timestamp: page.at || Date.now(),
    data: page,
    actions: [...(page.take ? [{ action: "take", title: page.take }] : []), { action: "open", title: page.act }],
  });
}

/* One after the other: Chromium forgets a notification that is asked for while it is being shown. */
let last = Promise.resolve();
const show = (page) => (last = last.catch(() => undefined).then(() => showNow(page)));

/* Where a page's link leads; nowhere, if that is not in this Andon. */
function here(data) {
  const target = new URL(data.link, self.location.origin);
  return target.origin === self.location.origin ? target : null;
}

/* As the button behind the link does it: the link alone is the credential, so no cookie goes along. */
async function take(data) {
  const target = here(data);
  if (!target) return;
  const said = await fetch(target, {
    method: "POST",
    headers: { Accept: "application/json" },
    credentials: "omit",
    redirect: "error",
    signal: AbortSignal.timeout(PATIENCE),
  }).then((answer) => answer.json()).catch(() => null);
  /* What Andon answers is how it stands. Without an answer nobody knows, and pressing again does no harm. */
  const was = data.was || data.title;
  await show(said && said.said
    ? { ...data, kind: SETTLED.has(said.stands) ? "settled" : "page", title: said.said, body: `${said.then}\n${was}`, take: "", act: "Open" }
    : { ...data, was, title: "Andon did not answer", body: `Try again, or open the incident.\n${was}` });
}

async function open(data) {
  const target = here(data);
  if (!target) return;
  /* The click on a test is somebody saying that it arrived; the page behind the link then says so. */
  if (data.kind === "test") await fetch(target, { method: "POST", credentials: "omit", redirect: "error" }).catch(() => undefined);
  const windows = await self.clients.matchAll({ type: "window", includeUncontrolled: true });
  const there = windows.find((one) => one.url === target.href);
  await (there ? there.focus() : self.clients.openWindow(target.href));
}

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));
self.addEventListener("push", (event) => event.waitUntil(show(read(event))));
self.addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil((event.action === "take" ? take : open)(event.notification.data));
});
/* The push service gave this browser another address, which Andon does not know yet. */
self.addEventListener("pushsubscriptionchange", (event) => event.waitUntil(show({
  ...UNREADABLE,
  title: "Pages no longer reach this browser",
  body: "Turn them on again under Your account.",
  link: "/account#this-browser",
  tag: "andon-subscription",
  kind: "lost",
})));
