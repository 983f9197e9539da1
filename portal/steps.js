// The steps of a run as a table, and where their time went.

import { button, empty, h, link, pathOf, refill, table } from "./dom.js";
import { chip, took, when } from "./format.js";
import { SEGMENTS, STATUS } from "./texts.js";

export const DETAILED_MAX = 500; // steps of which all is asked at once; of more only how they stand
const ROWS = 60;
const LANES = 200;

/** A table of steps with a filter. Give it `show(rows)`, rows having key, name, status and, when known, `view`. */
export class Steps {
  constructor(page, runId) {
    Object.assign(this, { page, runId, rows: [], most: ROWS, list: h("div", {}) });
    this.search = h("input", { type: "search", "aria-label": "Filter steps by name", placeholder: "Filter by name", value: page.search.get("step") ?? "",
      oninput: () => { page.remember({ step: this.search.value }); this.draw(); } });
    this.status = h("select", { "aria-label": "Filter steps by status", onchange: () => { page.remember({ how: this.status.value }); this.draw(); } });
    this.element = h("div", {}, h("div", { class: "filters" }, this.search, this.status), this.list);
  }

  show(rows) {
    this.rows = rows;
    this.draw();
  }

  draw() {
    const how = this.status.value || this.page.search.get("how") || "";
    const counts = new Map();
    for (const row of this.rows) counts.set(row.status, (counts.get(row.status) ?? 0) + 1);
    refill(this.status, h("option", { value: "" }, `All ${this.rows.length} steps`),
      [...counts].map(([word, count]) => h("option", { value: word, selected: word === how }, `${STATUS[word]?.word ?? word} (${count})`)));
    const sought = this.search.value.trim().toLowerCase();
    const found = this.rows.filter((row) => (!sought || row.name.toLowerCase().includes(sought)) && (!counts.has(how) || row.status === how));
    const more = found.length > this.most ? button(`Show more of ${found.length}`, () => { this.most *= 3; this.draw(); }) : null;
    refill(this.list, found.length ? this.table(found.slice(0, this.most)) : empty("No step fits.", "Take the filter away to see all."), more);
  }

  table(rows) {
    const detailed = rows.some((row) => row.view);
    const columns = [{ name: "Step", kind: "name" }, "Status", ...(detailed ? ["Note", { name: "Took", kind: "num" }, { name: "Started", kind: "nowrap" }, { name: "Compute", kind: "nowrap" }, { name: "Attempt", kind: "nowrap" }] : [])];
    return table(columns, rows.map((row) => [
      link(pathOf("runs", row.view?.id ?? `${this.runId}.${row.key}`), row.name), chip(row.status),
      ...(detailed ? details(row.view) : []),
    ]), { label: "Steps" });
  }
}

function details(view) {
  if (!view) return ["", "", "", "", ""];
  const start = view.started_at ?? null;
  return [noteOf(view), start === null ? "" : took((view.ended_at ?? Date.now() / 1000) - start), start === null ? "" : when(start),
    view.compute || "", view.attempts_max > 1 || view.attempt > 1 ? `${view.attempt} of ${view.attempts_max}` : ""];
}

/** What there is to say of a step in a line: why it failed, what it waits for, what stands in for it. */
export function noteOf(view) {
  if (view.error) return h("span", { class: "bad" }, view.error.message.slice(0, 300));
  if (view.kept_from) return ["as made by ", link(pathOf("runs", view.kept_from), view.kept_from.slice(0, 8))];
  if (view.waits_for.length) return ["waits for ", view.waits_for.join(", "), view.waits_since ? [", since ", when(view.waits_since)] : null];
  return "";
}

/** What a step is shown as: queued and running are told apart, which one status of ours covers. */
export function wordOf(view) {
  return view.status === "started" && view.phase && view.phase !== "queued" ? "at_work" : view.status;
}

/** Where the time of each step went, one lane a step, on one scale. */
export function timeline(views, wall) {
  const known = views.filter((view) => Object.keys(view.times).length);
  if (!known.length) return empty("Nothing has begun yet.");
  const longest = Math.max(wall, ...known.map(total)) || 1;
  const lanes = known.slice(0, LANES).map((view) => {
    let at = 0;
    const pieces = Object.keys(SEGMENTS).filter((name) => view.times[name]).map((name) => {
      const [left, width] = [at, view.times[name]];
      at += width;
      return h("i", { class: `seg-${name}`, title: `${SEGMENTS[name]}: ${took(width)}`, style: { left: `${(100 * left) / longest}%`, width: `${(100 * width) / longest}%` } });
    });
    const said = Object.keys(SEGMENTS).filter((name) => view.times[name]).map((name) => `${SEGMENTS[name]} ${took(view.times[name])}`).join(", ");
    return h("div", { class: "lane" }, h("span", { class: "name" }, link(pathOf("runs", view.id), view.name, { title: view.name })),
      h("span", { class: "track", role: "img", "aria-label": said }, pieces), h("span", { class: "num quiet" }, took(view.times.user_code ?? 0)));
  });
  const used = Object.keys(SEGMENTS).filter((name) => known.some((view) => view.times[name]));
  return h("div", { class: "timeline" }, lanes, known.length > LANES ? h("p", { class: "quiet" }, `and ${known.length - LANES} more steps`) : null,
    h("div", { class: "legend" }, used.map((name) => h("span", {}, h("i", { class: `seg-${name}` }), SEGMENTS[name]))));
}

function total(view) {
  return Object.values(view.times).reduce((sum, one) => sum + one, 0);
}
