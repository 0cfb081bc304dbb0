// What a person says, sets or presses is kept in this window until the bot has it. Each has an id
// of its own, made here; however often it is sent, it is done once.
import { $, $$, make, newID, store } from "./dom.js";
import { refreshBanner } from "./live.js";
import { want } from "./chat.js";

const hour = 3600_000;
let queue = [];
let busy = false;
let retry = 0;
let timer = 0;

export const waiting = () => queue.filter((i) => i.fate !== "refused").length;

function save() {
  store.set("outbox", queue);
  show();
  refreshBanner();
}

// drop forgets what the page shows as said.
export function drop(id) {
  document.getElementById("p-" + id)?.remove();
  if (!queue.some((i) => i.id === id)) return;
  queue = queue.filter((i) => i.id !== id);
  save();
}

// put adds something to be sent.
export function put(item) {
  item.at = Date.now();
  item.fate = "sending";
  // A reaction is set or not: what was clicked last counts.
  if (item.kind === "react") queue = queue.filter((i) => !(i.kind === "react" && i.message === item.message && i.emoji === item.emoji && !i.flying));
  queue.push(item);
  save();
  pump();
}

// pump sends what waits, one after the other, in the order in which it was said.
export async function pump() {
  if (busy) return;
  clearTimeout(timer);
  const item = queue.find((i) => i.fate !== "refused" && i.fate !== "old");
  if (!item) return;
  if (Date.now() - item.at > hour && !item.sure) {
    item.fate = "old"; // things have moved on: it is asked about
    save();
    return pump();
  }
  busy = true;
  item.flying = true;
  const outcome = await send(item);
  item.flying = false;
  busy = false;
  if (outcome === "again") {
    const fate = item.fate === "out" ? "out" : "waiting";
    for (const i of queue) if (["sending", "waiting", "out"].includes(i.fate)) i.fate = fate;
    retry++;
    save();
    timer = setTimeout(pump, Math.min(700 * 1.7 ** Math.min(retry, 6), 10_000));
    return;
  }
  retry = 0;
  if (outcome === "done") queue = queue.filter((i) => i !== item);
  save();
  pump();
}

async function send(item) {
  if (item.fate === "out") item.fate = "waiting";
  let r;
  try {
    r = await fetch(item.url, { method: "POST", headers: { Accept: "application/json" }, body: new URLSearchParams(item.form), redirect: "manual", signal: AbortSignal.timeout(20_000) });
  } catch {
    return "again";
  }
  if (r.type === "opaqueredirect" || r.status === 401) {
    item.fate = "out"; // kept until the person is back
    return "again";
  }
  if ([408, 425, 429, 502, 503, 504].includes(r.status)) return "again";
  let answer = {};
  try {
    answer = await r.json();
  } catch {
    if (r.ok) return "again"; // half an answer: nobody knows whether it arrived, and a repeat is harmless
  }
  if (!r.ok) {
    item.fate = "refused";
    item.why = answer.error ? answer.error.text + (answer.error.hint ? "; " + answer.error.hint : "") : `the bot answered with ${r.status}`;
    return "refused";
  }
  if (item.kind === "say") {
    queue = queue.filter((i) => i !== item);
    if (!$(`[data-say="${CSS.escape(item.id)}"]`)) ghost(item); // the stream may have been faster
    want(answer.thread || answer.id);
    return "done";
  }
  want(answer.thread || answer.id);
  document.dispatchEvent(new CustomEvent("slipway:sent", { detail: { form: item.form, answer } }));
  return "done";
}

// --- how it is shown ------------------------------------------------------------------------

const words = {
  sending: "Sending…",
  waiting: "Not sent yet. It is kept, and sent once when Slipway answers.",
  out: "Not sent: you are logged out. It is kept until you are back.",
  old: "Not sent for over an hour. Does it still hold?",
  sent: "",
};

// ghost leaves a line that was sent where it is until the message itself takes its place; should
// that never be seen here, it does not stay for ever.
function ghost(item) {
  const el = document.getElementById("p-" + item.id);
  if (!el) return;
  el.dataset.fate = "sent";
  $(".fate", el)?.remove();
  setTimeout(() => el.remove(), 8000);
}

export function fateOf(item) {
  const p = make("p", { class: "fate" + (item.fate === "refused" ? " refused" : ""), role: "status" }, item.fate === "refused" ? "Refused: " + item.why + "." : words[item.fate]);
  const act = (text, what) => {
    const b = make("button", { class: "button quiet", type: "button" }, text);
    b.addEventListener("click", what);
    p.append(" ", b);
  };
  if (item.fate === "old" || item.fate === "refused") {
    act(item.fate === "old" ? "Send it now" : "Try again", () => {
      item.sure = true;
      item.fate = "sending";
      save();
      pump();
    });
  }
  if (item.fate !== "sending") {
    act("Discard", () => {
      queue = queue.filter((i) => i !== item);
      save();
    });
  }
  return p;
}

// show brings what the page shows of the queue up to date.
function show() {
  for (const el of $$("[data-pending]")) if (!queue.some((i) => i.id === el.dataset.pending) && el.dataset.fate !== "sent") el.remove();
  for (const el of $$('[data-act] [aria-busy="true"]')) el.removeAttribute("aria-busy");
  for (const item of queue) {
    if (item.kind === "say") showLine(item);
    else if (item.kind === "form") showForm(item);
    else showClick(item);
  }
  document.dispatchEvent(new CustomEvent("slipway:outbox", { detail: queue }));
}

function showLine(item) {
  const path = new URL(item.url, location.origin).pathname;
  const line = $$("form[data-line]").find((f) => new URL(f.action).pathname === path);
  const list = line?.closest("#thread") ? $("#thread-pending") : line ? $("#pending") : null;
  if (!list) return;
  const el = document.getElementById("p-" + item.id);
  if (el && el.dataset.fate === item.fate) return;
  const me = $(".me-name b")?.textContent ?? "";
  const next = make("li", { class: "message", id: "p-" + item.id, "data-pending": item.id, "data-fate": item.fate },
    make("div", { class: "said" }, $(".me .avatar")?.cloneNode(true) ?? "",
      make("div", { class: "said-body" }, make("header", { class: "said-head" }, make("b", { class: "author" }, me)), make("p", { class: "text" }, item.form.text), fateOf(item))));
  if (el) el.replaceWith(next);
  else list.append(next);
  $("[data-welcome]")?.remove();
}

function showClick(item) {
  for (const prefix of ["m-", "t-"]) {
    const body = $(`#${prefix}${CSS.escape(item.message)} > .said > .said-body`);
    if (body) showClickIn(body, item, `p-${prefix}${item.id}`);
  }
}

// showForm shows what became of a form beside it. A repeat is the same line under the same id.
function showForm(item) {
  for (const form of $$('form[data-act="say"]:not([data-line])')) {
    if (form.getAttribute("action") !== item.url || form.elements.command?.value !== item.form.command) continue;
    if (item.fate === "sending") $("button:not([type=button])", form)?.setAttribute("aria-busy", "true");
    note(form, item, "p-form-" + item.id);
    return;
  }
}

function showClickIn(body, item, id) {
  const pressed = item.kind === "press" ? $(`[data-button="${CSS.escape(item.form.button)}"]`, body) : $$(`[name="set"]`, body).find((b) => b.value === item.form.set);
  if (item.fate === "sending") pressed?.setAttribute("aria-busy", "true");
  note(body, item, id);
}

function note(body, item, id) {
  const el = document.getElementById(id);
  if (item.fate === "sending") return el?.remove();
  if (el && el.dataset.fate === item.fate) return;
  const next = make("div", { class: "pending", id, "data-pending": item.id, "data-fate": item.fate }, make("span", { class: "note" }, item.what + " "), fateOf(item));
  if (el) el.replaceWith(next);
  else body.append(next);
}

export function outbox() {
  queue = store.get("outbox", []).map((i) => ({ ...i, flying: false, fate: i.fate === "refused" ? "refused" : "waiting" }));
  document.addEventListener("submit", (e) => {
    const form = e.target.closest("form[data-act]");
    if (!form || e.defaultPrevented) return;
    const kind = form.dataset.act;
    const data = Object.fromEntries(new FormData(form, e.submitter));
    e.preventDefault();
    if (kind === "say") return put({ id: newID(), kind: "form", url: form.getAttribute("action"), form: { ...data, id: newID() }, message: "", what: `“${e.submitter?.textContent.trim() ?? "Answer"}”:` });
    const on = form.closest(".message")?.querySelector(".card-title")?.textContent;
    const emoji = data.set?.slice(data.set.indexOf(":") + 1);
    put({
      id: newID(),
      kind,
      url: form.getAttribute("action"),
      form: kind === "press" ? { ...data, id: newID() } : data,
      message: data.message,
      emoji,
      what: kind === "press" ? `“${e.submitter.textContent.trim()}”${on ? " on " + on : ""}:` : `${data.set.startsWith("on") ? "Your" : "Taking back your"} ${emoji}${on ? " on " + on : ""}:`,
    });
    form.querySelector("details.picker[open]")?.removeAttribute("open");
  });
  window.addEventListener("beforeunload", () => store.set("outbox", queue));
  window.addEventListener("online", () => pump());
  show();
  pump();
}

// say is what the command line sends.
export function say(form, text) {
  const id = newID();
  put({ id, kind: "say", url: form.getAttribute("action"), form: { id, text }, message: "", what: "" });
}
