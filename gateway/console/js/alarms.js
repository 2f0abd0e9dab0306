// Every alarm that the page knows, gathered into items: what an operator takes in hand at once.
//
// An item is a case with all its theft alarms, or one alarm that belongs to no case. Suppressed alarms are items of
// their own: they ask for nothing.

export const LIVE = new Set(["open", "acknowledged"]);
export const OPEN_CASES = ["new", "claimed", "confirmed", "dismissed", "recovered", "lost"];
const RANK = { critical: 0, major: 1, minor: 2 };
export const MAX_DONE = 500; // closed ones that the page keeps

export class Alarms extends EventTarget {
  constructor() {
    super();
    this.alarms = new Map(); // alarm_id -> data of the feed
    this.items = new Map(); // key -> item
    this.cases = new Map(); // case_id -> the case as it was last told or read
    this.waiting = []; // what waits for a second person, of every vehicle
    this.done = [];
    this.dirty = false;
  }

  clear() {
    for (const map of [this.alarms, this.items, this.cases]) map.clear();
    this.done = [];
    this.#changed();
  }

  // Takes the newest content of an alarm. Returns its item if the alarm is new here.
  put(data) {
    const known = this.alarms.get(data.alarm_id);
    if (known && (known.sequence ?? 0) >= (data.sequence ?? 0) && data.sequence !== null) return null;
    this.alarms.set(data.alarm_id, data);
    const key = keyOf(data);
    const item = this.items.get(key) ?? this.#make(key, data);
    item.alarms.set(data.alarm_id, data);
    this.#sum(item);
    this.#changed();
    return known ? null : item;
  }

  // Takes a case as it stands now; told by the feed it has the number of its change.
  putCase({ case_id, state, claimed_by, escalated, change = this.cases.get(case_id)?.change ?? 0 }) {
    const known = this.cases.get(case_id);
    const found = { case_id, state, claimed_by, escalated, change };
    if (known && Object.keys(found).every((name) => known[name] === found[name])) return;
    this.cases.set(case_id, found);
    const item = this.items.get(case_id);
    if (item) this.#sum(item);
    this.#changed();
  }

  // Takes everything that waits for a second person now.
  putWaiting(waiting) {
    if (!waiting.length && !this.waiting.length) return;
    this.waiting = waiting;
    for (const item of this.items.values()) if (item.asked.length || waiting.some((one) => one.vin === item.vin)) this.#sum(item);
    this.#changed();
  }

  #make(key, data) {
    const item = { key, vin: data.vin, alarms: new Map(), since: 0, asked: [] };
    this.items.set(key, item);
    return item;
  }

  #sum(item) {
    const all = [...item.alarms.values()];
    const live = all.filter((one) => LIVE.has(one.state));
    const shown = live.length ? live : all;
    shown.sort(worst);
    const wasDone = item.done;
    item.lead = shown[0];
    item.severity = item.lead.severity;
    item.class = item.lead.class;
    item.caseId = item.lead.case_id;
    item.case = item.caseId === null ? null : (this.cases.get(item.caseId) ?? null);
    item.open = live.some((one) => one.state === "open");
    item.suppressed = all.every((one) => one.state === "suppressed");
    item.done = !live.length && !item.suppressed;
    item.causes = shown.map((one) => one.cause);
    item.count = shown.reduce((sum, one) => sum + one.count, 0);
    item.position = newest(all);
    const asking = live.filter((one) => one.state === "open");
    const from = (asking.length ? asking : shown).map((one) => Date.parse(one.raised_at));
    item.since = Math.min(...from);
    // Who has handed a case back has still acknowledged its alarms: the case knows better who has it.
    item.who = item.case ? item.case.claimed_by : (live.find((one) => one.acknowledged_by)?.acknowledged_by ?? null);
    item.free = item.open || Boolean(item.case && live.length && !item.who);
    item.asked = item.caseId === null ? [] : this.waiting.filter((one) => one.case_id === item.caseId);
    item.sequence = Math.max(...all.map((one) => one.sequence ?? 0));
    if (item.done && !wasDone) this.#retire(item);
  }

  // Closed ones stay for a look back, but not for ever: a page may stand open for weeks.
  #retire(item) {
    this.done.push(item.key);
    while (this.done.length > MAX_DONE) {
      const gone = this.items.get(this.done.shift());
      if (!gone?.done) continue;
      this.items.delete(gone.key);
      for (const id of gone.alarms.keys()) this.alarms.delete(id);
      this.cases.delete(gone.key);
    }
  }

  // Told at most once a frame, however many messages came.
  #changed() {
    if (this.dirty) return;
    this.dirty = true;
    setTimeout(() => this.tell(), 30);
  }

  // Tells now what would be told with the next frame.
  tell() {
    if (!this.dirty) return;
    this.dirty = false;
    this.dispatchEvent(new Event("change"));
  }
}

function keyOf(data) {
  return data.case_id !== null && data.state !== "suppressed" ? data.case_id : data.alarm_id;
}

function worst(one, other) {
  return RANK[one.severity] - RANK[other.severity] || Date.parse(one.raised_at) - Date.parse(other.raised_at);
}

function newest(all) {
  let found = null;
  for (const { position } of all) if (position && (!found || position.at > found.at)) found = position;
  return found;
}

// Open before taken, what nobody has before what somebody has, critical first, then who waits longest: what stands at the top stays there.
export function urgency(one, other) {
  return Number(other.open) - Number(one.open) || Number(other.free) - Number(one.free)
    || RANK[one.severity] - RANK[other.severity]
    || one.since - other.since
    || (one.key < other.key ? -1 : 1);
}

export const LIMIT_S = { critical: 30, major: 90, minor: 90 };

export function isOverdue(item, now) {
  return item.open && item.severity !== "minor" && now - item.since > LIMIT_S[item.severity] * 1000;
}
