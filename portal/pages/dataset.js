// A dataset in one of its versions: where its files are, and what they are.

import { get, maybe, query } from "../api.js";
import { empty, facts, h, link, pathOf, put, section, table } from "../dom.js";
import { fileList, under } from "../files.js";
import { clock } from "../format.js";

/** The page of a dataset. */
export async function show(main, page) {
  const [name] = page.params, at = pathOf("datasets", name);
  const [one, newest] = await Promise.all([get(`${at}${query({ version: page.search.get("version") })}`, page.signal), get(at, page.signal)]);
  page.title(one.name);
  const versions = Array.from({ length: Math.min(50, newest.version) }, (_, number) => newest.version - number);
  const lists = await Promise.all(one.places.slice(0, 10).map((place) => maybe(`${pathOf("datastores", place.datastore)}/files${query({ prefix: place.path.replace(/[*?[].*$/, "") })}`, [], page.signal)));
  put(main, h("div", { class: "head" }, h("div", {}, h("h1", {}, one.name), h("p", {}, `Version ${one.version} of ${newest.version} · `, one.description))),
    h("div", { class: "card" }, facts([["Versions", versions.map((version) => [version === one.version ? h("strong", {}, String(version)) : link(`${page.path}?version=${version}`, String(version)), " "])],
      ["Registered", clock(one.created_at)], ["By", one.created_by], ["Id", h("span", { class: "mono" }, one.id)], ["Tags", Object.entries(one.tags).map(([tag, value]) => `${tag}=${value}`).join(", ")]])),
    one.table ? section("How rows are read", h("pre", { class: "preview", tabindex: "0" }, JSON.stringify(one.table, null, 2))) : null,
    one.places.length ? null : empty("It names no place."),
    one.places.slice(0, 10).map((place, number) => section(`${place.datastore}/${place.path}`, fileList(lists[number], (path) => under(`${pathOf("datastores", place.datastore)}/files`, path), "No files are there now.", "They may have been deleted since."))),
    one.places.length > 10 ? table(["Further places"], one.places.slice(10).map((place) => [`${place.datastore}/${place.path}`]), { label: "Further places" }) : null);
}
