// Everything by keyboard; the list of keys is in the page, behind "?".
import { $, $$ } from "./dom.js";

let before = "";

export function keys() {
  document.addEventListener("click", (e) => {
    const link = e.target.closest("[data-keys]");
    if (!link || e.ctrlKey || e.metaKey || e.shiftKey) return;
    e.preventDefault();
    $("#keys").showModal();
  });
  document.addEventListener("keydown", (e) => {
    if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return;
    const typing = e.target.matches("input, textarea, select, [contenteditable]");
    if (e.key === "Escape") return escape(e, typing);
    if (typing || $("dialog[open]")) return;
    const two = before + e.key;
    before = e.key === "g" ? "g" : "";
    const act = {
      "/": line,
      j: () => move(1),
      k: () => move(-1),
      "?": () => $("#keys").showModal(),
      gc: () => $("#nav [data-channel]")?.focus(),
    }[two.length === 2 && two[0] === "g" ? two : e.key];
    if (act) {
      e.preventDefault();
      act();
    } else if (e.key === "Enter" && e.target.matches(".said")) {
      e.preventDefault();
      (e.target.querySelector("[data-open-thread]") ?? e.target.closest(".message")?.parentElement.closest(".message")?.querySelector("[data-open-thread]"))?.click();
    }
  });
}

function line() {
  ($("#thread-line-text") ?? $("#line-text") ?? $("input[type=search]"))?.focus();
}

// escape closes what is open, from the inside out.
function escape(e, typing) {
  const picker = $("details.picker[open]");
  if (picker) {
    picker.open = false;
    $("summary", picker).focus();
  } else if ($("#thread") && (!typing || !e.target.value)) $("[data-close-thread]").click();
  else if (typing) e.target.blur();
}

function move(step) {
  const area = document.activeElement?.closest("#thread") ?? $("main");
  const all = $$(".said[data-focus], [data-row]", area).filter((m) => m.offsetParent);
  if (!all.length) return;
  const at = all.indexOf(document.activeElement?.closest(".said[data-focus], [data-row]"));
  // Talk is read from its end, other lists from their beginning.
  const next = at < 0 ? (all[0].closest("[data-list]") ? all.at(-1) : all[0]) : all[Math.max(0, Math.min(all.length - 1, at + step))];
  const to = next.matches("[tabindex], a, button") ? next : (next.querySelector("a, button") ?? next);
  to.focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}
