// A model in one of its versions: its files, who made it, and of which data.

import { get, maybe, query } from "../api.js";
import { empty, facts, h, link, pathOf, put, section, table } from "../dom.js";
import { fileList, under } from "../files.js";
import { bytes, clock, value } from "../format.js";

/** The page of a model. */
export async function show(main, page) {
  const [name] = page.params, at = pathOf("models", name);
  const one = await get(at, page.signal);
  const [files, versions, made] = await Promise.all([get(`${pathOf("models", one.id)}/files`, page.signal), get(`/models${query({ name: one.name })}`, page.signal), lineage(one, page)]);
  page.title(`${one.name}, version ${one.version}`);
  put(main, h("div", { class: "head" }, h("div", {}, h("h1", {}, `${one.name}, version ${one.version}`), h("p", {}, one.description))),
    h("div", { class: "split" }, h("div", { class: "card" }, h("h2", {}, "About"), facts([
      ["Versions", versions.map((other) => [other.version === one.version ? h("strong", {}, String(other.version)) : link(pathOf("models", other.id), String(other.version)), " "])],
      ["Made by", one.run ? link(pathOf("runs", one.run), one.run) : null], ["Experiment", one.experiment ? link(pathOf("experiments", one.experiment), one.experiment) : null],
      ["Framework", `${one.framework} ${one.framework_version}`.trim()], ["Size", bytes(one.bytes)], ["Registered", clock(one.created_at)], ["By", one.created_by],
      ...Object.entries({ ...one.tags, ...one.properties }).slice(0, 60)])),
    h("div", { class: "card" }, h("h2", {}, "Made with"), Object.keys(made.parameters).length ? facts(Object.entries(made.parameters).map(([key, said]) => [key, value(said)])) : h("p", { class: "quiet" }, "No parameters are known."))),
    section("Which data it was made of", made.rows.length || one.datasets.length ? table(["Read by", "Data"], [
      ...one.datasets.map((dataset) => ["said at registration", Array.isArray(dataset) ? dataset.map(value).join(": ") : value(dataset)]), ...made.rows], { label: "Data" })
      : empty("No data is known of.", "A model knows what its run has read when `run.register_model` registers it.")),
    section("Files", fileList(files, (path) => under(`${pathOf("models", one.id)}/files`, path))));
}

/** What the step that made it has read, and the steps before that, back to data that no step wrote. */
async function lineage(model, page) {
  if (!model.run) return { rows: [], parameters: {} };
  const [runId, node] = model.run.split(".");
  const run = await maybe(pathOf("runs", runId), null, page.signal), graph = run && await maybe(`${pathOf("runs", runId)}/graph`, null, page.signal);
  if (!graph) return { rows: [], parameters: {} };
  const nodes = new Map(graph.nodes.map((one) => [one.key, one])), seen = new Set(), rows = [];
  const todo = node ? [node] : graph.nodes.map((one) => one.key);
  while (todo.length) {
    const key = todo.shift(), one = nodes.get(key);
    if (!one || seen.has(key)) continue;
    seen.add(key);
    const step = link(pathOf("runs", `${runId}.${key}`), one.name);
    let reads = 0;
    for (const input of one.inputs ?? []) {
      reads += 1;
      if (input.source.kind === "step") { todo.push(input.source.node); rows.push([step.cloneNode(true), ["output ", input.source.output, " of ", link(pathOf("runs", `${runId}.${input.source.node}`), nodes.get(input.source.node)?.name ?? input.source.node)]]); } else rows.push([step.cloneNode(true), dataOf(input.source, run)]);
    }
    todo.push(...(one.after ?? []));
    if (!reads) rows.push([step, `reads no input: what it uses comes from its script or arguments (${(one.arguments ?? []).flat().filter((piece) => typeof piece === "string").join(" ").slice(0, 200)})`]);
  }
  return { rows, parameters: run.parameters };
}

function dataOf(source, run) {
  if (source.kind === "parameter") return `parameter ${source.parameter} = ${value(run.parameters[source.parameter] ?? "its default")}`;
  if (source.kind === "store") return `${source.datastore ?? "the default datastore"}/${typeof source.path === "string" ? source.path : JSON.stringify(source.path)}`;
  if (source.registered) return ["dataset ", link(`${pathOf("datasets", source.registered.name)}?version=${source.registered.version}`, `${source.registered.name}, version ${source.registered.version}`)];
  return source.places.map((place) => `${place.datastore ?? "the default datastore"}/${place.path}`).join(", ");
}
