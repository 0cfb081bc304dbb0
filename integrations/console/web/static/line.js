// The command line: a combobox (ARIA Authoring Practices, "editable combobox with list
// autocomplete") whose words come from the same table that reads the commands.
import { $, $$, make, store } from "./dom.js";
import { say } from "./outbox.js";

export function commandLines() {
  for (const form of $$("form[data-line]")) wire(form);
  document.addEventListener("slipway:line", () => $$("form[data-line]:not([data-wired])").forEach(wire));
  // What an empty channel offers is put into the line, to be looked at and sent.
  document.addEventListener("submit", (e) => {
    const form = e.target.closest("[data-fill]");
    if (!form) return;
    e.preventDefault();
    const field = document.getElementById(form.dataset.fill + "-text");
    field.value = form.elements.text.value;
    field.focus();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

function wire(form) {
  form.dataset.wired = "";
  const field = $("textarea", form);
  const list = $("[role=listbox]", form);
  const draft = "draft:" + form.getAttribute("action");
  let active = -1;
  let back = 0; // how far recalled
  let kept = "";
  let asked = 0;
  let timer = 0;

  field.setAttribute("role", "combobox");
  field.setAttribute("aria-autocomplete", "list");
  field.setAttribute("aria-controls", list.id);
  field.setAttribute("aria-expanded", "false");
  if (!field.value) field.value = store.get(draft, "");
  grow();

  function grow() {
    if (!CSS.supports("field-sizing", "content")) field.rows = Math.min(field.value.split("\n").length, 10);
  }
  const isOpen = () => !list.hidden;
  function shut() {
    list.hidden = true;
    list.replaceChildren();
    active = -1;
    field.setAttribute("aria-expanded", "false");
    field.removeAttribute("aria-activedescendant");
  }
  function choose(n) {
    const all = [...list.children];
    active = n < 0 ? -1 : (n + all.length) % all.length;
    all.forEach((li, i) => li.setAttribute("aria-selected", String(i === active)));
    if (active < 0) field.removeAttribute("aria-activedescendant");
    else {
      field.setAttribute("aria-activedescendant", all[active].id);
      all[active].scrollIntoView({ block: "nearest" });
    }
  }
  function accept(word) {
    const cut = Math.max(field.value.lastIndexOf(" "), field.value.lastIndexOf("\n")) + 1;
    field.value = field.value.slice(0, cut) + word + (word.endsWith("=") ? "" : " ");
    shut();
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
  async function suggest() {
    const line = field.value.slice(field.value.lastIndexOf("\n") + 1);
    const mine = ++asked;
    if (!line.trim() || field.selectionEnd !== field.value.length) return shut();
    const channel = $("main.room")?.dataset.channel ?? "";
    let found = [];
    try {
      const r = await fetch(`/complete?${new URLSearchParams({ channel, line })}`, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(5000) });
      if (r.ok) found = (await r.json()).words;
    } catch {
      return;
    }
    if (mine !== asked || document.activeElement !== field) return;
    const last = line.slice(line.lastIndexOf(" ") + 1);
    if (!found.length || (found.length === 1 && found[0].word === last)) return shut();
    list.replaceChildren(...found.map((w, i) => {
      const li = make("li", { role: "option", id: `${list.id}-${i}`, "aria-selected": "false" }, make("b", {}, w.word), make("span", {}, w.help ?? ""));
      li.addEventListener("pointerdown", (e) => {
        e.preventDefault(); // the focus stays in the line
        accept(w.word);
      });
      return li;
    }));
    list.hidden = false;
    list.scrollTop = 0;
    active = -1;
    field.setAttribute("aria-expanded", "true");
    field.removeAttribute("aria-activedescendant");
  }
  function recall(step) {
    const said = store.get("said", []);
    const to = Math.max(0, Math.min(said.length, back + step));
    if (to === back) return false;
    if (back === 0) kept = field.value;
    back = to;
    field.value = back === 0 ? kept : said[said.length - back];
    field.setSelectionRange(field.value.length, field.value.length);
    grow();
    shut();
    return true;
  }

  field.addEventListener("input", () => {
    back = 0;
    grow();
    store.set(draft, field.value);
    clearTimeout(timer);
    timer = setTimeout(suggest, 70);
  });
  field.addEventListener("blur", shut);
  field.addEventListener("keydown", (e) => {
    if (e.isComposing) return;
    const plain = !e.shiftKey && !e.ctrlKey && !e.altKey && !e.metaKey;
    if (e.key === "Enter" && plain) {
      e.preventDefault();
      if (isOpen() && active >= 0) accept($("b", list.children[active]).textContent);
      else form.requestSubmit();
    } else if (e.key === "Tab" && plain && isOpen()) {
      e.preventDefault();
      accept($("b", list.children[Math.max(active, 0)]).textContent);
    } else if (e.key === "Escape" && isOpen()) {
      e.preventDefault();
      e.stopPropagation();
      shut();
    } else if (e.key === "ArrowDown" && plain && isOpen()) {
      e.preventDefault();
      choose(active + 1);
    } else if (e.key === "ArrowUp" && plain && isOpen() && active >= 0) {
      e.preventDefault();
      choose(active === 0 ? -1 : active - 1);
    } else if (e.key === "ArrowUp" && plain && !field.value.slice(0, field.selectionStart).includes("\n")) {
      if (recall(1)) e.preventDefault();
    } else if (e.key === "ArrowDown" && plain && back > 0) {
      if (recall(-1)) e.preventDefault();
    }
  });
  // A key that was taken above must not write a line as well, wherever it came from.
  let shift = false;
  field.addEventListener("keydown", (e) => (shift = e.shiftKey), true);
  field.addEventListener("beforeinput", (e) => {
    if ((e.inputType === "insertLineBreak" || e.inputType === "insertParagraph") && !shift) e.preventDefault();
  });
  form.addEventListener("submit", (e) => {
    e.preventDefault();
    const text = field.value.trimEnd();
    if (!text.trim()) return;
    say(form, text);
    const said = store.get("said", []).filter((s) => s !== text);
    store.set("said", [...said, text].slice(-50));
    field.value = "";
    back = 0;
    asked++; // a late answer is not shown
    clearTimeout(timer);
    store.set(draft, "");
    shut();
    grow();
    field.focus();
    const scroller = form.closest(".room, .thread")?.querySelector(".scroller");
    if (scroller) scroller.scrollTop = 0;
  });
}
