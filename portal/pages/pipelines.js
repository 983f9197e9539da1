// Published pipelines, the endpoints that they are behind, and drafts.

import { act, get, maybe } from "../api.js";
import { confirmed } from "../dialogs.js";
import { button, empty, h, link, pathOf, put, section, table } from "../dom.js";
import { statusOf } from "../entities.js";
import { when } from "../format.js";

/** The page of all pipelines. */
export async function show(main, page) {
  page.title("Pipelines");
  const [pipelines, endpoints, drafts] = await Promise.all([get("/pipelines", page.signal), get("/endpoints", page.signal), maybe("/drafts", [], page.signal)]);
  const named = new Map(pipelines.map((one) => [one.id, one]));
  const label = (id) => { const one = named.get(id); return one ? `${one.name || one.id.slice(0, 8)}${one.version ? `, version ${one.version}` : ""}` : id.slice(0, 8); };
  put(main, h("div", { class: "head" }, h("h1", {}, "Pipelines")),
    section("Endpoints", endpoints.length ? table(["Endpoint", "Status", "Runs by default", { name: "Versions", kind: "num" }, "Changed"], endpoints.map((one) => {
      const behind = one.versions.find((version) => version.version === one.default_version);
      return [link(pathOf("endpoints", one.id), one.name), statusOf(one), behind ? link(pathOf("pipelines", behind.pipeline), label(behind.pipeline)) : "", String(one.versions.length), when(one.updated_at)];
    }), { label: "Endpoints" }) : empty("No endpoints yet.", "`PipelineEndpoint.publish(ws, name, pipeline, description)` gives a pipeline an address that stays while its versions change.")),
    section("Published", pipelines.length ? table(["Pipeline", "Version", "Status", { name: "Steps", kind: "num" }, "Description", "Published", "By"], pipelines.map((one) => [
      link(pathOf("pipelines", one.id), one.name || one.id.slice(0, 8)), one.version, statusOf(one), String(one.steps), one.description.slice(0, 200), when(one.created_at), one.created_by]), { label: "Published pipelines" })
      : empty("Nothing is published yet.", "`pipeline.publish(name)`, or Publish on the page of a run.")),
    section("Drafts", drafts.length ? table(["Draft", "Experiment", "Description", "Changed", ""], drafts.map((one) => [
      one.name, link(pathOf("experiments", one.experiment), one.experiment), one.description, when(one.updated_at),
      page.may("submitter") ? button("Run…", () => run(one), { "aria-label": `Run draft ${one.name}` }) : ""]), { label: "Drafts" })
      : empty("No drafts.", "`PipelineDraft.create(ws, name, pipeline)` keeps a pipeline that is still being worked on.")));
}

async function run(draft) {
  const made = await confirmed({ title: `Run draft ${draft.name}?`, verb: "Run", text: `As it is now, in experiment ${draft.experiment}.`, act: () => act("POST", `${pathOf("drafts", draft.id)}/runs`) });
  if (made) location.hash = `#${pathOf("runs", made.id)}`;
}
