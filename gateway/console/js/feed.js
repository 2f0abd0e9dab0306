// Reads the feed. EventSource hides what went wrong, so the stream is read by fetch.
//
// Rules of this file:
// 1. The next message is always the last sequence plus one. Older ones are repeats and ignored; a gap is an error.
// 2. A lost connection is told at once and tried again after the last sequence: nothing is lost or doubled.
// 3. Changed cases come beside the messages, each with the number of its change; they are gone on with the same way.
// 4. What can't be repaired by trying again (session, role, purged feed) stops and says so.

import { call, Refused } from "./http.js";
import { t } from "./words.js";

const SILENT_AFTER_MS = 40_000; // a comment comes every 15 s
const RETRY_MS = [250, 500, 1000, 2000, 4000, 5000];

// Splits a byte stream into events {id, type, data}; comments come as null, so that silence can be measured.
export async function* events(body, onSilence) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const timer = setTimeout(onSilence, SILENT_AFTER_MS);
    const { value, done } = await reader.read().finally(() => clearTimeout(timer));
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) yield parse(block);
  }
}

function parse(block) {
  const event = { id: null, type: "message", data: [] };
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon < 1) continue;
    const value = line.slice(colon + 2);
    if (line.startsWith("id:")) event.id = Number(value);
    else if (line.startsWith("event:")) event.type = value;
    else if (line.startsWith("data:")) event.data.push(value);
  }
  return event.data.length ? { ...event, data: event.data.join("\n") } : null;
}

export class Feed {
  // on: {link(state, text), message(cloudEvent), changed(case), waiting(approvals), fault(text), refused(Refused)}; without
  // `changed` neither cases nor approvals are asked for.
  constructor(soc, on) {
    Object.assign(this, { soc, on, last: null, change: null, stopped: false, failures: 0 });
    // Back from sleep or another network: don't wait for the next try.
    addEventListener("online", () => this.hurry?.());
    addEventListener("offline", () => this.abort?.abort());
  }

  stop() {
    this.stopped = true;
    this.abort?.abort();
  }

  // `ready` is called each time the stream stands and before its first message is taken.
  async run(ready) {
    while (!this.stopped) {
      try {
        await this.#once(ready);
        this.#lost(t("link.closed"));
      } catch (error) {
        this.abort.abort();
        if (this.stopped) return;
        if (error instanceof Refused && error.status < 500 && error.status !== 429) {
          this.on.refused(error);
          return;
        }
        this.#lost(error instanceof Refused ? error.message : t("link.unreachable"));
      }
      const wait = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];
      await new Promise((done) => {
        this.hurry = done;
        setTimeout(done, wait * (0.75 + Math.random() / 2));
      });
    }
  }

  async #once(ready) {
    this.abort = new AbortController();
    const headers = { Accept: "text/event-stream" };
    if (this.last !== null) headers["Last-Event-ID"] = String(this.last);
    const cases = this.on.changed ? `&cases=true${this.change === null ? "" : `&cases_after=${this.change}`}` : "";
    const path = `/api/v1/feed?soc=${encodeURIComponent(this.soc)}${cases}`;
    const answer = await call(path, { headers, signal: this.abort.signal, background: true });
    // Where a live stream begins: without it, losing the connection before the first message would be a gap.
    this.last ??= Number(answer.headers.get("Feed-After"));
    this.change ??= Number(answer.headers.get("Feed-Cases-After"));
    // What waits is told whole, and only if anything does.
    if (this.on.changed) this.on.waiting([]);
    await ready?.();
    this.failures = 0;
    this.on.link("live", t("link.live"));
    for await (const event of events(answer.body, () => this.abort.abort())) {
      if (event !== null) this.#take(event);
    }
  }

  #take(event) {
    if (event.type === "approvals.waiting") {
      this.on.waiting(JSON.parse(event.data).items);
      return;
    }
    if (event.type === "case.changed") {
      this.#change(JSON.parse(event.data));
      return;
    }
    if (event.id === null || Number.isNaN(event.id)) return;
    if (event.id <= this.last) return;
    if (event.id !== this.last + 1) this.on.fault(t("link.gap", { from: this.last + 1, to: event.id - 1 }));
    this.last = event.id;
    this.on.message(JSON.parse(event.data));
  }

  #change(found) {
    if (found.change <= this.change) return;
    this.change = found.change;
    this.on.changed(found);
  }

  #lost(text) {
    if (!this.stopped) this.on.link("lost", `${text}. ${t("link.again")}`);
  }
}
