// What one shift leaves to the next: notes to read and acknowledge, and one to write.

import { h, say } from "./dom.js";
import { read, send } from "./http.js";
import { bind } from "./keys.js";
import { ago, causeWords, moment, t, word } from "./words.js";

const LOOK_BACK_MS = 48 * 3_600_000;
const AGAIN_MS = 30_000;
const MAX_TIED = 50;

// Notes that wait for whoever is logged in, for the line above every page.
export async function unread(soc) {
  return (await read(`/handovers?unread=true&soc=${encodeURIComponent(soc)}`, { background: true })).items;
}

export function show(context) {
  const mayWrite = context.me.may.includes("POST /api/v1/handovers");
  const soc = encodeURIComponent(context.soc);
  const wrong = h("p.wrong", { role: "alert" });
  const said = h("p", { role: "status" });
  const notes = h("div.notes");
  const text = h("textarea", { id: "handover-text", rows: 5, maxlength: 4000, required: true });
  const ties = h("fieldset.ties");
  const form = h("form.card", { onsubmit: write }, h("h2", t("handover.write")), h("label", { for: text.id }, t("handover.text")), text, ties,
    h("p.soft.small", t("handover.added")), h("button.main", { type: "submit" }, t("handover.leave")), said);
  let left = false;
  let drawn = "";
  context.root.append(h("div.page", h("h1", t("nav.handover")), wrong, notes, mayWrite ? form : null));

  async function look(background = true) {
    const since = new Date(context.now() - LOOK_BACK_MS).toISOString();
    try {
      const { items } = await read(`/handovers?limit=1000&soc=${soc}&since=${encodeURIComponent(since)}`, { background });
      const waiting = mayWrite ? await unread(context.soc) : [];
      if (!left) draw(items, waiting);
      say(wrong, "");
    } catch (error) {
      say(wrong, error.message);
    }
  }

  function draw(items, waiting) {
    const sign = JSON.stringify([items, waiting, Math.floor(context.now() / 60_000)]);
    if (sign === drawn || !getSelection().isCollapsed) return;
    drawn = sign;
    const open = new Set(waiting.map((one) => one.n));
    const rest = items.filter((one) => !open.has(one.n)).reverse();
    notes.replaceChildren(...waiting.map((one) => note(one, true)), ...rest.map((one) => note(one, false)));
    if (!items.length && !waiting.length) notes.replaceChildren(h("p.soft", t("handover.none")));
  }

  function note(one, waits) {
    const readers = one.read_by.map((reader) => t("handover.read_by", { who: reader.person, at: ago(reader.at, context.now()) })).join(", ");
    return h("article", { className: waits ? "card note waits" : "card note" },
      h("p.line", h("b", one.author), h("span.soft", { title: moment(one.at) }, ago(one.at, context.now())),
        waits ? h("span.badge.major", t("handover.waits")) : null, h("span.soft", readers || t("handover.nobody"))),
      h("p.said", one.text),
      one.cases.length ? h("p", t("handover.about"), " ", one.cases.map((id) => [caseLink(id, one.standing.cases.find((other) => other.case_id === id)), " "])) : null,
      standing(one.standing, waits),
      waits ? h("button.main", { type: "button", "aria-keyshortcuts": "a", onclick: () => acknowledge(one.n) }, t("handover.acknowledge"), " ", h("kbd", "a")) : null);
  }

  function standing({ cases, more_cases: more, parked, unprotected, more_unprotected: moreCars }, open) {
    const waiting = Object.entries(parked).map(([sink, count]) => `${sink}: ${count}`).join(", ");
    return h("details", { open }, h("summary", t("handover.standing", { cases: `${cases.length}${more ? "+" : ""}`,
      parked: Object.values(parked).reduce((sum, one) => sum + one, 0), cars: `${unprotected.length}${moreCars ? "+" : ""}` })),
    cases.length ? h("ul", cases.map((one) => h("li", caseLink(one.case_id, one), " ", h("span.soft", word("case", one.state), ", ",
      one.claimed_by ? t("alarm.has_it", { who: one.claimed_by }) : t("alarm.nobody"), one.escalated ? `, ${t("handover.escalated", { level: one.escalated })}` : "")))) : null,
    waiting ? h("p", t("handover.parked"), " ", waiting) : null,
    unprotected.length ? h("p", t("handover.unprotected"), " ", unprotected.map((vin) => [h("a.mono", { href: `#vehicle/${vin}` }, vin), " "])) : null);
  }

  const caseLink = (id, found) => h("a", { href: `#alarm/${encodeURIComponent(id)}`, className: found?.critical ? "hot" : "" },
    found ? `${found.causes.map(causeWords).join(", ")} ${found.vin}` : id);

  async function acknowledge(n) {
    try {
      await send("POST", `/handovers/${n}/acknowledge`);
    } catch (error) {
      say(wrong, error.message);
      return;
    }
    document.dispatchEvent(new CustomEvent("handover"));
    await look(false);
  }

  async function write(event) {
    event.preventDefault();
    const cases = [...ties.querySelectorAll("input:checked")].map((one) => one.value);
    try {
      await send("POST", `/handovers?soc=${soc}`, { text: text.value, cases });
    } catch (error) {
      say(said, error.message);
      return;
    }
    text.value = "";
    for (const one of ties.querySelectorAll("input")) one.checked = false;
    say(said, t("handover.left"));
    await look(false);
  }

  // Cases that are open now; what is ticked stays ticked.
  function tie() {
    const ticked = new Set([...ties.querySelectorAll("input:checked")].map((one) => one.value));
    const open = [...context.alarms.items.values()].filter((one) => one.caseId && !one.done).slice(0, MAX_TIED);
    const sign = open.map((one) => `${one.caseId} ${one.causes}`).join();
    if (sign === ties.dataset.sign) return;
    ties.dataset.sign = sign;
    ties.hidden = !open.length;
    ties.replaceChildren(h("legend", t("handover.tie")), ...open.map((one) => h("label.check",
      h("input", { type: "checkbox", value: one.caseId, checked: ticked.has(one.caseId) }), `${causeWords(one.lead.cause)} ${one.vin}`)));
  }

  bind("Escape", "keys.back", () => context.go("queue"));
  if (mayWrite) {
    bind("a", "handover.acknowledge", () => notes.querySelector("[aria-keyshortcuts=a]")?.click());
    bind("w", "handover.write", () => text.focus());
    tie();
  }
  context.alarms.addEventListener("change", tie);
  look(false);
  const timer = setInterval(look, AGAIN_MS);
  return () => {
    left = true;
    clearInterval(timer);
    context.alarms.removeEventListener("change", tie);
  };
}
