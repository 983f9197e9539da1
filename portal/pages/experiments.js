// All experiments.

import { get } from "../api.js";
import { empty, h, link, pathOf, put, refill, table } from "../dom.js";
import { when } from "../format.js";
import { SAID } from "../texts.js";

/** The page of all experiments. */
export async function show(main, page) {
  page.title("Experiments");
  const all = await get("/experiments", page.signal);
  const list = h("div", {}), withArchived = h("input", { type: "checkbox", onchange: () => draw() });
  const draw = () => {
    const found = all.filter((one) => withArchived.checked || !one.archived_at).sort((a, b) => b.created_at - a.created_at);
    refill(list, found.length ? table(["Experiment", { name: "Runs", kind: "num" }, "Created", "Tags"], found.map((one) => [
      link(pathOf("experiments", one.name), one.name), String(one.runs ?? 0), when(one.created_at),
      Object.entries(one.tags ?? {}).map(([name, value]) => h("span", { class: "tag" }, value ? `${name}=${value}` : name)),
    ]), { label: "Experiments" }) : empty("No experiments yet.", SAID.noRunsNext));
  };
  draw();
  put(main, h("div", { class: "head" }, h("h1", {}, "Experiments"),
    all.some((one) => one.archived_at) ? h("label", { class: "check" }, withArchived, "Archived ones too") : null), list);
}
