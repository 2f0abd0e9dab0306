// The queue: what needs somebody now, most urgent first.

import { isOverdue, urgency } from "./alarms.js";
import { acknowledge, closeAlarms } from "./acts.js";
import { h, options, say } from "./dom.js";
import { bind } from "./keys.js";
import { VirtualList } from "./virtual.js";
import { age, asks, causeWords, clock, moment, place, t, when, word } from "./words.js";

const SECTIONS = {
  live: (item) => !item.done && !item.suppressed && item.class !== "technical",
  technical: (item) => !item.done && !item.suppressed && item.class === "technical",
  held: (item) => item.suppressed,
  done: (item) => item.done,
};

const SINGLY = new Set(["new", "claimed"]); // cases whose alarms can be closed without them

// What the operator chose stays chosen while the page stands, also after a look at a case.
const chosen = { section: "live", cause: "", state: "", mine: false, text: "", key: null, top: 0 };

export function show(context) {
  const page = new Queue(context);
  return () => page.leave();
}

class Queue {
  constructor(context) {
    this.context = context;
    this.alarms = context.alarms;
    this.list = new VirtualList(t("queue.label"), () => this.#row());
    this.list.chosen = chosen.key;
    this.empty = h("p.empty", { role: "status" });
    this.wrong = h("p.wrong", { role: "alert" });
    this.tabs = h("div.switch.tabs", { role: "group", "aria-label": t("queue.sections") },
      Object.keys(SECTIONS).map((name, place) => h("button", {
        type: "button", value: name, "aria-keyshortcuts": String(place + 1), onclick: () => this.section(name) })));
    context.root.append(h("div.queue", this.#bar(), this.wrong, this.#columns(), this.list.element, this.empty));
    this.changed = () => this.refresh();
    this.alarms.addEventListener("change", this.changed);
    this.timer = setInterval(() => this.list.draw(), 1000);
    this.#keys();
    this.refresh();
    this.list.element.scrollTop = chosen.top;
    this.list.draw();
    this.list.element.focus({ preventScroll: true });
  }

  leave() {
    Object.assign(chosen, { key: this.list.chosen, top: this.list.element.scrollTop });
    this.alarms.removeEventListener("change", this.changed);
    clearInterval(this.timer);
    this.list.sizes.disconnect();
  }

  // -- what is shown

  refresh() {
    const counts = { live: 0, technical: 0, held: 0, done: 0 };
    const causes = new Set();
    const shown = [];
    for (const item of this.alarms.items.values()) {
      const section = Object.keys(SECTIONS).find((name) => SECTIONS[name](item));
      counts[section] += 1;
      if (section !== chosen.section) continue;
      for (const cause of item.causes) causes.add(cause);
      if (this.#fits(item)) shown.push(item);
    }
    shown.sort(chosen.section === "live" || chosen.section === "technical" ? urgency : (one, other) => other.sequence - one.sequence);
    for (const button of this.tabs.children) {
      say(button, `${t(`queue.${button.value}`)} ${counts[button.value]}`);
      button.setAttribute("aria-pressed", String(button.value === chosen.section));
    }
    this.#causes(causes);
    this.list.show(shown);
    if (this.list.index < 0) this.list.chosen = shown[0]?.key ?? null;
    this.list.draw();
    const filtered = chosen.cause || chosen.state || chosen.mine || chosen.text;
    this.list.element.hidden = !shown.length;
    this.columns.hidden = !shown.length;
    this.empty.hidden = shown.length > 0;
    say(this.empty, t(filtered ? "queue.none_fits" : `queue.empty_${chosen.section}`));
    say(this.matched, filtered ? t("queue.matched", { n: shown.length, of: counts[chosen.section] }) : "");
  }

  #fits(item) {
    if (chosen.mine && item.who !== this.context.me.person) return false;
    if (chosen.state && chosen.state !== (item.open ? "open" : "taken")) return false;
    if (chosen.cause && !item.causes.includes(chosen.cause)) return false;
    const text = chosen.text.toLowerCase();
    return !text || [item.vin, item.who, ...item.causes.map(causeWords)].some((one) => one?.toLowerCase().includes(text));
  }

  #causes(found) {
    const names = [...new Set([...found, ...(chosen.cause ? [chosen.cause] : [])])].sort();
    if (names.join() === this.causeNames) return;
    this.causeNames = names.join();
    this.cause.replaceChildren(...options([["", t("queue.every_cause")], ...names.map((one) => [one, causeWords(one)])], chosen.cause));
  }

  section(name) {
    chosen.section = name;
    chosen.cause = "";
    this.causeNames = null;
    this.list.element.scrollTop = 0;
    this.list.chosen = null;
    this.refresh();
  }

  #bar() {
    const filter = (name) => (event) => {
      chosen[name] = event.target.type === "checkbox" ? event.target.checked : event.target.value;
      this.refresh();
    };
    this.cause = h("select", { "aria-label": t("queue.cause"), onchange: filter("cause") });
    this.state = h("select", { "aria-label": t("queue.state"), onchange: filter("state") },
      options([["", t("queue.every_state")], ["open", t("queue.state_open")], ["taken", t("queue.state_taken")]], chosen.state));
    this.mine = h("input", { type: "checkbox", checked: chosen.mine, onchange: filter("mine") });
    this.text = h("input", { type: "search", placeholder: t("queue.find"), "aria-label": t("queue.find"), value: chosen.text, oninput: filter("text") });
    this.matched = h("span.soft.small", { role: "status" });
    return h("div.bar", this.tabs, h("div.filters", this.matched, this.text, this.cause, this.state,
      h("label.check", this.mine, t("queue.mine"))));
  }

  #columns() {
    this.columns = h("div.columns", { "aria-hidden": "true" },
      ["severity", "what", "vehicle", "place", "age", "who"].map((name) => h("span", t(`column.${name}`))));
    return this.columns;
  }

  #row() {
    const cells = { mark: h("span.mark"), severity: h("span.severity"), cause: h("b.cause"), more: h("small"), vin: h("span.vin"),
      car: h("small"), where: h("span.where"), seen: h("small"), age: h("span.age"), at: h("small"), who: h("span.whose"), state: h("small") };
    // For the mouse only: the keyboard has "a", and an option of a list holds no button.
    const act = h("span.press", { "aria-hidden": "true" });
    const element = h("div.row",
      h("span.cell.grade", cells.mark, cells.severity), h("span.cell", cells.cause, cells.more), h("span.cell", cells.vin, cells.car),
      h("span.cell", cells.where, cells.seen), h("span.cell", cells.age, cells.at), h("span.cell", cells.who, cells.state), h("span.cell.act", act));
    const row = { element, item: null, drawn: "" };
    element.addEventListener("click", (event) => {
      if (event.target === act) this.take(row.item);
      else this.open(row.item);
    });
    row.fill = (item) => this.#fill(row, cells, act, item);
    return row;
  }

  #fill(row, cells, act, item) {
    const now = this.context.now();
    say(cells.age, age(item.since, now));
    row.element.classList.toggle("overdue", isOverdue(item, now));
    const drawn = `${item.key} ${item.sequence} ${item.who} ${item.free} ${item.alarms.size} ${item.case?.state} ${item.asked.map((one) => one.approval_id)}`;
    if (row.item === item && row.drawn === drawn) return;
    Object.assign(row, { item, drawn });
    row.element.className = `row ${item.severity} ${item.done ? "done" : item.suppressed ? "held" : item.open ? "open" : "taken"}`;
    row.element.classList.toggle("overdue", isOverdue(item, now));
    say(cells.severity, word("severity", item.severity));
    say(cells.cause, causeWords(item.lead.cause));
    row.element.classList.toggle("asking", item.asked.length > 0);
    say(cells.more, more(item));
    say(cells.vin, item.vin ?? t("word.gateway"));
    say(cells.car, car(item));
    say(cells.where, item.vin === null ? "" : place(item.position));
    say(cells.seen, item.position ? t("queue.seen", { at: when(item.position.at) }) : "");
    cells.age.title = moment(item.since);
    say(cells.at, clock(item.since));
    say(cells.who, item.who ?? (item.free ? t("queue.nobody") : ""));
    say(cells.state, state(item));
    act.hidden = !this.#mayTake(item);
    act.className = item.severity === "critical" ? "press main" : "press";
    say(act, t(item.caseId ? "act.claim" : "act.acknowledge"));
  }

  // -- what can be done

  #mayTake(item) {
    return item.free && this.context.me.may.includes("POST /api/v1/alarms/{alarm_id}/acknowledge");
  }

  open(item) {
    if (item) this.context.go(`alarm/${encodeURIComponent(item.key)}`);
  }

  async take(item) {
    if (!item || !this.#mayTake(item)) return;
    say(this.wrong, "");
    try {
      await acknowledge(this.context, item);
    } catch (error) {
      say(this.wrong, `${causeWords(item.lead.cause)}, ${item.vin ?? t("word.gateway")}: ${error.message}`);
    }
  }

  async close(item) {
    if (!item || item.done || item.suppressed || (item.case && !SINGLY.has(item.case.state))) return;
    say(this.wrong, "");
    await closeAlarms(this.context, item, (text) => say(this.wrong, text));
    this.list.element.focus();
  }

  #keys() {
    const { list } = this;
    const step = (by) => () => {
      list.element.focus({ preventScroll: true });
      list.choose(list.index + by);
    };
    bind("ArrowDown", "keys.down", step(1));
    bind("ArrowUp", "keys.up", step(-1));
    bind("j", "keys.down", step(1));
    bind("k", "keys.up", step(-1));
    bind("PageDown", "keys.page_down", step(15));
    bind("PageUp", "keys.page_up", step(-15));
    bind("Home", "keys.first", () => list.choose(0));
    bind("End", "keys.last", () => list.choose(list.items.length - 1));
    bind("Enter", "keys.open", () => this.open(list.item));
    bind("a", "keys.take", () => this.take(list.item));
    bind("c", "keys.close", () => this.close(list.item));
    bind("/", "keys.find", () => this.text.focus());
    for (const [place, name] of Object.keys(SECTIONS).entries()) bind(String(place + 1), `queue.${name}`, () => this.section(name));
    bind("n", "keys.mine", () => this.mine.click());
    bind("Escape", "keys.clear", () => {
      Object.assign(chosen, { cause: "", state: "", mine: false, text: "" });
      Object.assign(this.text, { value: "" });
      this.mine.checked = false;
      this.state.value = "";
      this.causeNames = null;
      this.refresh();
      list.element.focus();
    });
  }
}

function more(item) {
  const others = [...new Set(item.causes.slice(1))].map(causeWords);
  const parts = item.asked.map(asks);
  if (others.length) parts.push(`+ ${others.join(", ")}`);
  if (item.count > 1) parts.push(t("queue.triggers", { n: item.count }));
  if (item.lead.late) parts.push(t("queue.late"));
  if (item.lead.clock_suspect) parts.push(t("queue.clock"));
  if (item.suppressed) parts.push(t("queue.by_mode"));
  return parts.join(" · ");
}

function car(item) {
  if (item.vin === null) return "";
  return item.lead.registered ? word("service", item.lead.service) : t("queue.unregistered");
}

function state(item) {
  if (item.done) return item.lead.disposition ? word("disposition", item.lead.disposition) : t("state.closed");
  if (item.suppressed) return t("state.suppressed");
  if (item.case) return word("case", item.case.state);
  return t(item.open ? "state.open" : "state.acknowledged");
}
