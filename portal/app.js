// The portal itself: which page an address means, who is here, and what is said when something is amiss.

import { Away, Refused, act, get, keepToken, tell, token } from "./api.js";
import { button, h, link, put, refill } from "./dom.js";
import { keepTimes } from "./format.js";
import { NAV, SAID } from "./texts.js";

// An address, and the module whose `show(main, page)` draws it. The first that fits is meant.
const ROUTES = [
  [/^\/$/, "home"],
  [/^\/runs$/, "runs"],
  [/^\/runs\/([^/.]+)$/, "run"],
  [/^\/runs\/([^/]+)$/, "step"],
  [/^\/compare$/, "compare"],
  [/^\/experiments$/, "experiments"],
  [/^\/experiments\/([^/]+)$/, "experiment"],
  [/^\/pipelines$/, "pipelines"],
  [/^\/pipelines\/([^/]+)$/, "pipeline"],
  [/^\/endpoints\/([^/]+)$/, "endpoint"],
  [/^\/schedules$/, "schedules"],
  [/^\/schedules\/([^/]+)$/, "schedule"],
  [/^\/(data|models|computes|audit)$/, "things"],
  [/^\/datasets\/([^/]+)$/, "dataset"],
  [/^\/models\/([^/]+)$/, "model"],
];

const ROLES = ["nobody", "step", "reader", "submitter", "operator", "admin"];
const main = document.getElementById("main");
const notice = document.getElementById("notice");
const who = { name: "", role: "nobody", workspace: "" };
let leaving = new AbortController();

/** What a page is given: its place, and ways to be live for as long as it is shown. */
class Page {
  constructor(path, params, search, signal) {
    Object.assign(this, { path, params, search, signal, who });
  }

  /** Whether the viewer may do what needs that role. */
  may(role) {
    return ROLES.indexOf(who.role) >= ROLES.indexOf(role);
  }

  title(text) {
    document.title = `${text} · Canalis`;
  }

  /** Put values into the address, so that it leads back to just this; null takes one out. */
  remember(values) {
    for (const [name, value] of Object.entries(values)) {
      if (value === null || value === "") this.search.delete(name);
      else this.search.set(name, value);
    }
    const text = this.search.toString();
    history.replaceState(null, "", `#${this.path}${text ? `?${text}` : ""}`);
  }

  /** Do something now and every so often, while anybody looks, until the page is left. It says when to stop: false. */
  async every(seconds, look) {
    while (!this.signal.aborted) {
      if (!document.hidden) {
        try {
          if ((await look()) === false) return;
        } catch (error) {
          if (error.name === "AbortError" || (error instanceof Refused && error.status === 401)) return;
          // What failed once may go well again: a page that has stopped to look would tell what is no longer so.
          if (!(error instanceof Away)) console.warn(error);
          await pause(error instanceof Away ? 2 : 5, this.signal);
        }
      }
      await pause(document.hidden ? Math.max(2, seconds) : seconds, this.signal);
    }
  }
}

function pause(seconds, signal) {
  return new Promise((done) => {
    const over = () => { clearTimeout(timer); document.removeEventListener("visibilitychange", seen); done(); };
    const seen = () => { if (!document.hidden) over(); };
    const timer = setTimeout(over, seconds * 1000);
    document.addEventListener("visibilitychange", seen);
    signal.addEventListener("abort", over, { once: true });
  });
}

/** Show the page that the address means. */
async function show() {
  leaving.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const [path, text = ""] = decodeHash().split(/\?(.*)/s);
  const search = new URLSearchParams(text);
  if (path === "/sign-in") return signInWith(search.get("code"), search.get("to") || "/");
  if (!token()) return askToSignIn();
  drawNav(path);
  const [pattern, name] = ROUTES.find(([one]) => one.test(path)) ?? [];
  if (!name) return lost(path);
  const page = new Page(path, pattern.exec(path).slice(1).map(decodeURIComponent), search, signal);
  main.setAttribute("aria-busy", "true");
  try {
    const [module] = await Promise.all([import(`./pages/${name}.js`), who.name ? null : learnWho()]);
    if (signal.aborted) return undefined;
    const content = h("div", { class: `page ${name}` });
    await module.show(content, page);
    if (!signal.aborted) { main.replaceChildren(content); scrollTo(0, 0); }
  } catch (error) {
    if (!signal.aborted && error.name !== "AbortError") wentWrong(error);
  } finally {
    if (!signal.aborted) main.removeAttribute("aria-busy");
  }
  return undefined;
}

function decodeHash() {
  const hash = location.hash.slice(1);
  return hash.startsWith("/") ? hash : "/";
}

async function learnWho() {
  const [me, workspace] = await Promise.all([get("/me"), get("/workspace")]);
  Object.assign(who, { name: me.name, role: me.role, workspace: workspace.name });
  drawWho();
}

function drawNav(path) {
  const begin = `/${path.split("/")[1]}`;
  refill(document.getElementById("nav"), NAV.filter(([to]) => to !== "/audit" || new Page().may("operator"))
    .map(([to, name]) => link(to, name, { "aria-current": to === begin ? "page" : null })));
}

function drawWho() {
  const dark = document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  refill(document.getElementById("who"),
    h("span", { class: "workspace", title: `${who.name}, ${who.role}` }, who.workspace),
    button(dark === "dark" ? "☀" : "☾", () => {
      const next = dark === "dark" ? "light" : "dark";
      document.documentElement.dataset.theme = next;
      localStorage.setItem("canalis.theme", next);
      drawWho();
      dispatchEvent(new Event("theme"));
    }, { class: "plain", "aria-label": `Switch to ${dark === "dark" ? "light" : "dark"} colours` }),
    button("Sign out", () => { keepToken(""); who.name = ""; show(); }, { class: "plain" }));
  drawNav(decodeHash().split("?")[0]);
}

async function signInWith(code, to) {
  history.replaceState(null, "", `#${to.startsWith("/") ? to : "/"}`); // the code is used up, and stays in no history
  try {
    keepToken((await act("POST", "/sessions", { code })).token);
    who.name = "";
    await show();
  } catch (error) {
    if (token()) await show(); // this link has been used, by who is signed in already
    else askToSignIn(error.message);
  }
}

function askToSignIn(said = "") {
  refill(document.getElementById("nav"));
  refill(document.getElementById("who"));
  document.title = "Sign in · Canalis";
  refill(main, h("div", { class: "page card narrow" }, h("h1", {}, SAID.signIn), said ? h("p", { class: "bad" }, said) : null,
    h("p", {}, SAID.signInHow), h("pre", {}, SAID.signInCommand)));
}

function lost(path) {
  refill(main, h("div", { class: "page" }, h("h1", {}, "There is no such page"), h("p", {}, path), link("/", "To the start")));
}

function wentWrong(error) {
  if (error instanceof Refused && error.status === 401) return askToSignIn();
  const said = error instanceof Away ? SAID.away : error.message;
  refill(main, h("div", { class: "page card narrow", role: "alert" },
    h("h1", {}, error instanceof Refused ? "That was refused" : "This page could not be shown"),
    h("p", {}, said), error.code ? h("p", { class: "quiet" }, `Code: ${error.code}`) : null, button("Try again", show)));
  return undefined;
}

tell({
  signIn: () => { keepToken(""); who.name = ""; leaving.abort(); askToSignIn("The session is over."); },
  away: () => { notice.className = "away"; refill(notice, SAID.away); },
  back: () => { if (notice.className) { notice.className = ""; refill(notice); } },
});
// Someone signs in in another tab: this one goes on where it was.
addEventListener("storage", (event) => { if (event.key === "canalis.session" && event.newValue && !who.name) show(); });
addEventListener("hashchange", show);
addEventListener("unhandledrejection", (event) => {
  if (event.reason?.name === "AbortError") event.preventDefault();
});
keepTimes();
put(document.getElementById("nav"));
show();
