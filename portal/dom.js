// Elements and texts. Whatever comes from outside becomes text through here, and never markup.

// What could hide or turn round what stands beside it: controls, bidi marks, zero-width signs.
const HARMFUL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\uffff]/g;
const TEXT_MAX = 20000;

/** A text as it may be shown: signs that cannot be seen are named, and what is endless is cut. */
export function plain(text) {
  const whole = String(text ?? "");
  const cut = whole.length > TEXT_MAX ? `${whole.slice(0, TEXT_MAX)}… (${whole.length} characters)` : whole;
  return cut.replace(HARMFUL, (sign) => `⟨U+${sign.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`);
}

/** An element. `parts` are attributes; on... are listeners; children are elements, or texts which become plain. */
export function h(tag, parts = {}, ...children) {
  return filled(document.createElement(tag), parts, children);
}

/** The same for drawings. */
export function svg(tag, parts = {}, ...children) {
  return filled(document.createElementNS("http://www.w3.org/2000/svg", tag), parts, children);
}

function filled(element, parts, children) {
  for (const [name, value] of Object.entries(parts)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") Object.assign(element.style, value);
    else if (name === "value") element.value = value;
    else element.setAttribute(name, value === true ? "" : plain(value));
  }
  put(element, ...children);
  return element;
}

/** Add children: elements, texts, lists of them; what is null or false is left out. */
export function put(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(plain(child)));
  }
  return element;
}

/** Put other children in the place of those that are there. */
export function refill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

/** An address within the portal. */
export function link(path, text, parts = {}) {
  return h("a", { href: `#${path}`, ...parts }, text);
}

/** A path of encoded parts: pathOf("runs", id). */
export function pathOf(...parts) {
  return `/${parts.map(encodeURIComponent).join("/")}`;
}

/** A button that does something, and cannot be pressed again meanwhile. */
export function button(text, act, parts = {}) {
  const made = h("button", { type: "button", ...parts, onclick: async (event) => {
    made.disabled = true;
    try { await act(event); } finally { made.disabled = false; }
  } }, text);
  return made;
}

/** A table. `columns` are texts, or {name, kind}; a row is a list of cells; "num" cells stand to the right. */
export function table(columns, rows, parts = {}) {
  const heads = columns.map((one) => (typeof one === "string" ? { name: one, kind: "" } : one));
  const body = rows.map((cells) => h("tr", {}, cells.map((cell, place) => {
    const said = { class: heads[place].kind || null, "data-label": heads[place].name };
    return place === 0 ? h("th", { scope: "row", ...said }, h("div", {}, cell)) : h("td", said, cell === "" ? null : h("div", {}, cell));
  })));
  return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": parts.label ?? "Table" },
    h("table", { class: parts.class },
      h("thead", {}, h("tr", {}, heads.map((one) => (one.name ? h("th", { scope: "col", class: one.kind || null }, one.name) : h("td", {}))))),
      h("tbody", {}, body)));
}

/** Names with their values, as a list. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h("dl", { class: "facts" }, shown.map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}

/** A part of a page with a heading. */
export function section(title, ...children) {
  return h("section", {}, h("h2", {}, title), children);
}

/** What is said where there is nothing: what that means, and what to do next. */
export function empty(said, next) {
  return h("div", { class: "empty" }, h("p", {}, said), next ? h("p", { class: "next" }, next) : null);
}
