/* Turning pages on and off in this browser. What is kept of it is sent by the forms of the page, as everywhere. */
"use strict";

(() => {
  const section = document.getElementById("this-browser");
  if (!section) return;
  const on = section.querySelector("[data-push-on]");
  const off = section.querySelector("[data-push-off]");
  const say = (name) => {
    for (const line of section.querySelectorAll("[data-push-says]")) line.hidden = line.dataset.pushSays !== name;
    on.hidden = name !== "off" && name !== "trouble";
    off.hidden = name !== "on";
  };
  const bytes = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (c) => c.charCodeAt(0));
  const words = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const digest = async (text) => [...new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)))]
    .map((b) => b.toString(16).padStart(2, "0")).join("");
  const key = section.dataset.pushKey;

  function name() {
    const facts = navigator.userAgentData;
    const brand = facts && facts.brands.map((b) => b.brand).find((b) => !/not.?a.?brand|chromium/i.test(b));
    const agent = navigator.userAgent;
    const known = /Firefox/.test(agent) ? "Firefox" : /Edg\//.test(agent) ? "Edge" : /Chrom/.test(agent) ? "Chrome" : /Safari/.test(agent) ? "Safari" : "Browser";
    const place = (facts && facts.platform) || (/Android/.test(agent) ? "Android" : /iPhone|iPad/.test(agent) ? "iOS" : /Mac/.test(agent) ? "macOS" : /Windows/.test(agent) ? "Windows" : "Linux");
    return `${brand || known} on ${place}`;
  }

  async function present() {
    const worker = await navigator.serviceWorker.getRegistration("/");
    return worker ? worker.pushManager.getSubscription() : null;
  }

  /* A subscription under keys that Andon no longer has is of no use: it is given up for one under the present key. */
  async function subscribe() {
    const worker = await navigator.serviceWorker.register(section.dataset.pushWorker, { scope: "/" });
    await navigator.serviceWorker.ready;
    const before = await worker.pushManager.getSubscription();
    if (before && before.options.applicationServerKey && words(before.options.applicationServerKey) !== key) await before.unsubscribe();
    return worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes(key) });
  }

  async function look() {
    if (!("serviceWorker" in navigator) || !("PushManager" in window) || !("Notification" in window)) return say("unable");
    if (Notification.permission === "denied") return say("denied");
    const subscription = await present();
    const id = subscription && await digest(subscription.endpoint);
    const point = id && [...section.querySelectorAll("[data-push-point]")].find((e) => e.dataset.pushPoint === id);
    if (!point) return say("off");
    off.action = point.value;
    return say("on");
  }

  on.addEventListener("submit", async (event) => {
    event.preventDefault();
    on.querySelector("button").disabled = true;
    try {
      if (await Notification.requestPermission() !== "granted") return say("denied");
      const given = await subscribe();
      on.elements.endpoint.value = given.endpoint;
      on.elements.p256dh.value = words(given.getKey("p256dh"));
      on.elements.auth.value = words(given.getKey("auth"));
      on.elements.label.value = name();
      return on.submit();
    } catch (error) {
      section.querySelector("[data-push-error]").textContent = error.message;
      return say("trouble");
    } finally {
      on.querySelector("button").disabled = false;
    }
  });
  off.addEventListener("submit", async (event) => {
    event.preventDefault();
    const subscription = await present();
    if (subscription) await subscription.unsubscribe();
    off.submit();
  });
  look();
})();
