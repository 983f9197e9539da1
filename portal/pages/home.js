// The start: what runs now, what failed last and why, what fires next, and whether the service is well.

import { get, maybe, query } from "../api.js";
import { empty, h, link, pathOf, refill, section } from "../dom.js";
import { chip, clock, when } from "../format.js";
import { SAID } from "../texts.js";
import { runTable } from "./runs.js";

/** The page that the portal begins with. */
export async function show(main, page) {
  page.title("Home");
  let shown = "";
  await look();
  page.every(10, look);

  async function look() {
    const [open, last, failed, schedules, health] = await Promise.all([
      get(`/runs${query({ status: ["running", "failing", "cancelling"], limit: 10 })}`, page.signal), get("/runs?limit=6", page.signal),
      get("/runs?status=failed&limit=3", page.signal), maybe("/schedules", [], page.signal), maybe("/health/details", null, page.signal)]);
    const reasons = await Promise.all(failed.map((run) => get(pathOf("runs", run.id), page.signal)));
    const text = JSON.stringify([open, last, reasons, schedules, health?.checks]);
    if (text === shown) return;
    shown = text;
    refill(main, h("div", { class: "head" }, h("h1", {}, `Workspace ${page.who.workspace}`)),
      troubles(health),
      section("Running now", open.length ? runTable(open, null, [], "Runs that go on") : empty("Nothing runs just now.", last.length ? "" : SAID.noRunsNext)),
      h("div", { class: "split" }, section("Failed last", reasons.length ? h("ul", { class: "plainlist card" }, reasons.map(failure)) : empty("No run has failed.")),
        section("Fires next", next(schedules))),
      section("Ended last", last.some((run) => run.ended_at) ? runTable(last.filter((run) => run.ended_at), null, [], "Runs that ended last") : empty(SAID.noRuns, SAID.noRunsNext)));
  }
}

function troubles(health) {
  const bad = (health?.checks ?? []).filter((check) => !check.ok);
  if (!health) return null;
  if (!bad.length) return h("p", { class: "quiet" }, `✓ The service is well (${health.checks.length} ${health.checks.length === 1 ? "check" : "checks"}).`);
  return h("div", { class: "why", role: "alert" }, h("strong", {}, "The service needs somebody: "), bad.map((check) => `${check.name}: ${check.trouble}. `));
}

function failure(run) {
  return h("li", {}, h("div", { class: "row" }, chip(run.status), link(pathOf("runs", run.id), run.display_name || `${run.experiment}, run ${run.number}`), h("span", { class: "quiet" }, when(run.ended_at))),
    h("div", {}, run.error?.message?.slice(0, 400) ?? "No step says why.", run.error?.step ? [" ", link(pathOf("runs", run.error.step), "Its log")] : null));
}

function next(schedules) {
  const firing = schedules.filter((one) => one.status === "Active" && one.next?.length).sort((a, b) => a.next[0] - b.next[0]).slice(0, 6);
  if (!firing.length) return empty("No schedule is due.", "`Schedule.create(...)` starts a published pipeline by the clock, or when files arrive.");
  return h("ul", { class: "plainlist card" }, firing.map((one) => h("li", {}, link(pathOf("schedules", one.id), one.name || one.id), " ", h("span", { class: "quiet" }, clock(one.next[0]), ", ", when(one.next[0])),
    one.paused ? h("div", { class: "bad" }, one.paused) : null)));
}
