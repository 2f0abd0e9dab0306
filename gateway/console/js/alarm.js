// One item of the queue in full: what happened and why, whom to call and what to ask, where it is, what to do.

import { acknowledge, certain, closeAlarms, DISPOSITIONS } from "./acts.js";
import { isOverdue } from "./alarms.js";
import { ask, field, h, options, say } from "./dom.js";
import { saveEvidence } from "./evidence.js";
import { read, send } from "./http.js";
import { bind } from "./keys.js";
import { draw } from "./map.js";
import { loadScripts, scriptOf } from "./script.js";
import { accuracy, age, causeWords, evidenceWords, moment, place, t, when, word } from "./words.js";

const LOOK_AGAIN_MS = 5000;
const SEE_AGAIN_MS = 10_000; // each look at a vehicle or a case stands in the audit trail
const CASE = "/api/v1/cases/{case_id}";
const HIDDEN = new Set(["alarm_id", "approval_id", "vin", "role", "state", "sequence"]);
const TWO_PERSONS = new Set(["recover", "lost"]);
const EVIDENCE = [["e", "html"], ["j", "json"]];
const OUTCOMES = ["reached", "no_answer", "voicemail", "busy", "wrong_number", "refused"];

await loadScripts();

export function show(context) {
  const page = new AlarmPage(context, context.rest[0]);
  return () => page.leave();
}

class AlarmPage {
  constructor(context, key) {
    Object.assign(this, { context, key, alarms: context.alarms, vehicle: null, track: [], case: null, map: null, left: false, drawn: null, looks: 0 });
    this.parts = Object.fromEntries(["head", "acts", "asked", "wrong", "script", "calls", "story", "facts", "where"].map((name) => [name, h(`div.${name}`)]));
    this.parts.wrong.setAttribute("role", "alert");
    this.parts.asked.setAttribute("role", "status");
    this.canvas = h("div.map", { role: "region", "aria-label": t("map.label") });
    context.root.append(h("article.alarm", this.parts.head, this.parts.acts, this.parts.asked, this.parts.wrong,
      h("div.columns3", h("section", this.parts.calls, this.parts.script), h("section", this.parts.story),
        h("section", this.canvas, this.parts.where, this.parts.facts))));
    this.changed = () => this.refresh();
    this.alarms.addEventListener("change", this.changed);
    this.tick = setInterval(() => this.#age(), 1000);
    this.again = setInterval(() => this.#look(), LOOK_AGAIN_MS);
    this.#keys();
    this.refresh();
  }

  leave() {
    this.left = true;
    this.alarms.removeEventListener("change", this.changed);
    clearInterval(this.tick);
    clearInterval(this.again);
    this.map?.remove();
  }

  get item() {
    return this.alarms.items.get(this.key);
  }

  may(route) {
    return this.context.me.may.includes(route);
  }

  // -- reading

  refresh() {
    const { item } = this;
    if (!item) {
      say(this.parts.head, t("alarm.looking"));
      if (!this.fetched) this.#fetch();
      return;
    }
    const drawn = `${item.sequence} ${item.alarms.size} ${item.case?.change} ${item.asked.map((one) => one.approval_id)}`;
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.draw();
    this.#look();
  }

  // A link to an alarm that the queue does not hold: closed before this page was opened.
  async #fetch() {
    this.fetched = true;
    await new Promise((done) => { setTimeout(done, 800); });
    if (this.item || this.left) return;
    try {
      const alarm = await read(`/alarms/${encodeURIComponent(this.key)}`);
      this.alarms.put(alarm);
      if (alarm.case_id && alarm.case_id !== this.key && !this.left) this.context.go(`alarm/${alarm.case_id}`);
    } catch (error) {
      if (!this.left) say(this.parts.head, error.message);
    }
  }

  async #look() {
    const { item } = this;
    if (!item || this.left) return;
    if (this.drawn === this.seen && Date.now() - this.seenAt < SEE_AGAIN_MS) return;
    Object.assign(this, { seen: this.drawn, seenAt: Date.now() });
    const look = this.looks += 1; // an answer that comes after a later one's is old
    const tasks = [];
    if (item.vin && this.may("GET /api/v1/vehicles/{vin}")) {
      const vin = encodeURIComponent(item.vin);
      tasks.push(read(`/vehicles/${vin}`, { background: true }).then((found) => { this.vehicle = found; }));
      if (item.caseId && !item.done) {
        const after = this.track.at(-1)?.n ?? 0;
        tasks.push(read(`/vehicles/${vin}/track?limit=1000&after=${after}`, { background: true }).then(({ items }) =>
          this.track.push(...items.filter((one) => one.n > (this.track.at(-1)?.n ?? 0)))));
      }
    }
    if (item.caseId && this.may(`GET ${CASE}`)) {
      tasks.push(readCase(item.caseId).then((found) => {
        if (look < this.caseLook) return;
        this.#takenOver(found);
        Object.assign(this, { case: found, caseLook: look });
        this.alarms.putCase(found);
      }));
    }
    // What can't be read now stays as it was; the feed's own state says whether the gateway is there.
    await Promise.allSettled(tasks);
    if (!this.left) this.draw();
  }

  // -- drawing

  draw() {
    const { item } = this;
    if (!item || this.left) return;
    this.#head(item);
    this.#acts(item);
    this.#asked(item);
    this.#script(item);
    this.#calls();
    this.#story(item);
    this.#facts(item);
    this.#where(item);
  }

  #age() {
    const { item } = this;
    if (!item || !this.clock) return;
    say(this.clock, age(item.since, this.context.now()));
    this.clock.classList.toggle("overdue", isOverdue(item, this.context.now()));
  }

  #head(item) {
    this.clock ??= h("b.clock");
    const others = [...new Set(item.causes.slice(1))].filter((one) => one !== item.lead.cause);
    const held = this.case?.state ?? item.case?.state;
    this.#swap("head", JSON.stringify([item.sequence, item.who, held, this.case?.stolen]), () => [
      h("a.back", { href: "#queue" }, `← ${t("nav.queue")}`),
      h("h1", { className: item.severity }, causeWords(item.lead.cause), others.map((one) => h("span.also", `+ ${causeWords(one)}`))),
      h("p.line", item.vin ? h("a.mono", { href: `#vehicle/${item.vin}` }, item.vin) : t("word.gateway"),
        h("span.badge", { className: `badge ${item.open ? item.severity : ""}` }, word("severity", item.severity)),
        held ? h("span.badge", word("case", held)) : null,
        this.case?.stolen ? h("span.badge.critical", t("case.stolen")) : null,
        h("span", item.who ? t("alarm.has_it", { who: item.who }) : item.free ? t("alarm.nobody") : ""),
        item.done ? null : h("span", t("alarm.waiting"), " ", this.clock)),
    ]);
    this.#age();
  }

  #acts(item) {
    const state = this.case?.state;
    this.#swap("acts", `${state} ${item.open} ${item.done} ${item.suppressed} ${this.case?.claimed_by} ${item.asked.map((one) => one.approval_id)}`, () => {
      if (this.case && this.may(`POST ${CASE}/claim`)) return this.#caseActs();
      if (item.done || item.suppressed || !this.may("POST /api/v1/alarms/{alarm_id}/acknowledge")) return [];
      return [
        item.open ? this.#button("a", t("act.acknowledge"), () => acknowledge(this.context, item), true) : null,
        this.#button("c", t("act.close"), () => closeAlarms(this.context, item, (text) => this.#tell(text))),
      ];
    });
  }

  #button(key, text, act, main = false) {
    return h(main ? "button.main" : "button", { type: "button", "aria-keyshortcuts": key, onclick: () => this.#do(act) }, text, " ", h("kbd", key));
  }

  async #do(act) {
    say(this.parts.wrong, "");
    try {
      await act();
    } catch (error) {
      this.#tell(error.message);
    }
    this.seen = null;
    this.#look();
  }

  // Beside what an act told that ended since: one that was under way meanwhile must not take its place.
  #tell(text) {
    say(this.parts.wrong, `${this.parts.wrong.textContent} ${text}`.trim());
  }

  // Who holds a case must not go on with a call that is another's now.
  #takenOver({ claimed_by: who }) {
    if (this.case?.claimed_by === this.context.me.person && who && who !== this.context.me.person) this.#tell(t("case.taken_over", { who }));
  }

  // What waits for a second person, until it is done or too old.
  #asked(item) {
    this.#swap("asked", JSON.stringify(item.asked.map((one) => one.approval_id)), () => item.asked.map(({ what, asked_by: who, until }) =>
      h("p.warning", t(what === "case.close" ? "case.asked_supervisor" : "case.asked", { who, what: word("approval", what), until: when(until) }))));
  }

  #script(item) {
    const script = scriptOf(item.causes, this.case?.handling);
    this.#swap("script", JSON.stringify(script), () => [
      h("h2", t("alarm.script")),
      script.warning ? h("p.warning", script.warning) : null,
      h("ol.steps", script.steps.map((one) => h("li", one))),
      h("h2", t("alarm.questions")),
      h("ul.questions", script.questions.map((one) => h("li", one))),
    ]);
  }

  #calls() {
    const calls = this.case?.calls ?? [];
    this.#swap("calls", JSON.stringify([calls, this.case?.next_contact]), () => (this.case === null ? [] : [
      h("h2", t("alarm.contacts")),
      calls.length ? h("ol.contacts", calls.map((one) => h("li", { "aria-current": one.place === this.case.next_contact ? "step" : null },
        h("span", h("b", one.name), one.place === this.case.next_contact ? h("span.badge.good", t("alarm.next")) : null),
        one.phone ? h("a.mono", { href: `tel:${one.phone.replaceAll(/[^+\d]/g, "")}` }, one.phone) : h("span.soft", t("alarm.no_phone")),
        h("small.soft", t("alarm.attempts", { n: one.attempts }))))) : h("p.soft", t("alarm.no_contacts")),
    ]));
  }

  #story(item) {
    const lines = this.#lines(item);
    this.#swap("story", JSON.stringify(lines.map((one) => [one.at, one.text, one.more])), () => [
      h("h2", t("alarm.story")),
      h("ol.timeline", lines.map((one) => h("li", { className: one.kind },
        h("time", { datetime: one.at, title: moment(one.at) }, when(one.at)), h("div", h("p", one.text), one.more ? h("small.soft", one.more) : null)))),
    ]);
  }

  // What vehicles stated, what became of it, and what people did, in the order of time.
  #lines(item) {
    const lines = [];
    for (const alarm of item.alarms.values()) {
      const name = causeWords(alarm.cause);
      for (const one of alarm.evidence) {
        const { at, event_id } = one;
        lines.push({ at: at ?? alarm.occurred_at, kind: "vehicle", text: evidenceWords(one), more: event_id ? t("story.event", { id: event_id }) : null });
      }
      if (!this.case) lines.push({ at: alarm.raised_at, kind: `raised ${alarm.severity}`, text: t(alarm.state === "suppressed" ? "story.held" : "story.raised", { cause: name }),
        more: alarm.sequence === null ? t("story.unrecorded") : t("story.sequence", { n: alarm.first_sequence ?? alarm.sequence }) });
      if (alarm.acknowledged_by && !this.case) lines.push({ at: alarm.raised_at, kind: "person", text: t("story.acknowledged", { who: alarm.acknowledged_by, cause: name }), more: alarm.note });
      if (alarm.disposition && !this.case) lines.push({ at: alarm.raised_at, kind: "person", text: t("story.closed", { cause: name, as: word("disposition", alarm.disposition) }), more: alarm.note });
    }
    for (const entry of this.case?.entries ?? []) {
      const [about, what] = entry.what.includes(".") ? entry.what.split(".") : ["case", entry.what];
      const said = Object.entries(entry.details ?? {}).filter(([key, value]) => value !== null && !HIDDEN.has(key) && !(about === "alarm" && key === "cause"))
        .map(([key, value]) => `${word("detail", key)}: ${key === "cause" ? causeWords(value) : key === "why" ? word("why", value) : key === "disposition" ? word("disposition", value) : word("value", value)}`);
      const sent = (entry.deliveries ?? []).map((one) => `${one.sink}: ${word("delivery", one.state)}`);
      const raised = about === "alarm" && what === "raised";
      const cause = entry.details?.cause ? causeWords(entry.details.cause) : "";
      const text = raised ? t("story.raised", { cause }) : about === "alarm" ? `${word("alarm_entry", what)}: ${cause}` : word("entry", what);
      const by = entry.actor === "gateway" ? "" : `${entry.actor}: `;
      const severity = [...item.alarms.values()].find((one) => one.cause === entry.details?.cause)?.severity;
      lines.push({ at: entry.at, kind: raised ? `raised ${severity}` : by ? "person" : "gateway", text: by + text, more: [...said, ...sent].join(" · ") });
    }
    return lines.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
  }

  #facts(item) {
    const { lead } = item;
    const late = [lead.late ? t("queue.late") : "", lead.clock_suspect ? t("queue.clock") : ""].filter(Boolean).join(", ");
    const modes = this.vehicle?.modes ?? [];
    const held = [...this.alarms.items.values()].filter((one) => one.suppressed && one.vin === item.vin);
    const pairs = [
      [t("fact.occurred"), moment(lead.occurred_at) + (late ? ` (${late})` : "")],
      [t("fact.received"), moment(lead.received_at)],
      [t("fact.corrected"), moment(lead.clock_suspect || lead.occurred_at > lead.received_at ? lead.received_at : lead.occurred_at)],
      [t("fact.triggers"), String(item.count)],
      [t("fact.service"), item.vin === null ? null : word("service", lead.service) + (lead.registered ? "" : `, ${t("queue.unregistered")}`)],
      [t("fact.modes"), item.vin === null ? null : modes.map((one) => t("fact.mode", { mode: word("mode", one.mode), until: one.ends_at ? when(one.ends_at) : "?", who: one.set_by })).join("; ") || t("fact.no_mode")],
      [t("fact.held"), held.map((one) => `${causeWords(one.lead.cause)} (${one.count})`).join(", ") || null],
      [t("fact.online"), this.vehicle ? online(this.vehicle) : null],
      [t("fact.police"), this.case?.police_reference],
      [t("fact.alarm"), lead.alarm_id],
    ].filter(([, text]) => text);
    this.#swap("facts", JSON.stringify(pairs), () => [h("dl", pairs.map(([name, text]) => [h("dt", name), h("dd", text)]))]);
  }

  async #where(item) {
    const position = this.#position(item);
    this.canvas.hidden = !position;
    this.#swap("where", JSON.stringify(position), () => (position
      ? [h("p", h("b.mono", place(position)), " ", accuracy(position), " ", h("span.soft", t("queue.seen", { at: when(position.at) }))),
        h("button", { type: "button", onclick: () => navigator.clipboard?.writeText(place(position)) }, t("map.copy"))]
      : [h("p.soft", t("word.no_position"))]));
    if (!position) return;
    const shown = { position, track: this.track };
    if (this.map) this.map.show(shown);
    else if (!this.drawing) {
      this.drawing = true;
      try {
        const map = await draw(this.canvas, shown);
        if (this.left) map.remove();
        else this.map = map;
      } catch {
        this.canvas.hidden = true; // no WebGL here: the numbers stay
      }
    }
  }

  #position(item) {
    const last = this.track.at(-1);
    if (last && (!item.position || last.at > item.position.at)) return last;
    return item.position;
  }

  // Draws a part anew only if what it shows has changed: a selection or a focus in it must not be lost.
  #swap(name, sign, make) {
    if (this[`${name}Sign`] === sign) return;
    this[`${name}Sign`] = sign;
    this.parts[name].replaceChildren(...make().filter(Boolean));
  }

  // -- the case

  #caseActs() {
    const { state, claimed_by: holder } = this.case;
    const mine = holder === this.context.me.person;
    const acts = {
      claim: !mine && state !== "closed", contact: mine, police: mine, note: state !== "closed", release: mine,
      confirm: mine && state === "claimed", dismiss: mine && state === "claimed",
      recover: state === "confirmed", lost: state === "confirmed", close: ["dismissed", "recovered", "lost"].includes(state),
    };
    const keys = { claim: "a", contact: "t", police: "p", note: "w", release: "r", confirm: "y", dismiss: "x", recover: "b", lost: "l", close: "c" };
    // What somebody else has asked for is the next thing to do.
    const asked = Object.keys(acts).find((name) => acts[name] && this.#askedBy(name));
    const evidence = mine || this.context.me.role === "supervisor" ? EVIDENCE : [];
    return [
      ...Object.keys(acts).filter((name) => acts[name]).map((name, place) =>
        this.#button(keys[name], t(`act.${name}`), () => this.#act(name), asked ? name === asked : place === 0)),
      ...evidence.map(([key, format]) => this.#button(key, t(`act.export_${format}`), () => saveEvidence(this.case, format))),
    ];
  }

  // The other person whose act waits for the same by this one.
  #askedBy(name) {
    return this.item?.asked.find((one) => one.what === `case.${name}` && one.asked_by !== this.context.me.person)?.asked_by;
  }

  async #act(name) {
    const fields = {
      claim: [], release: [],
      contact: () => [
        field("contact", t("act.whom"), h("select", options((this.case.calls ?? []).map((one) => [String(one.place), `${one.place}. ${one.name}`]), String(this.case.next_contact ?? 1)))),
        field("outcome", t("act.outcome"), h("select", { required: true }, options(OUTCOMES.map((one) => [one, word("outcome", one)]), "no_answer"))),
        field("call_reference", t("act.call_reference"), h("input", { maxlength: 100 }))],
      police: () => [field("reference", t("fact.police"), h("input", { maxlength: 100, required: true }))],
      dismiss: () => [field("disposition", t("close.what"), dispositions(true))],
      close: () => [field("disposition", t("close.what"), dispositions(false))],
    }[name] ?? [];
    const body = {};
    if (typeof fields === "function" || !["claim", "release"].includes(name)) {
      const own = typeof fields === "function" ? fields() : fields;
      const first = this.#askedBy(name);
      const means = first ? t("case.second_means", { who: first }) : t(`case.${name}_means`);
      const answer = await ask(t(`act.${name}`), [means === `case.${name}_means` ? null : h("p.soft", means), ...own,
        field("note", t("close.note"), h("textarea", { rows: 3, maxlength: 2000, required: name === "note" }))], { confirm: t(`act.${name}`), cancel: t("word.cancel") });
      if (answer === null) return null;
      for (const [key, value] of Object.entries(answer)) if (value) body[key] = key === "contact" ? Number(value) : value;
    }
    if (name === "claim") return acknowledge(this.context, this.item);
    const path = `/cases/${encodeURIComponent(this.case.case_id)}`;
    if (TWO_PERSONS.has(name) && body.note) {
      // The second person's call must be the same, and each has something else to say: the note goes before it.
      await certain(() => send("POST", `${path}/note`, { note: body.note }));
      delete body.note;
    }
    return certain(() => send("POST", `${path}/${name}`, body));
  }

  #keys() {
    const press = (key) => () => [...this.parts.acts.querySelectorAll("button")].find((one) => one.getAttribute("aria-keyshortcuts") === key)?.click();
    bind("Escape", "keys.back", () => this.context.go("queue"));
    bind("a", "keys.take", press("a"));
    bind("c", "keys.close", press("c"));
    if (!this.may(`POST ${CASE}/claim`)) return;
    for (const [key, name] of [["t", "contact"], ["p", "police"], ["w", "note"], ["y", "confirm"], ["x", "dismiss"], ["r", "release"], ["b", "recover"], ["l", "lost"]]) {
      bind(key, `act.${name}`, press(key));
    }
    for (const [key, format] of EVIDENCE) bind(key, `act.export_${format}`, press(key));
  }
}

// With the whole of its timeline.
async function readCase(id) {
  let found = null;
  for (let after = 0; after !== null; after = found.next_after) {
    const page = await read(`/cases/${encodeURIComponent(id)}?limit=1000&after=${after}`, { background: true });
    found = { ...page, entries: [...(found?.entries ?? []), ...page.entries] };
  }
  return found;
}

function dispositions(required) {
  return h("select", { required }, options([["", t("close.choose")], ...DISPOSITIONS.map((one) => [one, word("disposition", one)])], ""));
}

export function online(vehicle) {
  if (vehicle.online === null) return t("word.not_known");
  if (vehicle.online) return t("vehicle.online");
  return t("vehicle.offline", { why: vehicle.why_offline ? word("offline", vehicle.why_offline) : t("word.not_known") });
}
