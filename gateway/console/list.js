// The list of alarms: one row each, newest first, at most MAX_ROWS in the page.

import { age, causeWords, clock, moment, place, placeInFull, stateWords } from "./words.js";

export const MAX_ROWS = 1000;

export class AlarmList {
  // acts: {acknowledge(alarm), close(alarm, disposition, note)}, both reject with an Error whose message can be shown
  constructor(list, template, acts) {
    Object.assign(this, { list, template, acts, rows: new Map(), show: "live" });
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  // Takes the newest content of an alarm. Returns true if it is new here.
  put(data) {
    const known = this.rows.get(data.alarm_id);
    if (known && (known.data.sequence ?? 0) >= (data.sequence ?? 0)) return false;
    const row = known ?? this.#make(data);
    row.data = data;
    this.#fill(row);
    if (!known) this.#place(row);
    this.#filter(row);
    return !known;
  }

  filter(show) {
    this.show = show;
    for (const row of this.rows.values()) this.#filter(row);
  }

  tick(now) {
    for (const row of this.rows.values()) if (!row.element.hidden) row.age.textContent = age(row.since, now);
  }

  counts() {
    const counts = { critical: 0, open: 0, acknowledged: 0, shown: 0 };
    for (const { data, element } of this.rows.values()) {
      if (data.state in counts) counts[data.state] += 1;
      if (data.state === "open" && data.severity === "critical") counts.critical += 1;
      if (!element.hidden) counts.shown += 1;
    }
    return counts;
  }

  clear() {
    this.rows.clear();
    this.list.replaceChildren();
  }

  #make(data) {
    const item = this.template.content.firstElementChild.cloneNode(true);
    const find = (selector) => item.querySelector(selector);
    const row = { element: item, find, data, head: find(".head"), age: find("time"), since: new Date(data.raised_at) };
    item.dataset.alarm = data.alarm_id;
    row.head.addEventListener("click", () => this.#toggle(row));
    find(".acknowledge").addEventListener("click", () => this.#acknowledge(row));
    find(".finish").addEventListener("click", () => this.#ask(row));
    find(".cancel").addEventListener("click", () => this.#ask(row, false));
    find(".closing").addEventListener("submit", (event) => this.#close(row, event));
    this.rows.set(data.alarm_id, row);
    return row;
  }

  #place(row) {
    // Newest first; a row is never moved by an update, so that nothing jumps under the operator's hand.
    let before = this.list.firstElementChild;
    while (before && this.rows.get(before.dataset.alarm).since > row.since) before = before.nextElementSibling;
    this.list.insertBefore(row.element, before);
    row.age.textContent = age(row.since, Date.now());
    if (this.rows.size > MAX_ROWS) this.#drop();
  }

  #drop() {
    // Closed ones go first: an open alarm leaves the page only if there is nothing else.
    const all = [...this.list.children].reverse();
    const last = all.find((one) => this.rows.get(one.dataset.alarm).data.state === "closed") ?? all[0];
    this.rows.delete(last.dataset.alarm);
    last.remove();
  }

  #fill(row) {
    const { data, find, element } = row;
    element.className = `alarm ${data.severity} ${data.state}`;
    find(".severity").textContent = data.severity;
    find(".cause").textContent = causeWords(data.cause);
    find(".sub").textContent = subline(data);
    find(".vin").textContent = data.vin ?? "Gateway";
    find(".place").textContent = data.vin === null ? "" : place(data.position);
    row.age.dateTime = data.raised_at;
    row.age.title = moment(data.raised_at);
    find(".clock").textContent = clock(data.raised_at);
    find(".state").textContent = data.acknowledged_by ? `${stateWords(data.state)} by ${data.acknowledged_by}` : stateWords(data.state);
    find(".acknowledge").hidden = data.state !== "open";
    find(".finish").hidden = data.state !== "open" && data.state !== "acknowledged";
    if (data.state === "closed") find(".closing").hidden = true;
    this.#details(row);
  }

  #details({ data, find }) {
    const pairs = [
      ["Happened", moment(data.occurred_at) + (data.late ? ", arrived late" : "") + (data.clock_suspect ? ", by a clock that can't be right" : "")],
      ["Received", moment(data.received_at)],
      ["Position", placeInFull(data.position)],
      ["Triggers", String(data.count)],
      ["Service", data.service.replaceAll("_", " ") + (data.registered ? "" : ", not registered")],
      ["Case", data.case_id],
      ["Held back by", data.suppressed_by],
      ["Closed as", data.disposition?.replaceAll("_", " ")],
      ["Note", data.note],
      ["Alarm", data.alarm_id],
    ];
    find("dl").replaceChildren(...pairs.filter(([, text]) => text).flatMap(([name, text]) => [element("dt", name), element("dd", text)]));
    find(".evidence").replaceChildren(...data.evidence.map(evidence));
  }

  #filter(row) {
    const { state, severity } = row.data;
    const live = state === "open" || state === "acknowledged";
    // A row that the operator works on stays until it is left.
    const busy = row.element.contains(document.activeElement) && !row.find(".more").hidden;
    row.element.hidden = !busy && !(this.show === "all" || (live && (this.show === "live" || severity === "critical")));
  }

  #toggle(row, open = row.find(".more").hidden) {
    row.find(".more").hidden = !open;
    row.head.setAttribute("aria-expanded", String(open));
  }

  #ask(row, open = row.find(".closing").hidden) {
    row.find(".closing").hidden = !open;
    this.#wrong(row, "");
    if (open) row.find("select").focus();
    else row.head.focus();
  }

  async #acknowledge(row) {
    await this.#do(row, row.find(".acknowledge"), () => this.acts.acknowledge(row.data));
  }

  async #close(row, event) {
    event.preventDefault();
    const form = new FormData(event.target);
    const work = () => this.acts.close(row.data, form.get("disposition"), form.get("note"));
    if (await this.#do(row, event.submitter ?? row.find(".closing .main"), work)) this.#ask(row, false);
  }

  async #do(row, button, work) {
    this.#wrong(row, "");
    button.disabled = true;
    try {
      this.put(await work());
      row.head.focus();
      return true;
    } catch (error) {
      this.#wrong(row, error.message);
      return false;
    } finally {
      button.disabled = false;
    }
  }

  #wrong(row, text) {
    const wrong = row.find(".wrong");
    wrong.textContent = text;
    wrong.hidden = !text;
  }

  #key(event) {
    const row = this.rows.get(event.target.closest(".alarm")?.dataset.alarm);
    if (!row || event.target !== row.head || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = {
      Enter: () => this.#toggle(row),
      " ": () => this.#toggle(row),
      a: () => row.data.state === "open" && this.#acknowledge(row),
      c: () => !row.find(".finish").hidden && this.#ask(row, true),
      ArrowDown: () => this.#move(row.element, "nextElementSibling"),
      ArrowUp: () => this.#move(row.element, "previousElementSibling"),
    };
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key]();
  }

  #move(element, direction) {
    let next = element[direction];
    while (next?.hidden) next = next[direction];
    next?.querySelector(".head").focus();
  }
}

function subline(data) {
  const parts = [data.silent ? `${data.class}, silent` : data.class];
  if (data.count > 1) parts.push(`${data.count} triggers`);
  if (data.late) parts.push("late");
  if (data.clock_suspect) parts.push("clock suspect");
  if (!data.registered && data.vin !== null) parts.push("not registered");
  if (data.suppressed_by) parts.push("held back by a special mode");
  if (data.disposition) parts.push(data.disposition.replaceAll("_", " "));
  return parts.join(" · ");
}

function evidence(one) {
  const item = element("li", one.text);
  if (one.at) item.append(element("small", moment(one.at)));
  return item;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}
