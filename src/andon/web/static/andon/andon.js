/* What a page gains where scripts run: keys, ticking times, a remembered theme, holding instead of two presses,
   live regions that change nothing but what changed. Everything here has a way that works without it. */
"use strict";

(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const go = (selector) => { const link = document.querySelector(selector); if (link) location.assign(link.href); };

  /* --- Times: the same words as andon/kit/spans.py ------------------------------------------------ */
  const two = (seconds, unit, name, lesser, lesserName) => {
    const part = Math.floor((seconds % unit) / lesser);
    return `${Math.floor(seconds / unit)} ${name}${part ? ` ${part} ${lesserName}` : ""}`;
  };
  const span = (seconds) => {
    const s = Math.floor(Math.abs(seconds));
    if (s < 60) return `${s} s`;
    if (s < 3600) return `${Math.floor(s / 60)} min`;
    if (s < 86400) return two(s, 3600, "h", 60, "min");
    if (s < 14 * 86400) return two(s, 86400, "d", 3600, "h");
    return `${Math.floor(s / 86400)} d`;
  };
  const relative = (ahead) => (Math.abs(ahead) < 5 ? "now" : ahead > 0 ? `in ${span(ahead)}` : `${span(ahead)} ago`);
  const say = (element, words) => { if (element.textContent !== words) element.textContent = words; };
  const ahead = (iso) => (Date.parse(iso) - Date.now()) / 1000;

  function tick() {
    for (const e of all("[data-relative]")) {
      const time = e.closest("time");
      if (time) say(e, relative(ahead(time.dateTime)));
    }
    for (const e of all("[data-until]")) say(e, relative(ahead(e.dataset.until)));
    for (const e of all("[data-left]")) {
      const left = ahead(e.dataset.left);
      say(e, span(left) + (left > 0 ? "" : " over"));
      (e.closest(".clock") || e).classList.toggle("over", left <= 0);
    }
  }

  /* --- Theme: kept in a cookie, so that the server draws the first paint in it --------------------- */
  function choose(theme) {
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `andon_theme=${theme}; Path=/; Max-Age=${theme ? 31536000 : 0}; SameSite=Lax${secure}`;
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    for (const b of all("[data-theme-choice]")) b.setAttribute("aria-pressed", String(b.dataset.themeChoice === theme));
  }

  /* --- Holding a dangerous button does what opening it and pressing again does ---------------------- */
  const HOLD = 900;
  function hold(summary) {
    let timer = 0;
    let done = false;
    const let_go = () => { clearTimeout(timer); timer = 0; summary.classList.remove("holding"); };
    summary.addEventListener("pointerdown", (event) => {
      const details = summary.parentElement;
      if (event.button !== 0 || details.open) return;
      done = false;
      summary.classList.add("holding");
      timer = setTimeout(() => { done = true; let_go(); details.querySelector("form").requestSubmit(); }, HOLD);
    });
    for (const end of ["pointerup", "pointerleave", "pointercancel"]) summary.addEventListener(end, let_go);
    summary.addEventListener("contextmenu", (event) => { if (timer) event.preventDefault(); });
    summary.addEventListener("click", (event) => { if (done) event.preventDefault(); });
    summary.title = "Press to see what it does, or hold to do it";
  }

  /* --- What is only of use where scripts run -------------------------------------------------------- */
  function enhance(root) {
    for (const e of all("[data-themes], [data-dismiss], [data-keys]", root)) e.hidden = false;
    for (const e of all("[data-without-script]", root)) e.hidden = true;
    for (const e of all("[data-hold]", root)) hold(e);
    /* What scrolls sideways within the page can be reached, and so scrolled, by keyboard */
    for (const e of all(".table-wrap, pre, .prose table", root)) if (e.scrollWidth > e.clientWidth) e.tabIndex = 0;
    const problems = root.querySelector("[data-focus]");
    if (problems) problems.focus();
  }

  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-dismiss], [data-theme-choice], [data-keys]");
    for (const menu of all("details.menu[open], .dock details[open]")) if (!menu.contains(event.target)) menu.open = false;
    if (!target) return;
    if ("dismiss" in target.dataset) target.closest(".flash").remove();
    else if ("keys" in target.dataset) keys();
    else choose(target.dataset.themeChoice);
  });
  document.addEventListener("change", (event) => {
    const form = event.target.closest("form[data-send-on-change]");
    if (form) form.requestSubmit();
  });

  /* --- Keys ------------------------------------------------------------------------------------------ */
  const PLACES = { h: '.side a[href="/"]', i: '.side a[href="/incidents"]', s: '.side a[href="/systems"]' };
  let going = 0;
  function keys() {
    const dialog = document.getElementById("keys");
    if (dialog && !dialog.open) dialog.showModal();
  }
  const writing = (e) => e.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(e.tagName);

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") for (const menu of all("details.menu[open], .dock details[open]")) menu.open = false;
    if (event.ctrlKey || event.metaKey || event.altKey || writing(event.target) || document.querySelector("dialog[open]")) return;
    const pressed = event.key;
    if (going && Date.now() - going < 1200 && PLACES[pressed]) { going = 0; go(PLACES[pressed]); return; }
    going = pressed === "g" ? Date.now() : 0;
    if (pressed === "c") go('[aria-keyshortcuts="c"]');
    else if (pressed === "?") keys();
    else if (pressed === "a") { const act = document.querySelector('[data-key="a"]'); if (act) act.click(); }
    else if (pressed === "/" || pressed === "n") {
      const here = pressed === "/" ? ', main input[type="search"]' : "";
      /* A narrow window hides the search in the bar: then the page's own, else the list of incidents, which has one */
      const field = all(`[aria-keyshortcuts="${pressed}"]:is(input, textarea)${here}`).find((e) => e.getClientRects().length);
      if (field) { event.preventDefault(); field.focus(); } else if (pressed === "/") go(PLACES.i);
    }
  });

  /* --- Live pages ------------------------------------------------------------------------------------ */
  /* The markup without what differs between two drawings of the same facts. */
  function facts(root) {
    const copy = root.cloneNode(true);
    for (const e of all("[data-relative], [data-until], [data-left], script", copy)) e.textContent = "";
    for (const e of all("input[name=csrfmiddlewaretoken]", copy)) e.remove();
    for (const e of all("*", copy)) {
      for (const name of ["open", "hidden", "title", "aria-pressed"]) e.removeAttribute(name);
      for (const name of ["holding", "over", "is-new", "htmx-added", "htmx-settling", "htmx-swapping"]) e.classList.remove(name);
      if (!e.getAttribute("class")) e.removeAttribute("class");
    }
    return copy.innerHTML.replace(/\s+/g, " ");
  }
  /* Somebody writes there, or has begun to and looks elsewhere for a moment: what they wrote must not vanish. */
  const begun = (region) => all("textarea:not([readonly]), input[type=text]", region).some((e) => e.value !== e.defaultValue);
  const busy = (region) => region.contains(document.activeElement) && writing(document.activeElement) || begun(region)
    || region.querySelector(".confirm[open]") !== null;

  /* The timeline only ever grows: put in what is new, touch nothing else. */
  function merge(timeline, fresh) {
    /* With the top of the timeline in sight an entry slides in; further down, what is being read stays where it is. */
    const bar = document.querySelector(".bar").offsetHeight;
    const reading = timeline.getBoundingClientRect().top < bar;
    const anchor = reading && all(".entry", timeline).find((e) => e.getBoundingClientRect().top > bar);
    const before = anchor ? anchor.getBoundingClientRect().top : 0;
    for (const entry of all(".entry", fresh).reverse()) {
      if (document.getElementById(entry.id)) continue;
      const heading = entry.parentElement.previousElementSibling;
      let first = timeline.querySelector("h3");
      if (!first || first.dataset.date !== heading.dataset.date) {
        const list = document.createElement("ol");
        first = heading.cloneNode(true);
        timeline.prepend(first, list);
        const empty = timeline.querySelector(".empty");
        if (empty) empty.remove();
      }
      entry.classList.add("is-new");
      first.nextElementSibling.prepend(entry);
    }
    if (anchor) window.scrollBy(0, anchor.getBoundingClientRect().top - before);
  }

  document.addEventListener("htmx:oobBeforeSwap", (event) => {
    const { target, fragment } = event.detail;
    const fresh = fragment.firstElementChild || fragment;
    if (target.id === "timeline") { merge(target, fresh); event.detail.shouldSwap = false; return; }
    if (busy(target) || facts(target) === facts(fresh)) { event.detail.shouldSwap = false; return; }
    const open = all("details[open][id]", target).map((e) => e.id);
    for (const details of all("details[id]", fresh)) if (open.includes(details.id)) details.open = true;
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, serverResponse } = event.detail;
    if (!target || !("ifChanged" in target.dataset)) return;
    const page = new DOMParser().parseFromString(serverResponse, "text/html");
    const fresh = page.getElementById(target.id);
    if (!fresh || facts(fresh) === facts(target)) event.detail.shouldSwap = false;
  });
  document.addEventListener("htmx:load", (event) => { if (event.detail.elt !== document.body) enhance(event.detail.elt); tick(); });

  enhance(document);
  tick();
  setInterval(tick, 1000);
})();
