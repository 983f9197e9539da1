// All runs: search, filters, pages that stay where they are, and what is new on top.

import { ask, query } from "../api.js";
import { button, empty, h, link, pathOf, refill, table } from "../dom.js";
import { chip, took, when } from "../format.js";
import { ENDED, SAID, STATUS } from "../texts.js";

const FILTERS = ["search", "status", "experiment", "tag", "trigger", "pipeline", "schedule", "parent", "days"];
const TRIGGERS = [["", "Started by anything"], ["own", "its author"], ["pipeline", "a published pipeline"], ["endpoint", "an endpoint"], ["schedule", "a schedule"], ["step", "a step of another run"]];
const PAGE = 25;

/** The page of all runs. */
export async function show(main, page) {
  page.title("Runs");
  const list = h("div", {}), pages = [null];
  let shown = "", chosen = new Set();
  const look = async () => {
    const { runs, next } = await load(page, pages.at(-1));
    const text = JSON.stringify(runs.map((run) => [run.id, run.version, run.tags, run.display_name])) + next;
    if (text === shown) return;
    shown = text;
    refill(list, drawn(page, runs, chosen), paging(pages, next, async () => { shown = ""; await look(); }));
  };
  const anew = async () => { pages.length = 1; shown = ""; await look(); };
  refill(main, h("div", { class: "head" }, h("h1", {}, "Runs")), filters(page, anew), list);
  await look();
  page.every(12, look);
}

async function load(page, before) {
  const asked = Object.fromEntries(FILTERS.map((name) => [name, page.search.get(name)]));
  const days = Number(asked.days);
  delete asked.days;
  const after = days ? Date.now() / 1000 - days * 86400 : null;
  const answer = await ask("GET", `/runs${query({ ...asked, after, before, limit: PAGE })}`, { signal: page.signal });
  return { runs: await answer.json(), next: answer.headers.get("x-next-before") };
}

function filters(page, anew) {
  let timer;
  const set = (name, value) => { page.remember({ [name]: value }); clearTimeout(timer); timer = setTimeout(anew, 250); };
  const text = (name, label, type = "text") => h("label", {}, label,
    h("input", { type, value: page.search.get(name) ?? "", oninput: (event) => set(name, event.target.value) }));
  const choice = (name, label, options) => h("label", {}, label,
    h("select", { onchange: (event) => set(name, event.target.value) },
      options.map(([value, said]) => h("option", { value, selected: value === (page.search.get(name) ?? "") }, said))));
  const words = ["running", "failing", "cancelling", ...ENDED].map((one) => [one, STATUS[one].word]);
  return h("div", { class: "filters", role: "search" },
    text("search", "Search name, id, parameter, tag", "search"),
    choice("status", "Status", [["", "Any"], ...words]),
    text("experiment", "Experiment"), text("tag", "Tag (name or name=value)"),
    choice("trigger", "Trigger", TRIGGERS),
    choice("days", "Submitted", [["", "At any time"], ["1", "in the last day"], ["7", "in the last week"], ["30", "in the last month"]]),
    ["pipeline", "schedule", "parent"].filter((name) => page.search.get(name)).map((name) =>
      button(`Of ${name} ${page.search.get(name).slice(0, 8)} ✕`, (event) => { event.target.remove(); set(name, ""); })));
}

function drawn(page, runs, chosen) {
  if (!runs.length) {
    const filtered = FILTERS.some((name) => page.search.get(name));
    return filtered ? empty(SAID.noSuchRuns, "Take one of them away to see more.") : empty(SAID.noRuns, SAID.noRunsNext);
  }
  const compare = button("Compare", () => { location.hash = `#/compare${query({ runs: [...chosen].join(",") })}`; });
  const count = () => { compare.hidden = chosen.size < 2; compare.textContent = `Compare ${chosen.size} runs`; };
  count();
  return [runTable(runs, (run) => h("input", {
    type: "checkbox", "aria-label": `Choose run ${run.id.slice(0, 8)} to compare`, checked: chosen.has(run.id),
    onchange: (event) => { if (event.target.checked) chosen.add(run.id); else chosen.delete(run.id); count(); },
  })), h("div", { class: "row" }, compare)];
}

/** Runs as a table. `first(run)` makes a cell before the others, and `more` columns after them. */
export function runTable(runs, first = null, more = [], label = "Runs") {
  const columns = [{ name: "Run", kind: "name" }, ...(first ? [""] : []), "Status", "Experiment", "Steps", "Submitted", { name: "Took", kind: "num" }, { name: "By", kind: "nowrap" }, ...more.map((one) => one.column)];
  return table(columns, runs.map((run) => [
    h("span", {}, link(pathOf("runs", run.id), run.display_name || run.id.slice(0, 8)), " ", h("span", { class: "quiet" }, `#${run.number}`),
      Object.entries(run.tags).slice(0, 4).map(([name, value]) => [" ", h("span", { class: "tag" }, value ? `${name}=${value}` : name)])),
    ...(first ? [first(run)] : []),
    h("span", {}, chip(run.status), run.attention ? h("div", { class: "bad" }, run.attention) : null),
    link(pathOf("experiments", run.experiment), run.experiment), stepBar(run.steps), when(run.submitted_at),
    run.ended_at ? took(run.ended_at - run.submitted_at) : "",
    startedBy(run), ...more.map((one) => one.cell(run)),
  ]), { label });
}

/** Who or what started a run. */
export function startedBy(run) {
  const { origin } = run;
  if (origin.schedule) return link(pathOf("schedules", origin.schedule), "a schedule");
  if (run.parent) return link(pathOf("runs", run.parent), "a step");
  if (origin.endpoint) return [link(pathOf("endpoints", origin.endpoint), "an endpoint"), ` (${run.submitted_by})`];
  if (origin.pipeline) return [link(pathOf("pipelines", origin.pipeline), "a pipeline"), ` (${run.submitted_by})`];
  return run.submitted_by;
}

/** How many steps stand how, as a bar; the numbers are there for who hovers or listens. */
export function stepBar(counts) {
  const all = Object.values(counts).reduce((sum, one) => sum + one, 0);
  const done = (counts.succeeded ?? 0) + (counts.reused ?? 0);
  const said = Object.entries(counts).map(([word, count]) => `${count} ${STATUS[word]?.word ?? word}`).join(", ");
  return h("span", { title: said, class: "nowrap" },
    h("span", { class: "bar", role: "img", "aria-label": said }, Object.entries(counts).map(([word, count]) =>
      h("span", { style: { width: `${(100 * count) / all}%`, background: `var(--${word.replace("_", "-")})`, opacity: word === "waiting" ? "0.35" : "1" } }))),
    h("span", { class: "quiet" }, `${done} of ${all}`));
}

function paging(pages, next, turn) {
  return h("div", { class: "row" },
    pages.length > 1 ? button("← Newer", () => { pages.pop(); return turn(); }) : null,
    next ? button("Older →", () => { pages.push(next); return turn(); }) : null);
}
