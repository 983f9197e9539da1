// Questions before something is done, and forms.

import { button, h, put, refill } from "./dom.js";

/** Ask, and do it. `fields` are elements with a name; `act(values)` may raise, which is shown and can be mended. */
export function confirmed({ title, text, verb, danger = false, fields = [], act }) {
  return new Promise((done) => {
    const fault = h("p", { class: "bad", role: "alert" });
    const go = h("button", { type: "submit", class: danger ? "danger" : "main" }, verb);
    const form = h("form", { method: "dialog" }, h("h2", { id: "asked" }, title), text ? h("p", {}, text) : null, fields, fault,
      h("div", { class: "actions" }, button("Leave it", () => close(null), { class: "plain" }), go));
    const dialog = h("dialog", { "aria-labelledby": "asked" }, form);
    const close = (found) => { dialog.close(); dialog.remove(); done(found); };
    dialog.addEventListener("cancel", () => close(null));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      go.disabled = true;
      refill(fault);
      try { close((await act(valuesOf(form))) ?? true); } catch (error) { put(refill(fault), error.message); go.disabled = false; }
    });
    document.getElementById("dialogs").append(dialog);
    dialog.showModal();
  });
}

function valuesOf(form) {
  const found = {};
  for (const field of form.elements) {
    if (!field.name) continue;
    found[field.name] = field.type === "checkbox" ? field.checked : field.value;
  }
  return found;
}

/** A field of a form with its label. */
export function field(name, label, parts = {}, note = "") {
  const made = parts.options
    ? h("select", { name }, parts.options.map(([value, said]) => h("option", { value, selected: value === parts.value }, said)))
    : h("input", { name, ...parts });
  const kind = parts.type === "checkbox" ? "check" : "";
  if (parts.type === "checkbox" && parts.value) made.checked = true;
  return h("label", { class: kind }, kind ? [made, label] : [label, made], note ? h("span", { class: "quiet" }, note) : null);
}

/** Fields for parameters of a pipeline: `parameters` have name, type and default; `stores` are names of datastores. */
export function parameterFields(parameters, values, stores) {
  return parameters.map(({ name, type, default: usual }) => {
    const given = values[name] ?? usual, key = `p:${name}`;
    if (type === "bool") return field(key, name, { type: "checkbox", value: given });
    if (type === "int" || type === "float") return field(key, `${name} (${type})`, { type: "number", step: type === "int" ? "1" : "any", value: given });
    if (type === "datapath") {
      return h("div", { class: "row" },
        field(`${key}:store`, `${name}: datastore`, { options: stores.map((one) => [one, one]), value: given.datastore }),
        field(key, `${name}: path`, { value: given.path }));
    }
    if (type === "dataset") return field(key, `${name} (dataset)`, { value: asName(given) }, "The name of a dataset, or name:version");
    return field(key, name, { value: given });
  });
}

function asName(given) {
  if (typeof given === "string") return given;
  return given?.registered ? `${given.registered.name}:${given.registered.version}` : "";
}

/** What the fields of parameters say: only values that are others than the usual ones. Raises for what is no number. */
export function parametersSaid(parameters, said, values = {}) {
  const found = {};
  for (const { name, type, default: usual } of parameters) {
    const given = said[`p:${name}`], before = values[name] ?? usual;
    let value = given;
    if (type === "int" || type === "float") {
      value = Number(given);
      if (given.trim() === "" || !Number.isFinite(value)) throw new Error(`${name} must be a number`);
    } else if (type === "datapath") value = { datastore: said[`p:${name}:store`], path: given };
    else if (type === "dataset" && given === asName(before)) continue;
    if (JSON.stringify(value) !== JSON.stringify(usual)) found[name] = value;
  }
  return found;
}
