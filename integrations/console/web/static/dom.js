// Small helpers around the document.

export const $ = (selector, root = document) => root.querySelector(selector);
export const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];

// make builds an element: make("p", {class: "x"}, "text", child).
export function make(name, attributes = {}, ...children) {
  const el = document.createElement(name);
  for (const [k, v] of Object.entries(attributes)) if (v !== undefined && v !== null && v !== false) el.setAttribute(k, v === true ? "" : v);
  el.append(...children);
  return el;
}

// newer compares ids of messages, which are numbers too long to be numbers.
export const newer = (a, b) => a.length > b.length || (a.length === b.length && a > b);

// parse reads a fragment into nodes.
export function parse(html) {
  const t = document.createElement("template");
  t.innerHTML = html;
  return t.content;
}

// morph turns the element old into the element next by the fewest changes, so that focus, scroll,
// what is unfolded and what is typed stay. What is marked data-keep is left alone.
export function morph(old, next) {
  if (old.isEqualNode(next)) return old;
  if (old.nodeType !== next.nodeType || old.nodeName !== next.nodeName || (old.id || "") !== (next.id || "")) {
    old.replaceWith(next);
    return next;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) {
    if (old.nodeValue !== next.nodeValue) old.nodeValue = next.nodeValue;
    return old;
  }
  if (old.hasAttribute("data-keep")) return old;
  for (const { name } of [...old.attributes]) {
    if (!next.hasAttribute(name) && !(name === "open" && (old.nodeName === "DETAILS" || old.nodeName === "DIALOG"))) old.removeAttribute(name);
  }
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  if (old.nodeName === "TEXTAREA" || (old.nodeName === "INPUT" && old.type !== "hidden")) return old;
  children(old, next);
  return old;
}

function children(old, next) {
  const keyed = new Map();
  for (const c of old.children) if (c.id) keyed.set(c.id, c);
  let at = old.firstChild;
  for (const n of [...next.childNodes]) {
    const same = n.id ? keyed.get(n.id) : null;
    if (same) {
      if (same === at) at = at.nextSibling;
      else old.insertBefore(same, at);
      morph(same, n);
    } else if (at && !at.id && !n.id && at.nodeName === n.nodeName) {
      const after = at.nextSibling;
      morph(at, n);
      at = after;
    } else {
      old.insertBefore(n, at);
    }
  }
  while (at) {
    const after = at.nextSibling;
    at.remove();
    at = after;
  }
}

// settle runs a change of the document and puts focus back near where it was, if what had it is gone.
export function settle(change) {
  const had = document.activeElement;
  const home = had && had.closest(".message, [id]");
  change();
  if (had && had !== document.body && document.activeElement === document.body && home) {
    const now = home.id && document.getElementById(home.id);
    const to = now && (now.matches("[tabindex]") ? now : $("[data-focus], [tabindex], button, a[href]", now));
    if (to) to.focus({ preventScroll: true });
  }
}

// announce tells those who listen to the page.
export function announce(text) {
  const log = $("#announce");
  log.append(make("p", {}, text));
  while (log.children.length > 5) log.firstChild.remove();
}

// store is what this window remembers; without storage it remembers until the page is left.
const memory = new Map();
export const store = {
  get(key, otherwise) {
    try {
      const raw = sessionStorage.getItem(key);
      return raw === null ? (memory.get(key) ?? otherwise) : JSON.parse(raw);
    } catch {
      return memory.get(key) ?? otherwise;
    }
  },
  set(key, value) {
    memory.set(key, value);
    try {
      sessionStorage.setItem(key, JSON.stringify(value));
    } catch {
      /* it is remembered until the page is left */
    }
  },
};

export function cookie(name) {
  return document.cookie.split("; ").find((c) => c.startsWith(name + "="))?.slice(name.length + 1) ?? "";
}
export function setCookie(name, value) {
  document.cookie = `${name}=${value}; Path=/; Max-Age=31536000; SameSite=Lax`;
}

// newID names something that a person does, for good.
export function newID() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
}
