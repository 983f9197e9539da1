// A step at one of its attempts: log, metrics, what it read and wrote, what it was run with.

import { get, maybe, query } from "../api.js";
import { empty, facts, h, link, pathOf, refill, section, table } from "../dom.js";
import { fileList, under } from "../files.js";
import { chip, clock, took, value, when } from "../format.js";
import { follow } from "../live.js";
import { Log } from "../log.js";
import { Metrics } from "../metrics.js";
import { noteOf, timeline, wordOf } from "../steps.js";
import { ENDED } from "../texts.js";

const TABS = [["", "Log"], ["metrics", "Metrics"], ["data", "Inputs and outputs"], ["with", "Run with"], ["files", "Files"], ["source", "Source"], ["why", "Why and when"]];

/** The page of a step. */
export async function show(main, page) {
  const [id] = page.params, at = pathOf("runs", id);
  const view = await get(at, page.signal);
  const run = await get(pathOf("runs", view.run_id), page.signal);
  const tab = page.search.get("tab") ?? "";
  const state = { page, at: pathOf("runs", view.id), view, run, body: h("div", {}), head: h("div", {}) };
  page.title(`${view.name} · run ${view.run_id.slice(0, 8)}`);
  refill(main, state.head, h("nav", { class: "tabs", "aria-label": "Of this step" }, TABS.map(([name, said]) =>
    link(`${page.path}${query({ tab: name })}`, said, { "aria-current": name === tab ? "page" : null }))), state.body);
  drawHead(state);
  const heard = await TAB[tab in TAB ? tab : ""](state);
  if (ENDED.includes(run.status)) return;
  follow(page, `${pathOf("runs", view.run_id)}/standing`, async (standing) => {
    state.view = await get(state.at, page.signal);
    drawHead(state);
    await heard?.();
    return !ENDED.includes(standing.status);
  });
}

function drawHead({ head, view, run }) {
  const start = view.started_at ?? null, end = view.ended_at;
  const said = noteOf({ ...view, error: null });
  const note = typeof said === "string" ? said : said;
  refill(head, h("div", { class: "head" }, h("div", {}, h("h1", {}, view.display_name || view.name),
    h("p", {}, "Step of ", link(pathOf("runs", view.run_id), run.display_name || `run ${view.run_id.slice(0, 8)}`), " in ", link(pathOf("experiments", view.experiment), view.experiment),
      start ? [" · started ", when(start)] : "", end && start ? ` · took ${took(end - start)}` : "", view.compute ? ` · on ${view.compute}` : ""),
    h("div", { class: "row" }, h("strong", {}, chip(wordOf(view))), view.exit_code ? h("span", { class: "quiet" }, `exit code ${view.exit_code}`) : null, h("span", { class: "quiet" }, note)))),
  view.error ? h("div", { class: "why" }, view.error.message) : null,
  view.earlier.length || view.attempt !== view.attempt_now ? attempts(view) : null);
}

function attempts(view) {
  const numbers = [...view.earlier.map((one) => [one.attempt, one.outcome]), ...(view.attempt <= view.attempt_now ? [[view.attempt_now, ""]] : [])];
  return h("p", {}, "Attempts: ", numbers.map(([number, outcome]) => [number === view.attempt ? h("strong", {}, `${number}${outcome ? ` (${outcome})` : ""}`)
    : link(pathOf("runs", `${view.run_id}.${view.node}.${number}`), `${number}${outcome ? ` (${outcome})` : ""}`), " "]));
}

const TAB = {
  "": async ({ page, at, body, view }) => {
    const log = new Log(page, `${at}/log`, view.node);
    refill(body, log.element);
    setTimeout(() => { log.lines.scrollTop = log.lines.scrollHeight; });
    await log.start();
  },
  metrics: async ({ page, at, body, view, run }) => {
    const metrics = new Metrics(view.id);
    refill(body, metrics.element);
    const look = async () => { metrics.show(await get(`${at}/metrics`, page.signal)); };
    await look();
    if (!ENDED.includes(run.status)) page.every(2, look);
    return look;
  },
  data: async ({ page, at, body, view }) => {
    const [graph, outputs] = await Promise.all([get(`${pathOf("runs", view.run_id)}/graph`, page.signal), get(`${at}/outputs`, page.signal)]);
    const node = graph.nodes.find((one) => one.key === view.node);
    const lists = await Promise.all(outputs.map((one) => maybe(`${pathOf("datastores", one.datastore)}/files${query({ prefix: one.path })}`, [], page.signal)));
    refill(body, section("Inputs", node.inputs?.length ? table(["Input", "From", "Mode"], node.inputs.map((one) => [one.name, source(one.source, view), one.mode ?? "mount"]), { label: "Inputs" })
      : empty("It reads no inputs.")),
    section("Outputs", outputs.length ? outputs.map((one, number) => h("div", {}, h("h3", {}, `${one.pipeline_output ?? one.name}`),
      h("p", { class: "quiet" }, `${one.datastore}/${one.path}`), fileList(lists[number], (path) => under(`${pathOf("datastores", one.datastore)}/files`, path), "Nothing was written there yet.")))
      : empty("It writes no outputs.", "A PipelineData among the step's outputs makes a place for one.")));
  },
  with: async ({ page, body, view, run }) => {
    const graph = await get(`${pathOf("runs", view.run_id)}/graph`, page.signal);
    const node = graph.nodes.find((one) => one.key === view.node);
    const words = (argument) => argument.map((piece) => (typeof piece === "string" ? piece : said(piece, run))).join("");
    const environment = graph.environments?.[node.environment];
    refill(body, h("div", { class: "split" },
      h("div", { class: "card" }, h("h2", {}, "Arguments"), node.arguments?.length ? h("pre", { tabindex: "0" }, node.arguments.map(words).join(" ").slice(0, 20000)) : h("p", { class: "quiet" }, "None."),
        h("h3", {}, node.work.kind === "python" ? "Script" : "Command"), h("pre", { tabindex: "0" }, node.work.script ?? words(node.work.line ?? []))),
      h("div", { class: "card" }, h("h2", {}, "Settings"), facts([["Compute", view.compute || "this machine"], ["Attempts", `${view.attempt} of ${view.attempts_max}`], ["Time limit", node.settings?.timeout_s ? took(node.settings.timeout_s) : "none"],
        ["Reuse", node.settings?.reuse === false ? "switched off" : "allowed"], ["Version", node.version], ["Waits for", (node.after ?? []).join(", ")],
        ...Object.entries(node.environment_variables ?? {}).map(([name, one]) => [name, words(one)])]))),
    section("Environment", environment ? h("pre", { class: "preview", tabindex: "0" }, JSON.stringify(environment, null, 2).slice(0, 20000)) : empty("It runs in its author's interpreter.", "An Environment in the step's RunConfiguration gives it packages of its own.")));
  },
  files: async ({ page, at, body }) => {
    const files = await get(`${at}/artifacts`, page.signal);
    refill(body, fileList(files, (path) => under(`${at}/artifacts`, path), "It has left no files.", "What a script writes into outputs/ or logs/ is kept here."));
  },
  source: async ({ page, body, view }) => {
    if (!view.snapshot) { refill(body, empty("This step has no source files.")); return; }
    const at = pathOf("snapshots", view.snapshot), snapshot = await get(at, page.signal);
    const files = Object.entries(snapshot.files).map(([path, one]) => ({ path, size: one.size }));
    refill(body, h("p", { class: "quiet" }, "The files as they were when the run was submitted."), fileList(files, (path) => under(`${at}/files`, path)));
  },
  why: async ({ page, at, body, view }) => {
    const [reason] = await maybe(`${pathOf("runs", `${view.run_id}.${view.node}`)}/reasons`, [], page.signal);
    refill(body, section("Why it ran or did not", reason ? h("div", { class: "card" }, h("p", {}, reason.said || reason.why),
      reason.changes.length ? table(["What is other", "Before", "Now"], reason.changes.map((one) => [one.name, one.before ?? "nothing", one.now ?? "nothing"]), { label: "Changes" }) : null) : empty("Nothing is known of it.")),
    section("Where its time went", timeline([view], 0)),
    h("div", { class: "card" }, facts([["Submitted", clock(view.submitted_at)], ["Taken up", view.claimed_at ? clock(view.claimed_at) : null], ["Started", view.started_at ? clock(view.started_at) : null],
      ["Ended", view.ended_at ? clock(view.ended_at) : null], ["Worker", view.owner], ["Id", h("span", { class: "mono" }, view.id)], ["Files", link(`${pathOf("runs", view.id)}?tab=files`, "of this attempt")],
      ...Object.entries(view.properties)])));
    return null;
  },
};

function source(one, view) {
  if (one.kind === "step") return ["output ", h("strong", {}, one.output), " of ", link(pathOf("runs", `${view.run_id}.${one.node}`), one.node)];
  if (one.kind === "store") return `${one.datastore ?? "the default datastore"}/${typeof one.path === "string" ? one.path : JSON.stringify(one.path)}`;
  if (one.kind === "parameter") return `parameter ${one.parameter}`;
  return one.registered ? link(pathOf("datasets", one.registered.name), `${one.registered.name}, version ${one.registered.version}`) : value(one);
}

function said(piece, run) {
  if (piece.kind === "parameter") return piece.name in run.parameters ? value(run.parameters[piece.name]) : `<parameter ${piece.name}>`;
  return `<${piece.kind} ${piece.name}>`;
}
