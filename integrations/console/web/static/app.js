// Slipway in the browser. Every page works without this; with it the page is live.
//
// Hooks for tests and for other scripts, all in the markup:
//   body[data-position]               where the page stands in the stream of what changed
//   #connection[data-connection]      live, lost, back or out (logged out)
//   main.room[data-channel]           the channel shown; [data-live-end] whether its newest messages are
//   .message[data-message]            a message: id m-ID (t-ID in the place of a thread), data-author, data-thread, data-say (id it was said under)
//   .card[data-kind][data-state]      run, gate, note; .step[data-step][data-state] in it
//   [data-button]                     a button of a card; [data-given] that the viewer approved
//   .chip[data-emoji]                 a reaction; [data-quick] those always offered
//   #thread[data-thread-of]           the thread that is open; [data-open-thread], [data-close-thread]
//   #line, #thread-line               command lines; #line-text, #line-words their field and list
//   [data-pending][data-fate]         what was said here and is not sent yet: sending, waiting, old, refused, out
//   #nav a[data-channel], [data-unread]  channels and how much in them is new; a[data-person] of the demo
//   [data-live]                       an element that is fetched anew when one of these topics changes:
//                                     "runs" (any), "run:ID"; its id names its fragment
import { listen } from "./live.js";
import { outbox } from "./outbox.js";
import { commandLines } from "./line.js";
import { keys } from "./keys.js";
import { times } from "./times.js";
import { threads } from "./chat.js";
import { runs } from "./run.js";

times();
outbox();
commandLines();
threads();
runs();
keys();
listen();

// Colours change at once; the cookie is set by the same form that works without a script.
document.addEventListener("submit", (e) => {
  const form = e.target.closest("[data-theme-form]");
  if (!form || !e.submitter) return;
  e.preventDefault();
  const theme = e.submitter.value;
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  for (const b of form.querySelectorAll("button")) b.setAttribute("aria-pressed", String(b === e.submitter));
  fetch(form.action, { method: "POST", body: new URLSearchParams({ theme, back: "/" }), redirect: "manual" }).catch(() => {});
});

// One picker of reactions at a time, closed by a click elsewhere.
document.addEventListener("click", (e) => {
  for (const d of document.querySelectorAll("details.picker[open]")) if (!d.contains(e.target)) d.open = false;
});
