// The service's HTTP API, with the session's token. The same one that every other client asks.

const TOKEN = "canalis.session"; // of this origin alone, which the port is part of; a cookie would go to all ports
const BASE = "/api/v1";

/** Why the service refused: what it said, and the code that programs look at. */
export class Refused extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

/** The service did not answer at all. */
export class Away extends Error {}

const told = { signIn: () => {}, away: () => {}, back: () => {} };

/** Have somebody told: signIn() when the session is over, away() and back() as the service goes and comes. */
export function tell(listeners) {
  Object.assign(told, listeners);
}

export function token() {
  try { return localStorage.getItem(TOKEN) ?? ""; } catch { return ""; }
}

export function keepToken(one) {
  if (one) localStorage.setItem(TOKEN, one);
  else localStorage.removeItem(TOKEN);
}

/** Ask a route. Gives the answer itself; raises Refused, Away, and an AbortError when the page was left. */
export async function ask(method, path, { body, signal, headers = {} } = {}) {
  const sent = { ...headers };
  if (token()) sent.Authorization = `Bearer ${token()}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(BASE + path, {
      method, signal, headers: sent, body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "omit", redirect: "error", cache: method === "GET" ? "default" : "no-store",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    told.away();
    throw new Away("The service does not answer");
  }
  told.back();
  if (answer.ok) return answer;
  const error = (await answer.json().catch(() => ({}))).error ?? {};
  if (answer.status === 401) told.signIn();
  throw new Refused(answer.status, error.code ?? "http_error", error.message ?? `The service answered ${answer.status}`);
}

/** What a route gives, as JSON. */
export async function get(path, signal) {
  return (await ask("GET", path, { signal })).json();
}

/** What a route gives, or `instead` where it is refused: for parts of a page that others need not wait for. */
export async function maybe(path, instead, signal) {
  try {
    return await get(path, signal);
  } catch (error) {
    if (error instanceof Refused && error.status !== 401) return instead;
    throw error;
  }
}

/** Have something done; a key makes one deed of two that were sent for it. */
export async function act(method, path, body) {
  const headers = method === "POST" ? { "Idempotency-Key": crypto.randomUUID() } : {};
  const answer = await ask(method, path, { body, headers });
  const text = await answer.text();
  return text ? JSON.parse(text) : null;
}

/** A query: values that are empty are left out. */
export function query(values) {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined && one !== null && one !== "") found.append(name, one);
  }
  const text = found.toString();
  return text ? `?${text}` : "";
}

/** Give a file to the browser to keep. */
export async function download(path, name) {
  const blob = await (await ask("GET", path)).blob();
  const place = URL.createObjectURL(blob);
  const anchor = document.createElement("a");
  anchor.href = place;
  anchor.download = name.split("/").pop();
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(place), 60000);
}
