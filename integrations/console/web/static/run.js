// The pages of runs. Their forms say lines through the outbox, like everything that a person does;
// here is only what tells that a line was said, and where a large picture begins.
import { $, $$, make } from "./dom.js";
import { later } from "./live.js";

const waits = new Map(); // what is on its way: id in the outbox → the line

export function runs() {
  document.addEventListener("slipway:outbox", (e) => tell(e.detail.filter((i) => i.kind === "form" && i.form.command)));
  // A form whose line is on its way is closed.
  document.addEventListener("submit", (e) => e.target.closest?.("form.act")?.closest("details.act-fold")?.removeAttribute("open"));
  lookAt($("#run-picture-box"));
  // What is too large for the page is fetched now that the rest stands.
  for (const el of $$("[data-later][id]")) {
    el.addEventListener("slipway:fresh", () => lookAt($("#run-picture-box")), { once: true });
    later(el.id);
  }
}

// lookAt shows of a large picture where something goes on.
function lookAt(box) {
  const here = box?.querySelector(".sw-awaited, .sw-s-running, .sw-s-waiting");
  if (here) box.scrollTop = Math.max(0, here.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3);
}

// tell shows for a moment what was said. What is not taken is shown beside its form.
function tell(list) {
  for (const i of list) if (i.fate !== "refused") waits.set(i.id, i.form.command);
  for (const [id, line] of waits) {
    const item = list.find((i) => i.id === id);
    if (item && item.fate !== "refused") continue;
    waits.delete(id);
    if (item) continue;
    const note = make("div", { class: "fate-line done", "data-fate": "said" }, make("code", { dir: "auto" }, line), make("p", { class: "fate", role: "status" }, "Said. What comes of it shows here."));
    $("#fates")?.append(note);
    setTimeout(() => note.remove(), 7000);
  }
}
