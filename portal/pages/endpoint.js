// An endpoint: the versions behind its name, what is other between two of them, and its address.

import { act, get } from "../api.js";
import { confirmed } from "../dialogs.js";
import { button, facts, h, link, pathOf, put, refill, section, table } from "../dom.js";
import { experimentOf, keepers, start, statusOf } from "../entities.js";
import { clock, when } from "../format.js";
import { difference } from "./compare.js";

/** The page of an endpoint. */
export async function show(main, page) {
  const [id] = page.params, at = pathOf("endpoints", id);
  const [one, pipelines] = await Promise.all([get(at, page.signal), get("/pipelines", page.signal)]);
  const named = new Map(pipelines.map((pipeline) => [pipeline.id, pipeline]));
  page.title(one.name);
  const behind = one.versions.find((version) => version.version === one.default_version) ?? one.versions.at(-1);
  put(main, h("div", { class: "head" },
    h("div", {}, h("h1", {}, one.name), h("p", {}, one.description), h("div", { class: "row" }, statusOf(one))),
    h("div", { class: "actions" }, page.may("submitter") && one.status === "Active" ? button("Run…", () => start({ title: `Run ${one.name}, version ${behind.version}`, route: `${at}/runs`, pipeline: behind.pipeline, experiment: experimentOf(one.name) }), { class: "main" }) : null,
      keepers(page, "endpoints", one, "endpoint", "/pipelines"))),
  h("div", { class: "card" }, facts([["Address to POST to", h("span", { class: "mono" }, one.url)], ["Made", clock(one.created_at)], ["By", one.created_by], ["Id", h("span", { class: "mono" }, one.id)]])),
  section("Versions", table(["Version", "", "Pipeline", "Added", "By", ""], [...one.versions].reverse().map((version) => [
    version.version, version.version === one.default_version ? h("strong", {}, "default") : "",
    link(pathOf("pipelines", version.pipeline), named.get(version.pipeline)?.name || version.pipeline.slice(0, 8)), when(version.added_at), version.added_by,
    page.may("submitter") && version.version !== one.default_version ? button("Make default…", () => makeDefault(one, at, version), { "aria-label": `Make version ${version.version} the default` }) : ""]), { label: "Versions" })),
  one.versions.length > 1 ? section("What is other", compared(one, at, page)) : null);
}

async function makeDefault(one, at, version) {
  const was = await confirmed({ title: `Have ${one.name} run version ${version.version}?`, verb: "Make it the default", text: `Whoever calls its address runs version ${version.version} from now on, in place of ${one.default_version}.`, act: () => act("PATCH", at, { default_version: version.version }) });
  if (was) dispatchEvent(new HashChangeEvent("hashchange"));
}

function compared(one, at, page) {
  const shown = h("div", {}), all = one.versions.map((version) => version.version);
  const choose = (label, usual) => h("label", {}, label, h("select", { onchange: () => look() }, all.map((version) => h("option", { value: version, selected: version === usual }, version))));
  const before = choose("From version", page.search.get("before") ?? all.at(-2)), after = choose("To version", page.search.get("after") ?? all.at(-1));
  const look = async () => {
    const [from, to] = [before, after].map((label) => label.querySelector("select").value);
    page.remember({ before: from, after: to });
    refill(shown, difference("", await get(`${at}/diff?before=${encodeURIComponent(from)}&after=${encodeURIComponent(to)}`, page.signal)));
  };
  look();
  return [h("div", { class: "filters" }, before, after), shown];
}
