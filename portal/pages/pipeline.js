// A published pipeline: what it runs, with which parameters, who starts it, and its runs.

import { get, query } from "../api.js";
import { button, empty, facts, h, link, pathOf, put, refill, section, table } from "../dom.js";
import { experimentOf, keepers, start, statusOf } from "../entities.js";
import { clock, value } from "../format.js";
import { Graph } from "../graph.js";
import { difference } from "./compare.js";
import { runTable } from "./runs.js";

/** The page of a published pipeline. */
export async function show(main, page) {
  const [id] = page.params, at = pathOf("pipelines", id);
  const [one, picture, runs, all, graph] = await Promise.all([
    get(at, page.signal), get(`${at}/picture`, page.signal), get(`/runs${query({ pipeline: id, limit: 10 })}`, page.signal), get("/pipelines", page.signal), get(`${at}/graph`, page.signal)]);
  page.title(one.name || "Pipeline");
  const drawn = new Graph(picture, () => {});
  if (picture.keys.length < 8) drawn.element.classList.add("low");
  const others = all.filter((other) => other.id !== one.id);
  put(main, h("div", { class: "head" },
    h("div", {}, h("h1", {}, one.name || one.id), h("p", {}, one.version ? `Version ${one.version} · ` : "", one.description), h("div", { class: "row" }, statusOf(one))),
    h("div", { class: "actions" }, page.may("submitter") && one.status === "Active" ? button("Run…", () => start({ title: `Run ${one.name}`, route: `${at}/runs`, pipeline: id, experiment: experimentOf(one.name) }), { class: "main" }) : null,
      keepers(page, "pipelines", one, "pipeline", "/pipelines"))),
  drawn.element,
  h("div", { class: "split" },
    section("Parameters", graph.parameters?.length ? table(["Name", "Type", "Default"], graph.parameters.map((parameter) => [parameter.name, parameter.type, h("span", { class: "mono" }, value(one.defaults[parameter.name] ?? parameter.default))]), { label: "Parameters" })
      : empty("It has no parameters.", "A PipelineParameter lets who starts it say another value.")),
    section("About", h("div", { class: "card" }, facts([["Id", h("span", { class: "mono" }, one.id)], ["Address to POST to", h("span", { class: "mono" }, one.url)], ["Published", clock(one.created_at)], ["By", one.created_by],
      ["From run", one.from_run ? link(pathOf("runs", one.from_run), one.from_run) : null], ["Endpoints", one.endpoints.join(", ")], ["Schedules", one.schedules.join(", ")],
      ["Tags", Object.entries(one.tags).map(([name, said]) => `${name}=${said}`).join(", ")]])))),
  section("What is other than in", against(at, others, page)),
  section("Its last runs", runs.length ? runTable(runs) : empty("It has not run yet.", "Run starts it, and so does a POST to its address.")));
  drawn.placed();
}

function against(at, others, page) {
  if (!others.length) return empty("There is no other pipeline to compare it with.");
  const shown = h("div", {});
  const choose = async (other) => { refill(shown, other ? difference("", await get(`${pathOf("pipelines", other)}/diff/${encodeURIComponent(at.split("/").pop())}`, page.signal)) : null); };
  return [h("select", { "aria-label": "Another pipeline", onchange: (event) => choose(event.target.value) }, h("option", { value: "" }, "Choose another pipeline"),
    others.slice(0, 200).map((one) => h("option", { value: one.id }, `${one.name || one.id.slice(0, 8)}${one.version ? `, version ${one.version}` : ""}`))), shown];
}
