/* Shows pages as notifications, also when no page of Andon is open, and opens their link when they are clicked.
   Opening a link changes nothing: a page is acknowledged by the button behind it. */
"use strict";

const UNREADABLE = { title: "Andon has a page for you", body: "Open Andon to see it.", link: "/", tag: "andon", key: "", kind: "page", act: "Open" };

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
    data: { key: page.key, kind: page.kind, link: page.link },
    actions: [{ action: "open", title: page.act }],
  });
}

/* One after the other: Chromium forgets a notification that is asked for while it is being shown. */
let last = Promise.resolve();
const show = (page) => (last = last.catch(() => undefined).then(() => showNow(page)));

async function open(data) {
  const target = new URL(data.link, self.location.origin);
  if (target.origin !== self.location.origin) return;
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
  event.waitUntil(open(event.notification.data));
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
