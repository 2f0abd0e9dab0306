// Every call to the gateway. The session's cookie goes along by itself; the header says that it is this page.

import { problemWords } from "./words.js";

export class Refused extends Error {
  constructor(status, problem, retryAfter) {
    super((problem && problemWords(problem)) ?? `HTTP ${status}`);
    Object.assign(this, { status, code: problem?.code ?? "", problem, retryAfter });
  }
}

export class Unreachable extends Error {}

let onLoggedOut = () => {};
export function whenLoggedOut(act) {
  onLoggedOut = act;
}

// `background`: asked by the page itself, so that it does not count as somebody being there.
export async function call(path, { background = false, ...options } = {}) {
  const headers = { "X-Gateway-Console": background ? "background" : "person", ...options.headers };
  let answer;
  try {
    answer = await fetch(path, { ...options, headers, cache: "no-store", credentials: "same-origin" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable(error.message);
  }
  if (answer.ok) return answer;
  const refused = new Refused(answer.status, await answer.json().catch(() => null), answer.headers.get("Retry-After"));
  if (refused.status === 401 && refused.code === "unauthorised") onLoggedOut();
  throw refused;
}

export async function read(path, options) {
  return (await call(`/api/v1${path}`, options)).json();
}

export async function send(method, path, body = {}) {
  const headers = { "Content-Type": "application/json" };
  const answer = await call(`/api/v1${path}`, { method, headers, body: JSON.stringify(body) });
  return { status: answer.status, body: await answer.json().catch(() => null) };
}

// All pages of a list, each handed over as it comes. `path` has no after and limit of its own.
export async function pages(path, take, { background = true, limit = 1000 } = {}) {
  for (let after = null; ;) {
    const query = `${path.includes("?") ? "&" : "?"}limit=${limit}${after === null ? "" : `&after=${encodeURIComponent(after)}`}`;
    const page = await read(path + query, { background });
    take(page.items);
    if (page.next_after === null) return;
    after = page.next_after;
  }
}
