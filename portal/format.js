// Times, sizes and numbers for people; the exact value is always there on hover and for who listens.

import { h } from "./dom.js";
import { STATUS } from "./texts.js";

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60]];

/** A moment, from seconds since 1970: how long ago, with the exact time in the viewer's zone on hover. */
export function when(seconds) {
  if (seconds === null || seconds === undefined) return h("span", { class: "quiet" }, "–");
  const date = new Date(seconds * 1000);
  return h("time", { datetime: date.toISOString(), title: exact(date), "data-at": seconds }, since(seconds));
}

/** A moment as it stands on a clock here. */
export function clock(seconds) {
  const date = new Date(seconds * 1000);
  const said = date.toLocaleString(undefined, { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
  return h("time", { datetime: date.toISOString(), title: exact(date) }, said);
}

function exact(date) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `${date.toLocaleString(undefined, { dateStyle: "full", timeStyle: "long" })} (${zone})`;
}

function since(seconds) {
  const ago = seconds - Date.now() / 1000;
  const size = Math.abs(ago);
  if (size < 45) return ago > 0 ? "in a moment" : "just now";
  const [unit, length] = UNITS.find(([, one]) => size >= one * 0.95) ?? UNITS[2];
  if (unit === "day" && size > 20 * 86400) return new Date(seconds * 1000).toLocaleDateString(undefined, { dateStyle: "medium" });
  return RELATIVE.format(Math.round(ago / length), unit);
}

/** Have all moments on the page told anew, as they move away. */
export function keepTimes() {
  setInterval(() => {
    for (const one of document.querySelectorAll("time[data-at]")) one.textContent = since(Number(one.dataset.at));
  }, 20000);
}

/** A length of time: 42 ms, 3.2 s, 4 min 10 s, 2 h 5 min. */
export function took(seconds) {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 0.9995) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A number of bytes. */
export function bytes(count) {
  const size = Math.max(0, Math.floor(Math.log(Math.max(1, count)) / Math.log(1024)));
  return size === 0 ? `${count} bytes` : `${(count / 1024 ** size).toFixed(1)} ${["", "KiB", "MiB", "GiB", "TiB"][size]}`;
}

/** A value that was logged, or given as a parameter. */
export function value(one) {
  if (typeof one === "number") return Number.isInteger(one) ? String(one) : String(Number(one.toPrecision(6)));
  if (one !== null && typeof one === "object") {
    if (one.datastore !== undefined) return `${one.datastore}/${one.path ?? ""}`;
    if (Array.isArray(one.places)) return one.registered ? `${one.registered.name}:${one.registered.version}` : one.places.map(value).join(", ");
    return JSON.stringify(one);
  }
  return String(one);
}

/** How something stands: a sign, a word and a colour, of which each is enough. */
export function chip(status) {
  const { sign, word } = STATUS[status] ?? { sign: "·", word: status };
  return h("span", { class: `chip ${STATUS[status] ? status : "unknown"}` }, h("span", { class: "sign", "aria-hidden": "true" }, sign), word);
}

/** The first characters of an id, by which people know a run. */
export function short(id) {
  return id.length > 24 ? id.slice(0, 8) : id;
}
