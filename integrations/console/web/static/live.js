// What changes is shown without a reload. One stream tells which channels and runs changed; the
// parts of this page that show them are then fetched, and put in the place of the old ones.
import { $, $$, make, morph, parse, settle } from "./dom.js";
import { localize } from "./times.js";
import { chatNews, chatReset } from "./chat.js";
import { pump, waiting } from "./outbox.js";

let source = null;
let position = document.body.dataset.position;
let boot = position.split("-")[0];
let state = "live";
let fails = 0;
let bannerTimer = 0;
let hideTimer = 0;

export const connected = () => state === "live" || state === "back";

// listen opens the stream and keeps it open. A window that nobody has seen for a while lets go of
// it, since a browser opens few connections to one host; it reads what it missed when it is back.
export function listen() {
  if (!document.body.dataset.account || !window.EventSource) return;
  open();
  let gone = 0;
  document.addEventListener("visibilitychange", () => {
    clearTimeout(gone);
    if (document.hidden) gone = setTimeout(() => close(), 10 * 60_000);
    else if (!source) open();
  });
  window.addEventListener("pageshow", (e) => e.persisted && !source && open());
  window.addEventListener("online", () => source?.readyState !== EventSource.OPEN && (close(), open()));
}

function close() {
  source?.close();
  source = null;
}

function open() {
  source = new EventSource(`/events?since=${encodeURIComponent(position)}`);
  source.onmessage = (e) => {
    if (e.lastEventId) position = e.lastEventId;
    const news = JSON.parse(e.data);
    if (news.boot) hello(news.boot);
    take(news);
  };
  source.onerror = () => {
    fails++;
    lost();
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    close();
    if (fails % 3 === 0) check();
    setTimeout(() => source || open(), Math.min(1000 * 1.6 ** Math.min(fails, 7), 15_000) * (0.7 + 0.6 * Math.random()));
  };
}

// check finds out whether it is the session that ended.
async function check() {
  try {
    const r = await fetch("/complete?channel=@me&line=", { headers: { Accept: "application/json" }, redirect: "manual" });
    if (r.type === "opaqueredirect" || r.status === 401) banner("out", "You are logged out.", make("a", { href: `/login?next=${encodeURIComponent(location.pathname + location.search)}` }, "Log in again"));
  } catch {
    /* it is the connection */
  }
}

function hello(now) {
  fails = 0;
  const restarted = now !== boot;
  boot = now;
  clearTimeout(bannerTimer);
  bannerTimer = 0;
  if (state !== "live") {
    banner("back", restarted ? "Slipway was restarted and is back. This page is up to date." : "Connected again. This page is up to date.");
    hideTimer = setTimeout(() => banner("live", ""), 5000);
  }
  pump();
}

function lost() {
  if (bannerTimer || state === "lost") return;
  // A stream that ends and begins again at once is nobody's concern.
  bannerTimer = setTimeout(() => {
    bannerTimer = 0;
    lostBanner();
  }, 1200);
}

function lostBanner() {
  const n = waiting();
  banner("lost", "Slipway does not answer. Reconnecting…" + (n ? ` ${n === 1 ? "One thing waits" : n + " things wait"} to be sent.` : ""));
}

// refreshBanner is called when more or less waits to be sent.
export function refreshBanner() {
  if (state === "lost") lostBanner();
}

function banner(next, text, link) {
  clearTimeout(hideTimer);
  state = next;
  const el = $("#connection");
  el.dataset.connection = next;
  el.hidden = next === "live";
  const span = make("span", {}, text, " ", link ?? "");
  if (el.textContent !== span.textContent) el.replaceChildren(span);
}

// --- what changed --------------------------------------------------------------------------

const dirty = new Set(); // ids of elements to fetch
let fetching = false;

function take(news) {
  if (news.reset) {
    chatReset();
    dirtyRuns(["*"]);
    dirty.add("nav-channels");
  }
  if (news.messages?.length) chatNews(news.messages);
  if (news.runs?.length) dirtyRuns(news.runs);
  refresh();
}

function dirtyRuns(runs) {
  for (const el of $$("[data-live][id]")) {
    const topics = el.dataset.live.split(" ");
    if (topics.some((t) => t === "runs" || runs.includes("*") || (t.startsWith("run:") && runs.includes(t.slice(4))))) dirty.add(el.id);
  }
}

// later marks a part of the page for the next refresh.
export function later(id) {
  dirty.add(id);
  refresh();
}

async function refresh() {
  if (fetching || !dirty.size) return;
  fetching = true;
  const ids = [...dirty].slice(0, 20);
  for (const id of ids) dirty.delete(id);
  const url = new URL(location.href);
  url.hash = "";
  url.searchParams.set("fragment", ids.join(","));
  const html = await fragment(url);
  if (html === null) for (const id of ids) dirty.add(id);
  else {
    const content = parse(html);
    settle(() => {
      for (const id of ids) {
        const next = content.getElementById(id);
        const old = document.getElementById(id);
        if (next && old) {
          localize(next);
          morph(old, next);
          document.getElementById(id)?.dispatchEvent(new CustomEvent("slipway:fresh", { bubbles: true }));
        }
      }
    });
  }
  // At most a few times a second, however much happens.
  setTimeout(
    () => {
      fetching = false;
      refresh();
    },
    html === null ? 2000 : 250,
  );
}

// fragment fetches a part of a page; null when it cannot be had now.
export async function fragment(url) {
  try {
    const r = await fetch(url, { headers: { Accept: "text/html" }, redirect: "manual", signal: AbortSignal.timeout(20_000) });
    if (r.ok) return await r.text();
    if (r.status === 404 || r.status === 410) return ""; // it is gone, or not for us any more
  } catch {
    /* tried again */
  }
  return null;
}
