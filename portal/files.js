// Files of runs, datastores and models: a list, and the beginning of one, shown as what it is and never as a page.

import { Refused, ask, download } from "./api.js";
import { button, empty, h, plain, refill, table } from "./dom.js";
import { bytes, when } from "./format.js";
import { showImage } from "./metrics.js";

const HEAD = 512 * 1024; // bytes of a file that a preview reads
const IMAGE_MAX = 20 * 1024 * 1024;
const ROWS = 100;
const IMAGES = /\.(png|jpe?g|gif|webp|svg)$/i;
const BINARY = /\.(parquet|zip|gz|tar|pkl|joblib|bin|onnx|pt|h5|npy|npz|pdf|xlsx?|docx?)$/i;

/** A list of files. `routeOf(path)` is where the service has one. */
export function fileList(files, routeOf, none = "There are no files here.", next = "") {
  if (!files.length) return empty(none, next);
  const shown = h("div", { "aria-live": "polite" });
  return h("div", {}, table(["File", { name: "Size", kind: "num" }, "Changed", ""], files.slice(0, 500).map((file) => [
    file.path, file.size === undefined ? "" : bytes(file.size), file.modified_at ? when(file.modified_at) : "",
    h("span", { class: "row" }, button("Show", async () => { await preview(shown, routeOf(file.path), file); shown.scrollIntoView({ block: "nearest" }); }, { "aria-label": `Show ${file.path}` }),
      button("Download", () => download(routeOf(file.path), file.path), { "aria-label": `Download ${file.path}` })),
  ]), { label: "Files" }), files.length > 500 ? h("p", { class: "quiet" }, `and ${files.length - 500} more`) : null, shown);
}

/** A path behind a route: each part encoded, as the service decodes it. */
export function under(route, path) {
  return `${route}/${path.split("/").map(encodeURIComponent).join("/")}`;
}

async function preview(into, route, file) {
  refill(into, h("h3", {}, file.path), h("div", {}));
  const body = into.lastChild;
  if (IMAGES.test(file.path) && (file.size ?? 0) <= IMAGE_MAX) return showImage(body, route, file.path);
  try {
    if (BINARY.test(file.path)) return refill(body, empty("This kind of file is not shown here.", "Download it to look inside."));
    const { text, whole } = await beginning(route);
    if (text.includes("\u0000")) return refill(body, empty("This is no text.", "Download it to look inside."));
    const note = whole ? null : h("p", { class: "quiet" }, `The first ${bytes(HEAD)}.`);
    if (/\.(csv|tsv)$/i.test(file.path)) return refill(body, note, h("div", { class: "preview" }, grid(text, /\.tsv$/i.test(file.path) ? "\t" : ",")));
    if (/\.ipynb$/i.test(file.path)) return refill(body, note, notebook(text));
    return refill(body, note, h("pre", { class: "preview", tabindex: "0" }, text.slice(0, 100000).match(/[^]{1,18000}/g) ?? ""));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return refill(body, empty(error.message));
  }
}

/** The beginning of a file; the rest of it is not fetched. */
async function beginning(route) {
  const stop = new AbortController();
  const answer = await ask("GET", route, { signal: stop.signal });
  const reader = answer.body.getReader(), pieces = [];
  let length = 0, whole = false;
  while (length < HEAD) {
    const { done, value } = await reader.read();
    if (done) { whole = true; break; }
    pieces.push(value);
    length += value.length;
  }
  if (!whole) stop.abort();
  const joined = new Uint8Array(length);
  let at = 0;
  for (const one of pieces) { joined.set(one, at); at += one.length; }
  return { text: new TextDecoder().decode(joined.subarray(0, HEAD)), whole };
}

/** Rows of comma-separated values, with quotes as RFC 4180 has them. */
export function csvRows(text, comma = ",", most = ROWS + 1) {
  const rows = [];
  let row = [], cell = "", quoted = false;
  for (let at = 0; at < text.length && rows.length < most; at += 1) {
    const sign = text[at];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (text[at + 1] === '"') { cell += '"'; at += 1; } else quoted = false;
    } else if (sign === '"' && cell === "") quoted = true;
    else if (sign === comma) { row.push(cell); cell = ""; } else if (sign === "\n" || sign === "\r") {
      if (sign === "\r" && text[at + 1] === "\n") at += 1;
      rows.push([...row, cell]);
      row = [];
      cell = "";
    } else cell += sign;
  }
  if (rows.length < most && (cell || row.length)) rows.push([...row, cell]);
  return rows;
}

function grid(text, comma) {
  const [heads = [], ...rows] = csvRows(text, comma);
  const wide = Math.min(40, heads.length);
  return table(heads.slice(0, wide), rows.map((row) => Array.from({ length: wide }, (_, number) => row[number] ?? "")), { label: "First rows" });
}

function notebook(text) {
  let cells;
  try { cells = JSON.parse(text).cells; } catch { return empty("This notebook is longer than what is read of it here.", "Download it."); }
  if (!Array.isArray(cells)) return empty("This is no notebook.");
  const textOf = (one) => plain(Array.isArray(one) ? one.join("") : one ?? "");
  return h("div", { class: "preview" }, cells.slice(0, 200).map((cell) => h("div", {},
    cell.cell_type === "markdown" ? h("p", {}, textOf(cell.source)) : h("pre", {}, textOf(cell.source)),
    (cell.outputs ?? []).map((one) => h("pre", { class: "quiet" }, textOf(one.text ?? one.data?.["text/plain"] ?? one.evalue))))));
}
