// What was logged: series as plots, tables, confusion matrices and pictures.

import { ask } from "./api.js";
import { empty, h, pathOf, plain, put, refill, table } from "./dom.js";
import { value } from "./format.js";
import { SAID } from "./texts.js";

const PALETTE = ["--at-work", "--failed", "--succeeded", "--reused", "--mark", "--quiet"];
const DASHES = [[], [6, 4], [2, 3], [8, 3, 2, 3], [12, 4], [4, 4]];
const ROWS = 200;

/** Points as they were logged become metrics by name: kind, and all values in their order. A point twice is once. */
export function metricsOf(points) {
  const unique = [...new Map(points.map((point) => [point.id, point])).values()].sort((a, b) => a.time - b.time);
  const found = new Map();
  for (const point of unique) {
    if (!found.has(point.name)) found.set(point.name, { name: point.name, kind: point.kind, points: [] });
    found.get(point.name).points.push(point);
  }
  return [...found.values()];
}

/** The numbers of a metric, with the step or the number of each; null where it has none. */
export function seriesOf(metric) {
  const flat = metric.points.flatMap((point) => (point.kind === "list" ? point.value.map((one) => ({ value: one, step: null })) : [point]));
  if (!["scalar", "list"].includes(metric.kind)) return null;
  const numbers = flat.map((point) => numberOf(point.value));
  if (numbers.some((one) => one === null)) return null;
  return { steps: flat.map((point, place) => point.step ?? place), values: numbers };
}

function numberOf(one) {
  if (typeof one === "number") return one;
  if (one && typeof one === "object" && "$float" in one) return NaN;
  return typeof one === "boolean" ? Number(one) : null;
}

/** The last value of each metric that is a number or text. */
export function lastValues(points) {
  return Object.fromEntries(metricsOf(points).filter((one) => ["scalar", "list"].includes(one.kind))
    .map((one) => { const last = one.points.at(-1).value; return [one.name, Array.isArray(last) ? last.at(-1) : last]; }));
}

/** All metrics of a run or a step, each as it is best seen. It keeps itself up to date through `show(points)`. */
export class Metrics {
  constructor(owner) {
    Object.assign(this, { owner, cards: new Map(), element: h("div", { class: "plots" }) });
  }

  show(points) {
    const metrics = metricsOf(points);
    if (!metrics.length) { refill(this.element, empty(SAID.noMetrics, SAID.noMetricsNext)); return; }
    if (!this.cards.size) this.element.replaceChildren();
    for (const metric of metrics) {
      const known = this.cards.get(metric.name);
      if (known?.count === metric.points.length) continue;
      const card = known?.card ?? h("div", { class: "plot" });
      if (!known) this.element.append(card);
      this.cards.set(metric.name, { card, count: metric.points.length });
      refill(card, h("h2", {}, metric.name), metric.points.at(-1).description ? h("p", { class: "quiet" }, metric.points.at(-1).description) : null, this.body(metric));
    }
  }

  body(metric) {
    const series = seriesOf(metric);
    if (series && series.values.length > 1) return [h("div", { class: "last" }, value(series.values.at(-1))), plot([{ name: metric.name, ...series }], 150)];
    const last = metric.points.at(-1).value;
    if (metric.kind === "scalar") return h("div", { class: "last" }, value(last));
    if (metric.kind === "list") return h("p", { class: "mono" }, metric.points.flatMap((point) => point.value).slice(0, ROWS).map(value).join(", "));
    if (metric.kind === "row" || metric.kind === "table") return rowsOf(metric);
    if (metric.kind === "confusion_matrix") return matrix(last);
    if (metric.kind === "image") return picture(this.owner, last);
    return h("pre", { class: "preview", tabindex: "0" }, JSON.stringify(last, null, 1));
  }
}

function rowsOf(metric) {
  const names = [...new Set(metric.points.flatMap((point) => Object.keys(point.value)))];
  const rows = metric.points.flatMap((point) => {
    const length = Math.max(1, ...Object.values(point.value).map((one) => (Array.isArray(one) ? one.length : 1)));
    return Array.from({ length: Math.min(length, ROWS) }, (_, number) => names.map((name) => {
      const one = point.value[name];
      return value(Array.isArray(one) ? one[number] ?? "" : one ?? "");
    }));
  });
  return h("div", { class: "preview" }, table(names, rows.slice(0, ROWS), { label: metric.name }));
}

function matrix(found) {
  const labels = found?.data?.class_labels ?? [], rows = found?.data?.matrix ?? [];
  if (!Array.isArray(rows) || !rows.length || !rows.every(Array.isArray)) return h("pre", { class: "preview", tabindex: "0" }, JSON.stringify(found, null, 1));
  const most = Math.max(1, ...rows.flat().map(Number).filter(Number.isFinite));
  const cells = rows.slice(0, 60).map((row, number) => h("tr", {}, h("th", { scope: "row" }, value(labels[number] ?? number)),
    row.slice(0, 60).map((one) => h("td", { style: { background: `color-mix(in srgb, var(--at-work) ${Math.round((45 * Number(one)) / most) || 0}%, var(--box))` } }, value(one)))));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Confusion matrix" }, h("table", { class: "matrix" },
    h("caption", { class: "quiet" }, "Rows: what it is. Columns: what the model took it for."),
    h("thead", {}, h("tr", {}, h("td", {}), labels.map((one) => h("th", { scope: "col" }, value(one))))), h("tbody", {}, cells)));
}

function picture(owner, said) {
  const path = String(said).replace(/^aml:\/\/artifactId\//, "");
  const shown = h("div", {}, h("p", { class: "quiet" }, path));
  showImage(shown, `${pathOf("runs", owner)}/artifacts/${path.split("/").map(encodeURIComponent).join("/")}`, path);
  return shown;
}

/** Put an image that the service has into an element. A drawing that could hold scripts is shown as a picture only. */
export async function showImage(into, route, name) {
  const kinds = { png: "image/png", jpg: "image/jpeg", jpeg: "image/jpeg", gif: "image/gif", webp: "image/webp", svg: "image/svg+xml" };
  try {
    const data = await (await ask("GET", route)).arrayBuffer();
    const kind = kinds[name.split(".").pop().toLowerCase()] ?? "image/png";
    const place = URL.createObjectURL(new Blob([data], { type: kind }));
    refill(into, h("img", { src: place, alt: `Picture ${name}`, onload: () => URL.revokeObjectURL(place) }));
  } catch (error) {
    put(into, h("p", { class: "quiet" }, error.message));
  }
}

/** A plot of series: {name, steps, values}. Lines differ in colour and in their dashes. */
export function plot(series, height = 220) {
  const room = h("div", { role: "img", "aria-label": series.map((one) => `${plain(one.name)}: ${one.values.length} values, from ${value(one.values[0])} to ${value(one.values.at(-1))}`).join("; ") });
  const steps = [...new Set(series.flatMap((one) => one.steps))].sort((a, b) => a - b);
  const place = new Map(steps.map((step, number) => [step, number]));
  const columns = series.map((one) => {
    const column = Array.from({ length: steps.length }, () => null);
    one.steps.forEach((step, number) => { column[place.get(step)] = Number.isFinite(one.values[number]) ? one.values[number] : null; });
    return column;
  });
  let made = null;
  new ResizeObserver(([entry]) => {
    const width = Math.floor(entry.contentRect.width);
    if (!width) return;
    if (made) made.setSize({ width, height });
    else made = drawn(room, series, [steps, ...columns], width, height);
  }).observe(room);
  return room;
}

function drawn(room, series, data, width, height) {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") }, font: "11px system-ui", size: 46 };
  return new globalThis.uPlot({
    width, height, legend: { show: series.length > 1 }, scales: { x: { time: false } }, cursor: { drag: { x: true, y: false } },
    axes: [{ ...axis, size: 28 }, axis],
    series: [{ label: "step" }, ...series.map((one, number) => ({
      label: plain(one.name), stroke: colour(PALETTE[number % PALETTE.length]), width: 2, dash: DASHES[Math.floor(number / PALETTE.length) % DASHES.length],
      spanGaps: true, points: { show: one.values.length < 30 }, value: (_, found) => (found === null ? "–" : value(found)),
    }))],
  }, data, room);
}
