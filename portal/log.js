// A log of any length: only what is looked at is asked for, by byte offset; the end is followed as it grows.

import { ask, download } from "./api.js";
import { button, h, plain, refill } from "./dom.js";
import { bytes } from "./format.js";
import { SAID } from "./texts.js";

const PIECE = 256 * 1024; // bytes asked for at once
const KEPT = 4; // pieces that are on the page; those before are asked for again
const SEARCH_MAX = 64 * 1024 * 1024; // bytes that a search reads
const COLOUR = /\u001b\[([0-9;]*)m/g;
// Every other order to a terminal: cursor moves, titles, links (OSC 8). They mean nothing here, and go.
const ORDERS = /\u001b(?:\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|\[[0-?]*[ -/]*[@-ln-~]|[PX^_][^\u001b]*\u001b\\|[@-Z\\-_])/g;

/** The log of a step. `route` gives it by byte range. */
export class Log {
  constructor(page, route, name) {
    Object.assign(this, { page, route, name, from: 0, to: 0, size: 0, complete: false, pieces: [], following: true });
    this.lines = h("div", { class: "lines", tabindex: "0", role: "log", "aria-label": "Log", "aria-live": "off" });
    this.state = h("span", { class: "quiet" });
    this.search = h("input", { type: "search", placeholder: "Search the log", "aria-label": "Search the log", onkeydown: (event) => { if (event.key === "Enter") this.find(); } });
    this.follow = h("input", { type: "checkbox", checked: true, onchange: () => { this.following = this.follow.checked; if (this.following) this.toEnd(); } });
    const wrap = h("input", { type: "checkbox", onchange: () => this.lines.classList.toggle("wrap", wrap.checked) });
    this.element = h("div", { class: "log" },
      h("div", { class: "tools" }, this.search, button("Find next", () => this.find()),
        h("label", { class: "check" }, this.follow, "Follow"), h("label", { class: "check" }, wrap, "Wrap"),
        button("To the start", () => this.toStart()), button("To the end", () => this.toEnd()),
        button("Download", () => download(route.replace(/\/log$/, "/artifacts/user_logs/std_log.txt"), `${name}.log`)), this.state),
      this.lines);
    this.lines.addEventListener("scroll", () => this.scrolled());
  }

  /** Read the end now, and go on while the step may print. */
  async start() {
    await this.toEnd();
    this.page.every(1, async () => {
      if (this.following || this.to >= this.size) await this.more();
      return !(this.complete && this.to >= this.size);
    });
  }

  async piece(offset, limit = PIECE) {
    const answer = await ask("GET", `${this.route}?offset=${offset}&limit=${limit}`, { signal: this.page.signal });
    this.size = Number(answer.headers.get("x-size"));
    this.complete = answer.headers.get("x-complete") === "true";
    return new Uint8Array(await answer.arrayBuffer());
  }

  async toEnd() {
    await this.piece(0, 1);
    this.reset(Math.max(0, this.size - PIECE));
    await this.more();
    this.lines.scrollTop = this.lines.scrollHeight;
  }

  async toStart() {
    this.following = this.follow.checked = false;
    this.reset(0);
    await this.more();
    this.lines.scrollTop = 0;
  }

  reset(offset) {
    this.from = this.to = offset;
    this.pieces = [];
    this.lines.replaceChildren();
  }

  /** The bytes after those that are shown. */
  async more() {
    const data = await this.piece(this.to);
    if (data.length) {
      this.to += data.length;
      this.pieces.push({ data, at: this.to - data.length });
      if (this.pieces.length > KEPT) { this.pieces.shift(); this.from = this.pieces[0].at; }
      this.draw();
      if (this.following) this.lines.scrollTop = this.lines.scrollHeight;
    } else if (!this.size) refill(this.lines, h("div", { class: "quiet" }, SAID.noLog));
    this.say();
  }

  /** The bytes before those that are shown. */
  async before() {
    const start = Math.max(0, this.from - PIECE);
    const data = await this.piece(start, this.from - start);
    const height = this.lines.scrollHeight;
    this.pieces.unshift({ data, at: start });
    this.from = start;
    if (this.pieces.length > KEPT) { const gone = this.pieces.pop(); this.to = gone.at; }
    this.draw();
    this.lines.scrollTop = this.lines.scrollHeight - height;
    this.say();
  }

  async scrolled() {
    const { scrollTop, clientHeight, scrollHeight } = this.lines;
    if (this.busy) return;
    this.busy = true;
    try {
      if (scrollTop < 80 && this.from > 0 && this.pieces.length) await this.before();
      else if (scrollTop + clientHeight > scrollHeight - 80 && this.to < this.size) await this.more();
      const atEnd = this.lines.scrollTop + clientHeight > this.lines.scrollHeight - 30;
      if (!atEnd && this.following) this.following = this.follow.checked = false;
    } finally { this.busy = false; }
  }

  say() {
    const part = this.from > 0 || this.to < this.size ? `${bytes(this.from)} to ${bytes(this.to)} of ` : "";
    refill(this.state, `${part}${bytes(this.size)}${this.complete ? "" : ", growing"}`);
  }

  draw() {
    const joined = new Uint8Array(this.pieces.reduce((sum, one) => sum + one.data.length, 0));
    let at = 0;
    for (const { data } of this.pieces) { joined.set(data, at); at += data.length; }
    const text = new TextDecoder().decode(joined);
    const style = { bold: false, colour: "" };
    const lines = text.replace(/\n$/, "").split("\n");
    this.lines.replaceChildren(...lines.map((line) => h("div", {}, coloured(line.replace(/^.*\r(?!$)/s, ""), style, this.sought))));
  }

  /** Go to the next place where the text stands that is searched for, through all of the log. */
  async find() {
    const sought = this.search.value;
    if (!sought) { this.sought = ""; this.draw(); return; }
    this.following = this.follow.checked = false;
    let offset = sought === this.sought ? this.foundAt + 1 : this.from;
    this.sought = sought;
    const bytesOf = new TextEncoder().encode(sought);
    for (let read = 0; read < SEARCH_MAX && offset < this.size; ) {
      const data = await this.piece(offset, 4 * 1024 * 1024);
      const place = indexOf(data, bytesOf);
      if (place >= 0) return this.showAt(offset + place);
      if (!data.length) break;
      read += data.length;
      offset += Math.max(1, data.length - bytesOf.length + 1);
      refill(this.state, `searched to ${bytes(offset)} …`);
    }
    this.foundAt = -1;
    refill(this.state, "Not found from here on; the next search begins at the start.");
    this.draw();
  }

  async showAt(offset) {
    this.foundAt = offset;
    if (offset < this.from || offset >= this.to) { this.reset(Math.max(0, offset - 4096)); await this.more(); } else this.draw();
    const marks = [...this.lines.querySelectorAll("mark")];
    const before = new TextDecoder().decode(this.bytes(this.from, offset)).split("\n").length - 1;
    (this.lines.children[before] ?? marks[0])?.scrollIntoView({ block: "center" });
    this.say();
  }

  bytes(from, to) {
    const found = [];
    for (const { data, at } of this.pieces) for (let one = Math.max(0, from - at); one < Math.min(data.length, to - at); one += 1) found.push(data[one]);
    return new Uint8Array(found);
  }
}

function indexOf(data, sought) {
  for (let at = data.indexOf(sought[0]); at >= 0; at = data.indexOf(sought[0], at + 1)) {
    if (sought.every((byte, number) => data[at + number] === byte)) return at;
  }
  return -1;
}

/** A line as elements: colours of a terminal become classes, and its other orders nothing. */
export function coloured(line, style, sought = "") {
  const found = [];
  let at = 0;
  const clean = line.replace(ORDERS, "");
  for (const order of clean.matchAll(COLOUR)) {
    found.push(...piece(clean.slice(at, order.index), style, sought));
    at = order.index + order[0].length;
    take(order[1], style);
  }
  return [...found, ...piece(clean.slice(at), style, sought)];
}

function piece(text, style, sought) {
  if (!text) return [];
  const parts = sought ? text.split(sought).flatMap((one, number) => (number ? [h("mark", {}, sought), one] : [one])) : [text];
  const shown = parts.map((one) => (typeof one === "string" ? plain(one) : one));
  if (!style.bold && style.colour === "") return shown;
  return [h("span", { class: `${style.bold ? "ansi-b " : ""}${style.colour === "" ? "" : `ansi-${style.colour}`}` }, shown)];
}

function take(codes, style) {
  for (const code of codes.split(";").map(Number)) {
    if (code === 0) Object.assign(style, { bold: false, colour: "" });
    else if (code === 1) style.bold = true;
    else if (code === 22) style.bold = false;
    else if (code === 39) style.colour = "";
    else if (code >= 30 && code <= 37) style.colour = code - 30;
    else if (code >= 90 && code <= 97) style.colour = code - 82;
  }
}
