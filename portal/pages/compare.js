// Two or more runs beside each other: parameters, metrics, what is other in code and environments, outputs.

import { get, maybe } from "../api.js";
import { empty, h, link, pathOf, put, refill, section, table } from "../dom.js";
import { chip, took, value, when } from "../format.js";
import { lastValues, metricsOf, plot, seriesOf } from "../metrics.js";

const RUNS_MAX = 8;
const PLOTS_MAX = 24;

/** The page that compares runs. */
export async function show(main, page) {
  const ids = [...new Set((page.search.get("runs") ?? "").split(",").filter(Boolean))].slice(0, RUNS_MAX);
  page.title("Compare runs");
  put(main, h("div", { class: "head" }, h("h1", {}, "Compare runs")));
  if (ids.length < 2) { put(main, empty("Two runs or more are compared.", "Choose them in the list of runs, or of an experiment.")); return; }
  const [runs, logged, outputs] = await Promise.all([
    Promise.all(ids.map((id) => get(pathOf("runs", id), page.signal))), Promise.all(ids.map((id) => get(`${pathOf("runs", id)}/logged`, page.signal))),
    Promise.all(ids.map((id) => maybe(`${pathOf("runs", id)}/outputs`, [], page.signal)))]);
  const diffs = await Promise.all(ids.slice(1).map((id) => get(`${pathOf("runs", ids[0])}/diff/${encodeURIComponent(id)}`, page.signal)));
  const heads = runs.map((run) => run.display_name || `${run.experiment} #${run.number}`);
  const columns = ["", ...heads];
  const only = h("input", { type: "checkbox", checked: page.search.get("all") !== "1", onchange: () => { page.remember({ all: only.checked ? "" : "1" }); draw(); } });
  const values = h("div", {});
  const rows = rowsOf(runs, logged);
  const draw = () => {
    const shown = rows.filter(([, cells]) => !only.checked || new Set(cells.map((one) => JSON.stringify(one ?? null))).size > 1);
    refill(values, shown.length ? table(columns, shown.map(([name, cells]) => [name, ...cells.map((one) => (one === undefined ? "" : value(one)))]), { label: "Parameters and last values" })
      : empty("They do not differ in parameters or last values."));
  };
  draw();
  put(main, table(columns, [
    ["Run", ...runs.map((run, number) => link(pathOf("runs", run.id), heads[number]))], ["Status", ...runs.map((run) => chip(run.status))],
    ["Submitted", ...runs.map((run) => when(run.submitted_at))], ["Took", ...runs.map((run) => (run.ended_at ? took(run.ended_at - run.submitted_at) : ""))],
  ], { label: "The runs" }),
  section("Parameters and last values", h("label", { class: "check" }, only, "Only what differs"), values),
  section("Metrics", plots(heads, logged)), section(`What is other than in ${heads[0]}`, diffs.map((diff, number) => difference(heads[number + 1], diff))),
  section("Outputs", outputList(runs, heads, outputs)));
}

function rowsOf(runs, logged) {
  const parameters = [...new Set(runs.flatMap((run) => Object.keys(run.parameters)))];
  const last = logged.map((steps) => Object.assign({}, ...steps.map((step) => Object.fromEntries(
    Object.entries(lastValues(step.points)).map(([name, one]) => [step.node ? `${step.name}/${name}` : name, one])))));
  const names = [...new Set(last.flatMap(Object.keys))].sort();
  return [...parameters.map((name) => [name, runs.map((run) => run.parameters[name])]), ...names.map((name) => [name, last.map((one) => one[name])])];
}

function plots(heads, logged) {
  const found = new Map();
  logged.forEach((steps, number) => {
    for (const step of steps) for (const metric of metricsOf(step.points)) {
      const series = seriesOf(metric), name = step.node ? `${step.name}/${metric.name}` : metric.name;
      if (!series || series.values.length < 2) continue;
      if (!found.has(name)) found.set(name, []);
      found.get(name).push({ name: heads[number], ...series });
    }
  });
  if (!found.size) return empty("No metric was logged more than once.", "`run.log(\"loss\", value)` in each round makes a line here.");
  return h("div", { class: "plots" }, [...found].slice(0, PLOTS_MAX).map(([name, series]) => h("div", { class: "plot" }, h("h3", {}, name), plot(series))));
}

function outputList(runs, heads, outputs) {
  if (!outputs.flat().length) return empty("None of them left an output with a name.", "pipeline_output_name= gives one a name.");
  return table(["Run", "Output", "Where"], runs.flatMap((run, number) => outputs[number].map((one) => [link(pathOf("runs", run.id), heads[number]), one.pipeline_output, `${one.datastore}/${one.path}`])), { label: "Outputs" });
}

/** What is other in one pipeline or run than in another. */
export function difference(title, { changes }) {
  const text = (one) => (one === null || one === undefined ? "nothing" : typeof one === "string" ? one : JSON.stringify(one));
  return h("div", {}, title ? h("h3", {}, title) : null, changes.length ? table(["Where", "What", "Before", "After"], changes.slice(0, 300).map((one) => [
    one.where, one.what, h("span", { class: "mono" }, text(one.before).slice(0, 600)), h("span", { class: "mono" }, text(one.after).slice(0, 600))]), { label: `Changes ${title}` })
    : empty("They run the same."));
}
