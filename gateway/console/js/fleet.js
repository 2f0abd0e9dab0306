// The fleet map: every vehicle with an open case, gathered into clusters, and beside it the same as a list.

import { isOverdue, urgency } from "./alarms.js";
import { h, say, table } from "./dom.js";
import { drawFleet } from "./fleetmap.js";
import { pages, read } from "./http.js";
import { bind } from "./keys.js";
import { VirtualList } from "./virtual.js";
import { accuracy, age, ago, causeWords, number, t, word } from "./words.js";

const AGAIN_MS = 20_000; // each look stands in the audit trail
const REDRAW_MS = 500;
const MANY = 2000; // items from which on the map is drawn anew less often
const COUNTRIES_SHOWN = 12;

export function show(context) {
  const page = new Fleet(context);
  return () => page.leave();
}

class Fleet {
  constructor(context) {
    Object.assign(this, { context, alarms: context.alarms, cases: new Map(), map: null, left: false, items: [], due: null });
    this.list = new VirtualList(t("fleet.list"), () => this.#row());
    this.count = h("p", { role: "status" });
    this.empty = h("p.empty", t("fleet.empty"));
    this.wrong = h("p.wrong", { role: "alert" });
    this.rest = h("div.rest");
    this.canvas = h("div.map", { role: "region", "aria-label": t("fleet.label") });
    context.root.append(h("div.fleet",
      h("div.over", h("h1", t("nav.map")), this.count, legend()), this.wrong,
      h("div.chart-and-list", h("div.ground", this.canvas), h("div.beside", this.list.element, this.empty,
        h("details", h("summary", t("fleet.rest")), h("p.soft", t("fleet.sealed")), this.rest)))));
    this.changed = () => this.#later();
    this.alarms.addEventListener("change", this.changed);
    this.tick = setInterval(() => this.list.draw(), 1000);
    this.again = setInterval(() => this.#look(), AGAIN_MS);
    this.#keys();
    this.refresh();
    this.#start();
  }

  leave() {
    this.left = true;
    this.alarms.removeEventListener("change", this.changed);
    clearInterval(this.tick);
    clearInterval(this.again);
    clearTimeout(this.due);
    this.list.sizes.disconnect();
    this.map?.remove();
  }

  // -- reading

  async #start() {
    await Promise.all([this.#look(), this.#countries()]);
    if (this.left) return;
    try {
      const map = await drawFleet(this.canvas, { open: (key) => this.open(key), now: this.context.now });
      if (this.left) map.remove();
      else this.map = map;
      this.map?.show(this.items, this.#modes());
      this.map?.fit();
      this.map?.choose(this.list.item);
    } catch {
      this.canvas.parentElement.hidden = true; // no WebGL here: the list stays
    }
  }

  async #look() {
    const found = new Map();
    try {
      await pages(`/fleet-map?soc=${encodeURIComponent(this.context.soc)}`, (items) => items.forEach((one) => found.set(one.case_id, one)));
      say(this.wrong, "");
    } catch (error) {
      say(this.wrong, error.message); // what was known of positions stays
      return;
    }
    this.cases = found;
    if (!this.left) this.refresh();
  }

  async #countries() {
    try {
      const { items } = await read("/fleet-map/countries", { background: true });
      const shown = items.slice(0, COUNTRIES_SHOWN);
      const others = items.slice(COUNTRIES_SHOWN).reduce((sum, one) => sum + one.vehicles, 0);
      if (others) shown.push({ country: "…", vehicles: others });
      this.rest.replaceChildren(table(t("fleet.rest"), [
        { name: t("vehicle.country"), cell: (one) => countryName(one.country) },
        { name: t("fleet.vehicles"), className: "figure", cell: (one) => number(one.vehicles) }], shown));
    } catch (error) {
      say(this.rest, error.message);
    }
  }

  #later() {
    this.due ??= setTimeout(() => {
      this.due = null;
      this.refresh();
    }, this.items.length > MANY ? 4 * REDRAW_MS : REDRAW_MS);
  }

  // -- what is shown

  refresh() {
    if (this.left) return;
    const items = [...this.alarms.items.values()].filter((item) => item.caseId !== null && !item.done && !item.suppressed);
    for (const item of items) item.seen = newer(item.position, this.cases.get(item.caseId)?.position);
    this.items = items.sort(urgency);
    this.list.show(this.items);
    if (this.list.index < 0) this.list.chosen = this.items[0]?.key ?? null;
    this.list.draw();
    this.list.element.hidden = !items.length;
    this.empty.hidden = items.length > 0;
    say(this.count, t("fleet.count", { n: number(items.length), placed: number(items.filter((item) => item.seen).length) }));
    this.map?.show(this.items, this.#modes());
    this.map?.choose(this.list.item);
  }

  #modes() {
    return [...this.cases.values()].flatMap((one) => one.modes);
  }

  #row() {
    const cells = { mark: h("span.mark"), severity: h("span.unseen"), cause: h("b.cause"), vin: h("span.vin"), where: h("small"), age: h("span.age"), who: h("small") };
    const element = h("div.row", h("span.cell.grade", cells.mark, cells.severity), h("span.cell", cells.cause, cells.vin), h("span.cell", cells.age, cells.who), cells.where);
    const row = { element, key: null };
    element.addEventListener("click", () => this.open(row.key));
    row.fill = (item) => {
      const now = this.context.now();
      element.className = `row ${item.severity} ${item.open ? "open" : "taken"}`;
      element.classList.toggle("overdue", isOverdue(item, now));
      say(cells.severity, word("severity", item.severity));
      say(cells.cause, causeWords(item.lead.cause));
      say(cells.vin, item.vin);
      say(cells.age, age(item.since, now));
      say(cells.who, item.who ?? t("queue.nobody"));
      say(cells.where, item.seen ? [t("fleet.seen", { ago: ago(item.seen.at, now) }), accuracy(item.seen)].filter(Boolean).join(", ") : t("word.no_position"));
    };
    return row;
  }

  // -- what can be done

  open(key) {
    if (key) this.context.go(`alarm/${encodeURIComponent(key)}`);
  }

  #keys() {
    const { list } = this;
    const step = (by) => (event) => {
      if (event.target.closest?.(".map")) return; // there the arrows move the map
      list.element.focus({ preventScroll: true });
      list.choose(by === null ? 0 : list.index + by);
      this.map?.choose(list.item, true);
    };
    for (const [key, what, by] of [["ArrowDown", "down", 1], ["ArrowUp", "up", -1], ["j", "down", 1], ["k", "up", -1], ["PageDown", "page_down", 15],
      ["PageUp", "page_up", -15], ["Home", "first", null], ["End", "last", Infinity]]) bind(key, `keys.${what}`, step(by));
    bind("Enter", "keys.open", () => this.open(list.chosen));
    bind("+", "map.zoom_in", () => this.map?.map.zoomIn());
    bind("-", "map.zoom_out", () => this.map?.map.zoomOut());
    bind("0", "fleet.fit", () => this.map?.fit());
    bind("Escape", "keys.back", () => this.context.go("queue"));
  }
}

function legend() {
  return h("ul.legend", ["critical", "major", "minor"].map((one) => h("li", { className: one }, h("span.mark"), word("severity", one))),
    h("li.aged", h("span.mark"), t("fleet.old")));
}

const newer = (one, other) => (!one || (other && other.at > one.at) ? (other ?? null) : one);

function countryName(code) {
  if (!code) return t("word.not_known");
  try {
    return new Intl.DisplayNames(document.documentElement.lang, { type: "region" }).of(code.slice(0, 2)) ?? code;
  } catch {
    return code;
  }
}
