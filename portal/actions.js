// What can be done with a run. Each is asked about first, and the service writes down who did it.

import { act, get } from "./api.js";
import { confirmed, field, parameterFields, parametersSaid } from "./dialogs.js";
import { button, pathOf } from "./dom.js";
import { ENDED } from "./texts.js";

/** Buttons for what the viewer may do with a run just now. `done()` is called after a change. */
export function actionsFor(page, run, done) {
  if (!page.may("submitter")) return [];
  const ended = ENDED.includes(run.status);
  return [
    !ended && run.status !== "cancelling" ? button("Cancel", () => cancel(run, done), { class: "danger" }) : null,
    ended && run.status !== "completed" ? button("Resume", () => resume(run), { class: "main" }) : null,
    button("Run again…", () => again(run)),
    button("Publish…", () => publish(run)),
    button("Name and tags…", () => annotate(run, done)),
  ];
}

async function asItIs(run) {
  const now = await get(pathOf("runs", run.id));
  if (now.status !== run.status) throw new Error(`Meanwhile the run is ${now.status}: somebody was faster, or it went on by itself.`);
}

async function cancel(run, done) {
  const was = await confirmed({
    title: "Cancel this run?", verb: "Cancel the run", danger: true,
    text: "Nothing further starts, and what runs is stopped. What has succeeded stays, and a resumed run can use it.",
    act: async () => { await asItIs(run); return act("POST", `${pathOf("runs", run.id)}/cancel`); },
  });
  if (was) done();
}

async function resume(run) {
  const made = await confirmed({
    title: "Go on from here?", verb: "Resume",
    text: "A new run keeps what has succeeded and is still valid, and runs the rest.",
    act: async () => { await asItIs(run); return act("POST", `${pathOf("runs", run.id)}/resume`, {}); },
  });
  if (made) location.hash = `#${pathOf("runs", made.id)}`;
}

async function again(run) {
  const [graph, stores] = await Promise.all([get(`${pathOf("runs", run.id)}/graph`), get("/datastores")]);
  const parameters = graph.parameters ?? [];
  const made = await confirmed({
    title: "Run this pipeline again", verb: "Run",
    text: parameters.length ? "Steps whose ingredients have not changed are reused." : "It has no parameters. Steps whose ingredients have not changed are reused.",
    fields: [
      ...parameterFields(parameters, run.parameters, stores.map((one) => one.name)),
      field("experiment", "Experiment", { value: run.experiment, required: true }),
      field("fresh", "Run every step, also those that could be reused", { type: "checkbox" }),
    ],
    act: (said) => act("POST", "/runs", {
      experiment: said.experiment, graph, regenerate_outputs: said.fresh, display_name: run.display_name,
      continue_on_step_failure: run.continue_on_step_failure,
      parameters: parametersSaid(parameters, said, run.parameters),
    }),
  });
  if (made) location.hash = `#${pathOf("runs", made.id)}`;
}

async function publish(run) {
  const made = await confirmed({
    title: "Publish what this run ran", verb: "Publish",
    text: "Others can start it then, with parameters of theirs. A published pipeline never changes.",
    fields: [
      field("name", "Name", { value: run.display_name || run.experiment, required: true }),
      field("version", "Version (if you like)", {}),
      field("description", "Description (if you like)", {}),
    ],
    act: (said) => act("POST", "/pipelines", { run: run.id, ...said }),
  });
  if (made) location.hash = `#${pathOf("pipelines", made.id)}`;
}

async function annotate(run, done) {
  const lines = Object.entries(run.tags).map(([name, value]) => `${name}=${value}`).join(", ");
  const was = await confirmed({
    title: "Name and tags", verb: "Keep",
    fields: [field("display_name", "Name", { value: run.display_name }), field("tags", "Tags", { value: lines }, "name=value, separated by commas")],
    act: (said) => act("PATCH", pathOf("runs", run.id), { display_name: said.display_name, tags: tagsSaid(run.tags, said.tags) }),
  });
  if (was) done();
}

function tagsSaid(before, text) {
  const found = Object.fromEntries(text.split(",").map((one) => one.trim()).filter(Boolean).map((one) => {
    const [name, ...rest] = one.split("=");
    return [name.trim(), rest.join("=").trim()];
  }));
  for (const name of Object.keys(before)) if (!(name in found)) found[name] = null;
  return found;
}
