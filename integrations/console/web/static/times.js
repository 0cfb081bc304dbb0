// Times in the reader's zone. The server writes them in the zone of the cookie, which is set here;
// on a first visit they are rewritten in place.
import { $$, cookie, setCookie } from "./dom.js";

const two = (n) => String(n).padStart(2, "0");
const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const months = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"];

function text(t, kind) {
  const clock = `${two(t.getHours())}:${two(t.getMinutes())}`;
  const date = `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())}`;
  switch (kind) {
    case "clock":
      return clock;
    case "moment":
      return `${date} ${clock}`;
    case "day": {
      const now = new Date();
      if (t.toDateString() === now.toDateString()) return "Today";
      if (t.toDateString() === new Date(now.getFullYear(), now.getMonth(), now.getDate() - 1).toDateString()) return "Yesterday";
      return `${days[t.getDay()]} ${t.getDate()} ${months[t.getMonth()]} ${t.getFullYear()}`;
    }
  }
  const seconds = Math.max(0, (Date.now() - t) / 1000);
  if (seconds < 60) return "just now";
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ago`;
  return `${Math.floor(seconds / 86400)} days ago`;
}

// localize writes every time under root in this browser's zone.
export function localize(root = document) {
  for (const el of $$("time[data-time]", root)) {
    const t = new Date(el.dateTime);
    if (Number.isNaN(t.getTime())) continue;
    const now = text(t, el.dataset.time);
    if (el.textContent !== now) el.textContent = now;
  }
}

export function times() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && cookie("zone") !== zone) setCookie("zone", zone);
  localize();
  setInterval(() => localize(), 30_000);
}
