// The audit trail, newest first: a page at a time, both ways, and only what is asked for.

import { field, h, say, table } from "./dom.js";
import { read } from "./http.js";
import { bind } from "./keys.js";
import { moment, t } from "./words.js";

const AT_ONCE = 100;
const BY = ["actor", "action", "subject"];
const TIMES = ["since", "until"];

export function show(context) {
  const page = new AuditPage(context);
  return () => page.leave();
}

class AuditPage {
  constructor(context) {
    Object.assign(this, { before: [], after: 0, next: null, asked: 0, left: false });
    this.rows = h("div.rows", { "aria-live": "off" });
    this.wrong = h("p.wrong", { role: "alert" });
    this.told = h("p.soft", { role: "status" });
    const button = (name, key, act) => h("button", { type: "button", "aria-keyshortcuts": key, onclick: act }, t(`audit.${name}`), " ", h("kbd", key === "ArrowLeft" ? "←" : key === "ArrowRight" ? "→" : key));
    this.buttons = {
      newest: button("newest", "Home", () => this.newest()),
      newer: button("newer", "ArrowLeft", () => this.newer()),
      older: button("older", "ArrowRight", () => this.older()),
    };
    const input = (name) => h("input", { type: TIMES.includes(name) ? "datetime-local" : "search", maxlength: 256, autocomplete: "off", spellcheck: false });
    this.form = h("form.audit-filter", [...BY, ...TIMES].map((name) => h("div", field(name, t(`audit.${name}`), input(name)))),
      h("button.main", { type: "submit" }, t("audit.find")), h("button", { type: "reset" }, t("keys.clear")));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.newest();
    });
    this.form.addEventListener("reset", () => setTimeout(() => this.newest()));
    context.root.append(h("div.page", h("h1", t("nav.audit")), this.form, this.wrong,
      h("div.paging", Object.values(this.buttons), this.told), this.rows));
    bind("ArrowLeft", "audit.newer", () => this.newer());
    bind("ArrowRight", "audit.older", () => this.older());
    bind("Home", "audit.newest", () => this.newest());
    bind("/", "keys.find", () => this.form.elements.actor.focus());
    bind("Escape", "keys.clear", () => this.form.reset());
    this.newest();
  }

  leave() {
    this.left = true;
  }

  newest() {
    this.before = [];
    return this.#read(0);
  }

  older() {
    if (this.next === null) return null;
    this.before.push(this.after);
    return this.#read(this.next);
  }

  newer() {
    return this.before.length ? this.#read(this.before.pop()) : this.newest();
  }

  #query() {
    const query = new URLSearchParams({ order: "newest", limit: AT_ONCE });
    for (const name of [...BY, ...TIMES]) {
      const value = this.form.elements[name].value.trim();
      if (value) query.set(name, TIMES.includes(name) ? new Date(value).toISOString() : value);
    }
    return query;
  }

  // The gateway looks at so many rows at a time: what is rare is looked for further, page by page.
  async #read(after) {
    const mine = this.asked += 1;
    const query = this.#query();
    const items = [];
    this.rows.setAttribute("aria-busy", "true");
    try {
      for (let next = after; next !== null && items.length < AT_ONCE;) {
        query.set("after", next);
        query.set("limit", AT_ONCE - items.length);
        const page = await read(`/audit?${query}`);
        if (mine !== this.asked || this.left) return;
        items.push(...page.items);
        next = page.next_after;
        this.next = next;
        if (next !== null && items.length < AT_ONCE) say(this.told, t("audit.looking", { n: next }));
      }
    } catch (error) {
      if (mine === this.asked) say(this.wrong, error.message);
      return;
    } finally {
      if (mine === this.asked) this.rows.removeAttribute("aria-busy");
    }
    this.after = after;
    this.#draw(items);
  }

  #draw(items) {
    say(this.wrong, "");
    say(this.told, items.length ? t("audit.rows", { from: items[0].n, to: items.at(-1).n }) : "");
    this.buttons.newer.disabled = !this.before.length;
    this.buttons.older.disabled = this.next === null;
    const columns = [
      { name: "#", className: "number", cell: (one) => String(one.n) },
      { name: t("audit.at"), cell: (one) => h("time", { datetime: one.at }, moment(one.at)) },
      ...BY.map((name) => ({ name: t(`audit.${name}`), className: name === "subject" ? "mono" : "", cell: (one) => this.#narrow(name, one[name]) })),
      { name: t("audit.details"), className: "details", cell: (one) => Object.entries(one.details).filter(([, value]) => value !== null).map(([name, value]) => `${name}: ${said(value)}`).join(", ") },
    ];
    this.rows.replaceChildren(items.length ? table(t("nav.audit"), columns, items) : h("p.empty", t("list.none")));
  }

  // What stands in a row is asked for by a click on it.
  #narrow(name, value) {
    if (!value) return "";
    return h("button.plain", { type: "button", title: t("audit.narrow"), onclick: () => {
      this.form.elements[name].value = value;
      this.newest();
    } }, value);
  }
}

const said = (value) => (typeof value === "object" ? JSON.stringify(value) : value);
