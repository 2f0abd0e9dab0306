// What is on its way to each sink, what is parked, and a test alarm.

import { h, options, say } from "./dom.js";
import { send } from "./http.js";
import { listing } from "./listing.js";
import { t, word } from "./words.js";

const AGAIN_MS = 5000;

export function show(context) {
  let state = "parked";
  const said = h("p", { role: "status" });
  const health = h("div.cards.sinks");
  const oldest = h("p.soft");
  let drawn = "";
  const mayTest = context.me.may.includes("POST /api/v1/sinks/{name}/test");

  async function act(work, text) {
    try {
      say(said, text((await work()).body));
    } catch (error) {
      say(said, error.message);
    }
  }

  async function look() {
    const report = await (await fetch("/health/ready", { cache: "no-store" })).json();
    say(oldest, t("deliveries.oldest", { s: Math.round(report.oldest_undelivered_s) }));
    const sign = JSON.stringify(report.sinks);
    if (sign === drawn) return; // a button that is made anew under a click is not pressed
    drawn = sign;
    health.replaceChildren(...Object.entries(report.sinks).map(([name, how]) => h("section.card",
      h("h2", name, " ", h("span.badge", { className: `badge ${how === "ok" ? "good" : "critical"}` }, t(how === "ok" ? "deliveries.ok" : "deliveries.failing"))),
      mayTest ? h("button", { type: "button", onclick: () => act(() => send("POST", `/sinks/${encodeURIComponent(name)}/test`),
        (answer) => [t("deliveries.tested", { sink: name, outcome: word("tested", answer.outcome) }), answer.reason].filter(Boolean).join(". ")) }, t("deliveries.test", { sink: name })) : null)));
  }

  const list = listing(t("nav.deliveries"), () => `/deliveries${state ? `?state=${state}` : ""}`, [
    { name: t("deliveries.sink"), cell: (one) => one.sink },
    { name: t("deliveries.sequence"), cell: (one) => `${one.soc} ${one.sequence}` },
    { name: t("deliveries.state"), cell: (one) => word("delivery", one.state) },
    { name: t("deliveries.attempts"), cell: (one) => String(one.attempts) },
    { name: t("deliveries.error"), cell: (one) => one.last_error ?? "" },
    { name: "", cell: (one) => (one.state === "pending" || !context.me.may.includes("POST /api/v1/deliveries/{delivery_id}/resend") ? "" : h("button", { type: "button",
      onclick: () => act(() => send("POST", `/deliveries/${one.id}/resend`), () => { list.reload(); return ""; }) }, t("deliveries.resend"))) },
  ], t("deliveries.none"));
  const choose = h("select", { "aria-label": t("deliveries.state"), onchange: (event) => { state = event.target.value; list.reload(); } },
    options([["parked", t("deliveries.parked")], ["pending", t("deliveries.pending")], ["done", t("delivery.done")]], state));
  context.root.append(h("div.page", h("h1", t("nav.deliveries")), health, oldest, h("div.bar", choose, said), list.element));
  look().catch(() => {});
  const timer = setInterval(() => look().catch(() => {}), AGAIN_MS);
  return () => clearInterval(timer);
}
