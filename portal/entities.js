// What pipelines, endpoints and schedules have in common: they are switched off and on, deleted, and started.

import { act, get } from "./api.js";
import { confirmed, field, parameterFields, parametersSaid } from "./dialogs.js";
import { button, h, pathOf } from "./dom.js";

/** How one of them stands. */
export function statusOf(one) {
  return one.status === "Active" ? h("span", { class: "chip succeeded" }, h("span", { class: "sign", "aria-hidden": "true" }, "✓"), "active")
    : h("span", { class: "chip cancelled" }, h("span", { class: "sign", "aria-hidden": "true" }, "⊘"), "disabled");
}

/** Buttons to switch it off or on, and to delete it, for who may. `back` is where its list is. */
export function keepers(page, kind, one, noun, back) {
  const route = pathOf(kind, one.id), active = one.status === "Active", name = one.name || one.id;
  return [
    page.may("submitter") ? button(active ? "Disable…" : "Enable", async () => {
      const change = () => act("PATCH", route, { status: active ? "Disabled" : "Active" });
      if (active && !(await confirmed({ title: `Disable ${noun} ${name}?`, verb: "Disable", danger: true, text: "Nothing starts by it until it is enabled again. Runs go on.", act: change }))) return;
      if (!active) await change();
      dispatchEvent(new HashChangeEvent("hashchange"));
    }) : null,
    page.may("operator") ? button("Delete…", async () => {
      if (await confirmed({ title: `Delete ${noun} ${name}?`, verb: "Delete it for good", danger: true, text: "Its runs stay. What others use is not deleted: they are named then.", act: () => act("DELETE", route) })) location.hash = `#${back}`;
    }, { class: "danger" }) : null,
  ];
}

/** Ask for parameters, and start a run of a published pipeline, or of a version behind an endpoint. */
export async function start({ title, route, pipeline, experiment }) {
  const [graph, shown, stores] = await Promise.all([get(`${pathOf("pipelines", pipeline)}/graph`), get(pathOf("pipelines", pipeline)), get("/datastores")]);
  const parameters = (graph.parameters ?? []).map((one) => ({ ...one, default: shown.defaults[one.name] ?? one.default }));
  const made = await confirmed({
    title, verb: "Run",
    text: parameters.length ? "" : "It has no parameters.",
    fields: [
      ...parameterFields(parameters, {}, stores.map((one) => one.name)),
      field("experiment", "Experiment", { value: experiment, required: true }),
      field("display_name", "Name of the run (if you like)", {}),
    ],
    act: (said) => act("POST", route, { experiment: said.experiment, display_name: said.display_name, parameters: parametersSaid(parameters, said) }),
  });
  if (made) location.hash = `#${pathOf("runs", made.id)}`;
}

/** A name that an experiment may have, made of another name. */
export function experimentOf(name) {
  return name.replace(/[^a-zA-Z0-9_-]+/g, "-").replace(/^[-_]+/, "").slice(0, 255) || "runs";
}

/** What makes a schedule fire, in a line. */
export function triggerOf({ trigger: one }) {
  if (one.kind === "cron") return `cron ${one.expression}${one.time_zone ? ` (${one.time_zone})` : ""}`;
  if (one.kind === "changes") return `files that change in ${one.datastore}/${one.path || ""}, looked for every ${one.polling_minutes} min`;
  const at = one.hours?.length ? ` at ${one.hours.map((hour) => (one.minutes?.length ? one.minutes : [0]).map((minute) => `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`).join(", ")).join(", ")}` : "";
  const days = one.week_days?.length ? ` on ${one.week_days.join(", ")}` : "";
  const unit = one.frequency.toLowerCase();
  return `every ${one.interval === 1 ? unit : `${one.interval} ${unit}s`}${days}${at}${one.time_zone ? ` (${one.time_zone})` : ""}`;
}
