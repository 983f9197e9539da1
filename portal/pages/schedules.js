// All schedules: what they start, by what, and when next.

import { get } from "../api.js";
import { empty, h, link, pathOf, put, table } from "../dom.js";
import { statusOf, triggerOf } from "../entities.js";
import { clock, when } from "../format.js";

/** The page of all schedules. */
export async function show(main, page) {
  page.title("Schedules");
  const [schedules, pipelines, endpoints] = await Promise.all([get("/schedules", page.signal), get("/pipelines", page.signal), get("/endpoints", page.signal)]);
  const names = new Map([...pipelines, ...endpoints].map((one) => [one.id, one.name]));
  put(main, h("div", { class: "head" }, h("h1", {}, "Schedules")), schedules.length ? table(["Schedule", "Status", "Starts", "When", "Next", { name: "Fired", kind: "num" }], schedules.map((one) => {
    const kind = one.endpoint ? "endpoints" : "pipelines", what = one.endpoint ?? one.pipeline;
    return [link(pathOf("schedules", one.id), one.name || one.id.slice(0, 8)), h("span", {}, statusOf(one), one.paused ? h("div", { class: "bad" }, one.paused) : null),
      link(pathOf(kind, what), names.get(what) || what.slice(0, 8)), triggerOf(one), one.next.length ? h("span", {}, clock(one.next[0]), h("div", { class: "quiet" }, when(one.next[0]))) : "–", String(one.fired)];
  }), { label: "Schedules" }) : empty("No schedules yet.", "`Schedule.create(ws, name, pipeline_id, experiment_name, recurrence=...)` starts a published pipeline by the clock, or when files arrive."));
}
