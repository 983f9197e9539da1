// A schedule: its next firings, and what became of those that were.

import { get } from "../api.js";
import { empty, facts, h, link, pathOf, put, section, table } from "../dom.js";
import { keepers, statusOf, triggerOf } from "../entities.js";
import { clock, value, when } from "../format.js";

const NEXT = 20;

/** The page of a schedule. */
export async function show(main, page) {
  const [id] = page.params, at = pathOf("schedules", id);
  const [one, firings] = await Promise.all([get(`${at}?count=${NEXT}`, page.signal), get(`${at}/firings`, page.signal)]);
  page.title(one.name || "Schedule");
  const [kind, what] = one.endpoint ? ["endpoints", one.endpoint] : ["pipelines", one.pipeline];
  put(main, h("div", { class: "head" }, h("div", {}, h("h1", {}, one.name || one.id), h("p", {}, one.description), h("div", { class: "row" }, statusOf(one))),
    h("div", { class: "actions" }, keepers(page, "schedules", one, "schedule", "/schedules"))),
  one.paused ? h("div", { class: "why note" }, one.paused) : null, one.warnings.map((warning) => h("div", { class: "why note" }, warning)),
  h("div", { class: "split" },
    section("What it does", h("div", { class: "card" }, facts([["Starts", link(pathOf(kind, what), `${one.endpoint ? "endpoint" : "pipeline"} ${what.slice(0, 8)}`)], ["When", triggerOf(one)],
      ["In experiment", link(pathOf("experiments", one.experiment), one.experiment)], ["With", Object.entries(one.parameters).map(([name, said]) => `${name} = ${value(said)}`).join(", ")],
      ["If it was missed", { skip: "it is skipped", last: "the newest of the missed runs", all: "all missed ones run" }[one.missed]],
      ["While the run before goes on", { allow: "it runs beside it", skip: "it is dropped", queue: "it waits for its end" }[one.overlap]], ["Made", clock(one.created_at)], ["By", one.created_by], ["Id", h("span", { class: "mono" }, one.id)]]))),
    section(one.trigger.kind === "changes" ? "Looks next" : `Its next ${one.next.length} firings`, one.next.length ? h("ol", { class: "card firings" }, one.next.map((moment) => h("li", {}, clock(moment), " ", h("span", { class: "quiet" }, when(moment))))) : empty("It fires no more.", "A disabled schedule fires again once it is enabled."))),
  section("What became of it", firings.length ? table(["For", "Outcome", "Run", "Why"], firings.map((firing) => [clock(firing.at), `${firing.outcome}${firing.count > 1 ? ` (${firing.count})` : ""}`,
    firing.run ? link(pathOf("runs", firing.run), firing.run.slice(0, 8)) : "", firing.why || (firing.changed ?? []).join(", ")]), { label: "Firings" }) : empty("It has not fired yet.")));
}
