// What pipelines work with: data, models, environments, compute targets; and who has changed what.

import { ask, get, maybe, query } from "../api.js";
import { button, empty, h, link, pathOf, put, refill, section, table } from "../dom.js";
import { fileList, under } from "../files.js";
import { bytes, chip, value, when } from "../format.js";
import { wordOf } from "../steps.js";

/** The pages of things, by their address. */
export async function show(main, page) {
  const [kind] = page.params;
  page.title({ data: "Data", models: "Models", computes: "Compute", audit: "Changes" }[kind]);
  await PAGES[kind](main, page);
}

const PAGES = {
  data: async (main, page) => {
    const [datasets, stores] = await Promise.all([get("/datasets", page.signal), get("/datastores", page.signal)]);
    const files = h("div", {}), store = page.search.get("store") ?? stores.find((one) => one.is_default)?.name, prefix = page.search.get("prefix") ?? "";
    put(main, h("div", { class: "head" }, h("h1", {}, "Data")),
      section("Datasets", datasets.length ? table(["Dataset", { name: "Version", kind: "num" }, "Kind", "Where", "Registered", "By"], datasets.map((one) => [
        link(pathOf("datasets", one.name), one.name), String(one.version), one.table ? "table" : "files", one.places.slice(0, 4).map(value).join(", "), when(one.created_at), one.created_by]), { label: "Datasets" })
        : empty("No datasets are registered yet.", "`dataset.register(ws, name)` keeps one under a name, in versions.")),
      section("Datastores", table(["Datastore", "Type", ""], stores.map((one) => [link(`/data${query({ store: one.name })}`, one.name, { "aria-current": one.name === store ? "true" : null }), one.type, one.is_default ? "default" : ""]), { label: "Datastores" })),
      section(`Files in ${store}`, browse(page, store, prefix, files), files));
    await list(page, store, prefix, files);
  },
  models: async (main, page) => {
    const models = await get("/models", page.signal);
    const newest = new Map();
    for (const one of models) if (!newest.has(one.name)) newest.set(one.name, one);
    put(main, h("div", { class: "head" }, h("h1", {}, "Models")), models.length ? table(["Model", { name: "Version", kind: "num" }, { name: "Versions", kind: "num" }, "Made by", "Framework", { name: "Size", kind: "num" }, "Registered"], [...newest.values()].map((one) => [
      link(pathOf("models", one.id), one.name), String(one.version), String(models.filter((other) => other.name === one.name).length), one.run ? link(pathOf("runs", one.run), one.run.slice(0, 8)) : "", `${one.framework} ${one.framework_version}`.trim(), bytes(one.bytes), when(one.created_at)]), { label: "Models" })
      : empty("No models are registered yet.", "`run.register_model(name, path)` keeps what a run has made under a name, in versions."));
  },
  computes: async (main, page) => {
    const [computes, environments] = await Promise.all([get("/computes", page.signal), get("/environments", page.signal)]);
    const queue = h("div", {});
    put(main, h("div", { class: "head" }, h("h1", {}, "Compute")),
      section("Compute targets", computes.length ? table(["Name", "Type", { name: "Steps at once", kind: "num" }, "Size"], computes.map((one) => [one.name, one.type ?? "", String(one.max_nodes ?? 1), one.vm_size ?? ""]), { label: "Compute targets" })
        : empty("No compute targets: steps run on this machine.", "`ComputeTarget.create(ws, name, configuration)` makes a pool of slots under a name.")),
      section("At work and waiting", queue),
      section("Environments", environments.length ? table(["Environment", { name: "Version", kind: "num" }, "Packages"], environments.map((one) => [one.name, String(one.version ?? ""), packagesOf(one)]), { label: "Environments" })
        : empty("No environments are registered.", "`env.register(ws)` keeps one under a name; a step may bring its own all the same.")));
    await fillQueue(page, queue);
    page.every(5, () => fillQueue(page, queue));
  },
  audit: async (main, page) => {
    const list = h("div", {}), all = [];
    put(main, h("div", { class: "head" }, h("div", {}, h("h1", {}, "Changes"), h("p", {}, "Who changed what, when and from where."))), list);
    const more = async () => {
      const found = await get(`/audit${query({ limit: 50, before: all.at(-1)?.at })}`, page.signal);
      all.push(...found);
      refill(list, all.length ? table(["When", "Who", "What", "Of", "From"], all.map((one) => [when(one.at), one.role ? `${one.who} (${one.role})` : one.who, [one.method, one.route, one.event].filter(Boolean).join(" "), one.made ?? one.name, one.client]), { label: "Changes" }) : empty("Nothing has been changed yet."),
        found.length === 50 ? button("Older ones", more) : null);
    };
    await more();
  },
};

function browse(page, store, prefix, files) {
  const path = h("input", { value: prefix, "aria-label": "Begins with", placeholder: "Path begins with" });
  return h("div", { class: "filters" }, path, button("Show", async () => { page.remember({ store, prefix: path.value }); await list(page, store, path.value, files); }));
}

async function list(page, store, prefix, into) {
  const route = `${pathOf("datastores", store)}/files`;
  refill(into, fileList(await maybe(`${route}${query({ prefix })}`, [], page.signal), (path) => under(route, path), "No file begins so.", prefix ? "Take something away from the path." : "Steps write here, and `datastore.upload(folder)` does."));
}

function packagesOf(one) {
  const found = JSON.stringify(one).match(/"pip": ?\[(.*?)\]/)?.[1] ?? "";
  return found.replaceAll('"', "").slice(0, 200);
}

async function fillQueue(page, into) {
  const runs = await (await ask("GET", "/runs?status=running&status=failing&status=cancelling&limit=20", { signal: page.signal })).json();
  const steps = (await Promise.all(runs.map((run) => get(`${pathOf("runs", run.id)}/steps?news_since=9999999999`, page.signal)))).flat();
  refill(into, steps.length ? table(["Step", "Status", "Compute", "Run", "Waits for", "Since"], steps.slice(0, 200).map((one) => [
    link(pathOf("runs", one.id), one.name), chip(wordOf(one)), one.compute || "this machine", link(pathOf("runs", one.run_id), one.run_id.slice(0, 8)), one.waits_for.join(", "), when(one.waits_since ?? one.started_at)]), { label: "Steps at work" })
    : empty("Nothing runs and nothing waits just now."));
}
