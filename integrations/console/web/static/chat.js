// The messages of a channel and the thread beside it.
import { $, $$, announce, cookie, morph, newer, parse, setCookie, settle } from "./dom.js";
import { fragment, later } from "./live.js";
import { localize } from "./times.js";
import { drop } from "./outbox.js";

const room = () => $("main.room[data-channel]");
const wanted = new Set(); // heads of threads to fetch
let whole = false; // the list as a whole is to be fetched
let busy = false;
let unseen = 0;
const title = document.title;

// chatNews is told which messages changed, in every channel that the viewer sees.
export function chatNews(list) {
  const here = room()?.dataset.channel;
  for (const m of list) {
    if (m.channel !== here) {
      if (m.posted) later("nav-channels");
      continue;
    }
    want(m.thread || m.id);
    if (m.posted) fresh.add(m.id);
    if (document.hidden && m.posted) {
      unseen++;
      document.title = `(${unseen}) ${title}`;
    }
  }
  work();
}

const fresh = new Set(); // posted, and not yet told to those who listen

export function want(head) {
  wanted.add(head);
  work();
}

export function chatReset() {
  whole = true;
  work();
}

async function work() {
  const r = room();
  if (busy || !r || (!wanted.size && !whole)) return;
  busy = true;
  const ids = [...wanted].slice(0, 60);
  const all = whole || wanted.size > 60;
  wanted.clear();
  whole = false;
  const open = $("#thread")?.dataset.threadOf;
  const url = new URL(r.dataset.path, location.origin);
  url.search = all ? location.search : "";
  url.searchParams.set("fragment", all ? "messages" : "some");
  if (!all) url.searchParams.set("ids", ids.join(","));
  const html = await fragment(url);
  if (html === null) {
    for (const id of ids) wanted.add(id);
    whole ||= all;
  } else {
    const content = parse(html);
    localize(content);
    settle(() => (all ? replaceAll(content) : merge(content)));
  }
  if (html !== null && open && (all || ids.includes(open))) {
    const thread = await fragment(`${r.dataset.path}/${open}?fragment=thread`);
    if (thread) showThread(thread);
  }
  told();
  seen();
  setTimeout(
    () => {
      busy = false;
      work();
    },
    html === null ? 2000 : 120,
  );
}

function replaceAll(content) {
  const next = content.getElementById("messages");
  const old = $("#messages");
  if (next && old) morph(old, next);
  for (const m of $$(".message[data-say]")) drop(m.dataset.say);
}

// merge puts messages where they belong: an old one in its place, a new one at the end.
function merge(content) {
  const list = $("#message-list");
  const end = atEnd();
  const live = room().dataset.liveEnd === "true";
  let added = false;
  for (const next of [...content.children]) {
    if (!next.matches?.(".message")) continue;
    const old = document.getElementById(next.id);
    for (const m of [next, ...$$(".message[data-say]", next)]) if (m.dataset.say) drop(m.dataset.say);
    if (old && list.contains(old)) {
      morph(old, next);
      continue;
    }
    const last = list.lastElementChild;
    if (!live || (last && !newer(next.dataset.message, last.dataset.message))) {
      const after = $$(":scope > .message", list).find((m) => newer(m.dataset.message, next.dataset.message));
      if (live && after && after !== list.firstElementChild) list.insertBefore(next, after);
      continue;
    }
    list.append(next);
    added = true;
  }
  if (list.children.length) $("[data-welcome]")?.remove();
  if (added && !end) $("#to-end").hidden = false;
}

// atEnd reports whether the newest message is in view. The list counts from its end.
function atEnd() {
  const s = $("#scroller");
  return !s || Math.abs(s.scrollTop) < 80;
}

function told() {
  for (const id of fresh) {
    fresh.delete(id);
    const m = document.getElementById("m-" + id) ?? document.getElementById("t-" + id);
    if (!m || m.classList.contains("mine")) continue;
    const text = m.querySelector(":scope > .said .card-title, :scope > .said .text")?.textContent ?? "";
    announce(`${m.querySelector(".author")?.textContent}: ${text.slice(0, 240)}`);
  }
}

// seen remembers what this window has shown, as the server does for a page.
function seen() {
  const r = room();
  if (!r || document.hidden || r.dataset.liveEnd !== "true" || !atEnd()) return;
  const ids = $$("#message-list .message").map((m) => m.dataset.message);
  const newest = ids.reduce((a, b) => (newer(b, a) ? b : a), "0");
  const parts = cookie("read").split("_").filter((p) => p && !p.startsWith(r.dataset.channel + ":"));
  const old = cookie("read").split("_").find((p) => p.startsWith(r.dataset.channel + ":"))?.split(":")[1] ?? "0";
  if (newer(newest, old)) setCookie("read", [`${r.dataset.channel}:${newest}`, ...parts].slice(0, 40).join("_"));
}

// --- the thread beside the channel ----------------------------------------------------------

function showThread(html) {
  const next = parse(html).getElementById("thread");
  if (!next) return;
  localize(next);
  const talk = $(".talk");
  const old = $("#thread");
  for (const m of $$(".message[data-say]", next)) drop(m.dataset.say);
  if (old && old.dataset.threadOf === next.dataset.threadOf) settle(() => morph(old, next));
  else {
    old?.remove();
    talk.append(next);
    talk.classList.add("with-thread");
    next.dispatchEvent(new CustomEvent("slipway:line", { bubbles: true }));
  }
}

function closeThread() {
  const of = $("#thread")?.dataset.threadOf;
  $("#thread")?.remove();
  $(".talk")?.classList.remove("with-thread");
  $(`#m-${of} > [data-focus]`)?.focus();
}

// threads opens and closes threads in place; the links lead to whole pages where this fails.
export function threads() {
  if (!room()) return;
  document.addEventListener("click", async (e) => {
    if (e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const close = e.target.closest("[data-close-thread]");
    if (close) {
      e.preventDefault();
      closeThread();
      history.pushState(null, "", room().dataset.path);
      return;
    }
    const link = e.target.closest("[data-open-thread]");
    if (!link) return;
    e.preventDefault();
    const url = new URL(link.href);
    const part = new URL(url);
    part.hash = "";
    part.searchParams.set("fragment", "thread");
    const html = await fragment(part);
    if (!html) {
      location.href = link.href;
      return;
    }
    showThread(html);
    history.pushState(null, "", url.pathname);
    if (matchMedia("(hover: hover)").matches) $("#thread-line-text")?.focus();
  });
  window.addEventListener("popstate", async () => {
    const r = room();
    const head = location.pathname.startsWith(r.dataset.path + "/") && location.pathname.slice(r.dataset.path.length + 1);
    if (!head) return closeThread();
    const html = await fragment(`${r.dataset.path}/${head}?fragment=thread`);
    if (html) showThread(html);
    else location.reload();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    unseen = 0;
    document.title = title;
    seen();
  });
  $("#scroller")?.addEventListener("scroll", () => {
    if (!atEnd()) return;
    $("#to-end").hidden = true;
    seen();
  }, { passive: true });
  $("#to-end")?.addEventListener("click", (e) => {
    if (room().dataset.liveEnd !== "true") return;
    e.preventDefault();
    $("#scroller").scrollTop = 0;
  });
}
