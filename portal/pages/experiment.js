// The runs of an experiment, with what they logged in columns, and the best of each easily found.

import { act, get, maybe, query } from "../api.js";
import { confirmed } from "../dialogs.js";
import { button, empty, h, link, pathOf, put, refill, table } from "../dom.js";
import { chip, took, value, when } from "../format.js";

const COLUMNS = 8;

/** The page of an experiment. */
export async function show(main, page) {
  const [name] = page.params;
  page.title(name);
  const about = await maybe(pathOf("experiments", name), { name }, page.signal);
  const list = h("div", {}), state = { page, name, chosen: new Set(), sort: page.search.get("sort") ?? "", list };
  put(main, h("div", { class: "head" }, h("div", {}, h("h1", {}, name), h("p", {}, about.created_at ? ["Experiment since ", when(about.created_at)] : null, about.archived_at ? " · archived" : "")),
    h("div", { class: "actions" }, link(`/runs${query({ experiment: name })}`, "All its runs, with filters", { class: "as-button" }), page.may("submitter") ? archive(about, name) : null)), list);
  let shown = "";
  const look = async () => {
    const [runs, figures] = await Promise.all([
      get(`/runs${query({ experiment: name, limit: 25 })}`, page.signal), get(`${pathOf("experiments", name)}/figures`, page.signal)]);
    const text = JSON.stringify([runs.map((run) => [run.id, run.version]), figures]);
    if (text === shown) return;
    shown = text;
    Object.assign(state, { runs, figures: new Map(figures.map((one) => [one.run, one.figures])) });
    draw(state);
  };
  await look();
  page.every(12, look);
}

function archive(about, name) {
  const archived = Boolean(about.archived_at);
  return button(archived ? "Make active again" : "Archive…", async () => {
    if (archived) await act("PATCH", pathOf("experiments", name), { archived: false });
    else if (!(await confirmed({ title: `Archive ${name}?`, verb: "Archive", text: "Lists leave it out until a run is submitted to it. Its runs stay.", act: () => act("PATCH", pathOf("experiments", name), { archived: true }) }))) return;
    dispatchEvent(new HashChangeEvent("hashchange"));
  });
}

function draw(state) {
  const { runs, figures, page, chosen } = state;
  if (!runs.length) { refill(state.list, empty("No runs of this experiment yet.", "`Experiment(ws, name).submit(pipeline)` starts one.")); return; }
  const counts = new Map();
  for (const one of figures.values()) for (const [name, last] of Object.entries(one)) if (typeof last === "number") counts.set(name, (counts.get(name) ?? 0) + 1);
  const names = [...counts].sort((a, b) => b[1] - a[1] || a[0].localeCompare(b[0])).map(([name]) => name).slice(0, COLUMNS);
  const parameters = [...new Set(runs.flatMap((run) => Object.keys(run.parameters)))].slice(0, 6);
  const [by, order] = state.sort.split(":");
  const valueOf = (run) => (by?.startsWith("p/") ? run.parameters[by.slice(2)] : figures.get(run.id)?.[by]);
  const sorted = by ? [...runs].sort((a, b) => compared(valueOf(a), valueOf(b)) * (order === "up" ? 1 : -1)) : runs;
  const head = (key, said) => ({ name: said, kind: "num", key });
  const columns = ["Run", "", "Status", "Submitted", { name: "Took", kind: "num" }, ...parameters.map((one) => head(`p/${one}`, one)), ...names.map((one) => head(one, one))];
  const compare = button("Compare", () => { location.hash = `#/compare${query({ runs: [...chosen].join(",") })}`; });
  const count = () => { compare.hidden = chosen.size < 2; compare.textContent = `Compare ${chosen.size} runs`; };
  count();
  const made = table(columns, sorted.map((run) => [
    link(pathOf("runs", run.id), run.display_name || `#${run.number}`),
    h("input", { type: "checkbox", "aria-label": `Choose run ${run.number} to compare`, checked: chosen.has(run.id), onchange: (event) => { if (event.target.checked) chosen.add(run.id); else chosen.delete(run.id); count(); } }),
    chip(run.status), when(run.submitted_at), run.ended_at ? took(run.ended_at - run.submitted_at) : "",
    ...parameters.map((one) => (one in run.parameters ? value(run.parameters[one]) : "")),
    ...names.map((one) => { const found = figures.get(run.id)?.[one]; return found === undefined ? "" : value(found); }),
  ]), { label: "Runs of this experiment" });
  const sort = h("label", {}, "Sort by", h("select", { onchange: (event) => { state.sort = event.target.value; page.remember({ sort: state.sort }); draw(state); } },
    [["", "newest first"], ...[...parameters.map((one) => [`p/${one}`, one]), ...names.map((one) => [one, one])].flatMap(([key, said]) => [[`${key}:down`, `${said}, highest first`], [`${key}:up`, `${said}, lowest first`]])]
      .map(([key, said]) => h("option", { value: key, selected: key === state.sort }, said))));
  refill(state.list, h("div", { class: "filters" }, sort, compare), made,
    counts.size > COLUMNS ? h("p", { class: "quiet" }, `${counts.size - COLUMNS} more metrics are on the pages of the runs.`) : null);
}

function compared(a, b) {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
}
