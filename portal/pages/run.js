// A run: its graph, its steps, where its time went, why steps ran, what it left, and what can be done with it.

import { actionsFor } from "../actions.js";
import { get, maybe, query } from "../api.js";
import { empty, facts, h, link, pathOf, put, refill, section, table } from "../dom.js";
import { wordsOf } from "../drawing.js";
import { chip, clock, took, value, when } from "../format.js";
import { Graph } from "../graph.js";
import { follow } from "../live.js";
import { DETAILED_MAX, Steps, timeline, wordOf } from "../steps.js";
import { ENDED } from "../texts.js";
import { runTable, startedBy, stepBar } from "./runs.js";

const TABS = [["", "Graph and steps"], ["time", "Time"], ["why", "Why steps ran"], ["about", "About"]];

/** The page of a run. */
export async function show(main, page) {
  const [id] = page.params, at = pathOf("runs", id);
  const [run, picture] = await Promise.all([get(at, page.signal), get(`${at}/picture`, page.signal)]);
  const state = { page, at: pathOf("runs", run.id), run, picture, steps: null, head: h("div", {}), body: h("div", {}), tab: page.search.get("tab") ?? "" };
  page.title(`${run.display_name || `Run ${run.id.slice(0, 8)}`}`);
  refill(main, state.head, tabs(page, state.tab), state.body);
  drawHead(state);
  const heard = await TAB[state.tab in TAB ? state.tab : ""](state);
  const stand = async (standing) => {
    if (standing.status !== state.run.status || !ENDED.includes(standing.status)) {
      state.run = await get(state.at, page.signal);
      drawHead(state);
    }
    await heard?.(standing);
    return !ENDED.includes(standing.status);
  };
  let first;
  const begun = new Promise((done) => { first = done; });
  follow(page, `${state.at}/standing`, async (standing) => { try { return await stand(standing); } finally { first(); } });
  await begun;
}

function tabs(page, tab) {
  return h("nav", { class: "tabs", "aria-label": "Of this run" }, TABS.map(([name, said]) =>
    link(`${page.path}${query({ tab: name })}`, said, { "aria-current": name === tab ? "page" : null })));
}

function drawHead(state) {
  const { run, page } = state;
  const again = async () => { state.run = await get(state.at, page.signal); drawHead(state); };
  const error = run.error;
  refill(state.head,
    h("div", { class: "head" },
      h("div", {}, h("h1", {}, run.display_name || `Run ${run.id.slice(0, 8)}`),
        h("p", {}, link(pathOf("experiments", run.experiment), run.experiment), ` · run ${run.number} · submitted `, when(run.submitted_at), " by ", startedBy(run),
          run.ended_at ? ` · took ${took(run.ended_at - run.submitted_at)}` : ""),
        h("div", { class: "row" }, h("strong", {}, chip(run.status)), stepBar(run.steps), Object.entries(run.tags).map(([name, one]) => h("span", { class: "tag" }, one ? `${name}=${one}` : name)))),
      h("div", { class: "actions" }, actionsFor(page, run, again))),
    run.attention ? h("div", { class: "why note" }, run.attention) : null,
    error ? h("div", { class: "why" }, h("strong", {}, "Why it failed: "), error.message, error.step ? [" ", link(pathOf("runs", error.step), "Open the step and its log")] : null) : null);
}

const TAB = {
  "": async (state) => {
    const { picture, page, run } = state;
    const graph = new Graph(picture, (key) => { location.hash = `#${pathOf("runs", `${run.id}.${key}`)}`; });
    if (picture.keys.length < 8 && !picture.blocks.length) graph.element.classList.add("low");
    const steps = new Steps(page, run.id);
    refill(state.body, graph.element, picture.edges_hidden ? h("p", { class: "quiet" }, `${picture.edges_hidden} more lines between steps are not drawn.`) : null,
      section("Steps", steps.element));
    graph.placed();
    globalThis.canalisGraph = graph; // for who measures it
    return async (standing) => {
      graph.stand(standing);
      const words = wordsOf(standing);
      const views = picture.keys.length <= DETAILED_MAX ? await get(`${state.at}/steps`, page.signal) : [];
      steps.show(picture.keys.map((key, place) => ({ key, name: picture.names[place], status: views[place] ? wordOf(views[place]) : words[place], view: views[place] })));
    };
  },
  time: async (state) => {
    if (state.picture.keys.length > DETAILED_MAX) {
      refill(state.body, await path(state));
      return null;
    }
    return async () => {
      const [views, times] = await Promise.all([get(`${state.at}/steps`, state.page.signal), get(`${state.at}/times`, state.page.signal)]);
      refill(state.body, h("p", { class: "quiet" }, "Each step from the submission of the run to its end; on the right how long the author's code worked."),
        timeline(views, times.wall_s), await path(state, times), section("Cost", await cost(state)));
    };
  },
  why: async (state) => {
    const reasons = await maybe(`${state.at}/reasons`, [], state.page.signal);
    refill(state.body, reasons.length ? table([{ name: "Step", kind: "name" }, { name: "", kind: "nowrap" }, "Why", "Changes"], reasons.map((one) => [
      link(pathOf("runs", `${state.run.id}.${one.node}`), one.name), one.runs ? "ran" : "reused",
      h("span", {}, one.said || one.why, one.reused_from ? [" ", link(pathOf("runs", one.reused_from), "the earlier result")] : null),
      h("span", {}, one.changes.slice(0, 12).map((change) => h("div", {}, h("strong", {}, change.name), `: ${change.before ?? "nothing"} → ${change.now ?? "nothing"}`))),
    ]), { label: "Why each step ran or did not" }) : empty("Nothing is known of why the steps of this run ran.", "Runs of earlier versions have not written it down."));
    return null;
  },
  about: async (state) => {
    const { run, page } = state;
    const [outputs, children, models] = await Promise.all([
      maybe(`${state.at}/outputs`, [], page.signal), get(`/runs${query({ parent: run.id })}`, page.signal), maybe("/models", [], page.signal)]);
    const below = await childrenOfSteps(state, children);
    const named = models.filter((model) => JSON.stringify(model).includes(run.id));
    refill(state.body, h("div", { class: "split" },
      h("div", { class: "card" }, h("h2", {}, "Parameters"), Object.keys(run.parameters).length
        ? facts(Object.entries(run.parameters).map(([name, one]) => [name, h("span", { class: "mono" }, value(one))])) : h("p", { class: "quiet" }, "It has none, or all have their defaults.")),
      h("div", { class: "card" }, h("h2", {}, "About"), facts([
        ["Id", h("span", { class: "mono" }, run.id)], ["Description", run.description], ["Submitted", clock(run.submitted_at)], ["Ended", run.ended_at ? clock(run.ended_at) : null],
        ["Started from", origin(run)], ["Parent", run.parent ? link(pathOf("runs", run.parent), run.parent) : null],
        ["Goes on from", run.resumed_from ? link(pathOf("runs", run.resumed_from), run.resumed_from) : null],
        ["Went on as", run.resumed_by.length ? run.resumed_by.map((one) => h("div", {}, link(pathOf("runs", one), one))) : null],
        ...Object.entries(run.properties).filter(([name]) => !name.startsWith("canalis.")).slice(0, 60)]))),
      outputs.length ? section("What it left", table(["Output", "Datastore", "Path"], outputs.map((one) => [one.pipeline_output ?? one.name, one.datastore,
        link(`/data${query({ store: one.datastore, prefix: one.path })}`, one.path)]), { label: "Outputs" })) : null,
      named.length ? section("Models made of it", h("ul", { class: "plainlist" }, named.map((model) => h("li", {}, link(pathOf("models", `${model.name}:${model.version}`), `${model.name}, version ${model.version}`))))) : null,
      below.length ? section("Runs that it started", runTable(below)) : null);
    return null;
  },
};

async function childrenOfSteps(state, known) {
  const steps = state.picture.keys.length <= 60 ? state.picture.keys : [];
  const found = await Promise.all(steps.map((key) => maybe(`/runs${query({ parent: `${state.run.id}.${key}` })}`, [], state.page.signal)));
  return [...new Map([...known, ...found.flat()].map((run) => [run.id, run])).values()];
}

function origin({ origin: one }) {
  if (one.schedule) return ["schedule ", link(pathOf("schedules", one.schedule), one.schedule), one.tick ? [" for ", clock(one.tick)] : null];
  if (one.endpoint) return ["endpoint ", link(pathOf("endpoints", one.endpoint), one.endpoint), one.version ? `, version ${one.version}` : ""];
  return one.pipeline ? ["pipeline ", link(pathOf("pipelines", one.pipeline), one.pipeline)] : null;
}

async function path(state, known = null) {
  const times = known ?? await get(`${state.at}/times`, state.page.signal);
  return section("What the run had to wait for", times.path.length ? table(["Step", { name: "Its share", kind: "num" }, "Mostly"], times.path.slice(0, 200).map((one) => {
    const parts = Object.entries(one.times).sort((a, b) => b[1] - a[1]);
    return [link(pathOf("runs", one.id), one.name), took(parts.reduce((sum, [, seconds]) => sum + seconds, 0)), parts.slice(0, 2).map(([name, seconds]) => `${name.replace("_", " ")} ${took(seconds)}`).join(", ")];
  }), { label: "Critical path" }) : empty("Nothing has ended yet."));
}

async function cost(state) {
  const found = await maybe(`${state.at}/cost`, null, state.page.signal);
  if (!found) return empty("What it has cost is not known.");
  const list = h("div", { class: "card" });
  return put(list, facts(Object.entries(found).filter(([, one]) => typeof one === "number").map(([name, one]) => [name.replaceAll("_", " "), value(one)])),
    h("p", { class: "quiet" }, "Storage operations and messages; what they cost in Azure is in docs/reference/cost.md."));
}
