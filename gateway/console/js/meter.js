// The desk meter: how alarms load those who answer them, in the words of ISA-18.2.

import { h, options, say, table } from "./dom.js";
import { Charts } from "./charts.js";
import { read } from "./http.js";
import { causeWords, clock, number, t, when } from "./words.js";

const AGAIN_MS = 60_000;

export function show(context) {
  let hours = 8;
  let left = false;
  const body = h("div.page");
  const wrong = h("p.wrong", { role: "alert" });
  const chart = new Charts();
  const choose = h("select", { "aria-label": t("meter.hours"), onchange: (event) => { hours = Number(event.target.value); look(); } },
    options([1, 8, 24, 168].map((one) => [String(one), t("meter.last", { n: one })]), "8"));
  context.root.append(h("div.page", h("div.bar", h("h1", t("nav.meter")), choose), wrong), body);

  async function look() {
    try {
      const found = await read(`/desk-meter?hours=${hours}&soc=${encodeURIComponent(context.soc)}`, { background: true });
      if (!left) draw(found);
      say(wrong, "");
    } catch (error) {
      say(wrong, error.message);
    }
  }

  function draw(found) {
    const opened = body.querySelector("details")?.open ?? false;
    chart.begin();
    const busiest = found.periods.reduce((most, one) => (one.raised / Math.max(1, one.operators) > most.load ? { load: one.raised / Math.max(1, one.operators), at: one.at } : most), { load: 0, at: null });
    const total = found.periods.reduce((sum, one) => sum + one.raised, 0);
    body.replaceChildren(
      h("div.tiles",
        tile(t("meter.alarms"), String(total), found.whole ? "" : t("meter.since", { at: clock(found.since) })),
        tile(t("meter.load"), number(busiest.load, busiest.load % 1 ? 1 : 0), busiest.at ? t("queue.seen", { at: clock(busiest.at) }) : ""),
        tile(t("meter.floods"), String(found.floods), t("meter.flood_means"), found.floods > 0),
        ...found.answered.map((one) => tile(t(`meter.${one.severity}`), `${seconds(one.p80_s)} / ${seconds(one.p98_5_s)}`, t("meter.answered", { n: one.count }),
          one.p98_5_s !== null && one.p98_5_s > (one.severity === "critical" ? 30 : 90))),
        tile(t("meter.stale"), String(found.stale), t("meter.stale_means"), found.stale > 0)),
      h("section.card", h("h2", t("meter.periods")), chart.loads(found.periods), details(found.periods, opened)),
      h("section.card", h("h2", t("meter.waits")), chart.waits(found.periods)),
      h("div.cards",
        h("section.card", h("h2", t("meter.nuisance")), found.nuisance.length ? table(t("meter.nuisance"), [
          { name: t("vehicle.vin"), cell: (one) => h("a.mono", { href: `#vehicle/${one.vin}` }, one.vin) },
          { name: t("meter.alarms"), cell: (one) => String(one.alarms) }], found.nuisance) : h("p.soft", t("meter.no_nuisance"))),
        h("section.card", h("h2", t("meter.false")), found.false_share.length ? table(t("meter.false"), [
          { name: t("queue.cause"), cell: (one) => causeWords(one.cause) },
          { name: t("meter.closed"), cell: (one) => String(one.closed) },
          { name: t("meter.share"), cell: (one) => `${number(100 * one.false / one.closed)} %` }], found.false_share) : h("p.soft", t("meter.no_closed")))));
  }

  look();
  const timer = setInterval(look, AGAIN_MS);
  return () => {
    left = true;
    clearInterval(timer);
    chart.leave();
  };
}

// The curves as a table, for those who can't see them and for exact numbers; quiet periods are left out.
function details(periods, open) {
  const busy = periods.filter((one) => one.raised || one.acknowledged);
  return h("details", { open }, h("summary", t("meter.table")), busy.length ? table(t("meter.periods"), [
    { name: t("audit.at"), cell: (one) => when(one.at) },
    { name: t("meter.alarms"), className: "figure", cell: (one) => number(one.raised) },
    { name: t("severity.critical"), className: "figure", cell: (one) => number(one.critical) },
    { name: t("meter.operators"), className: "figure", cell: (one) => number(one.operators) },
    { name: t("meter.flood"), cell: (one) => (one.flood ? t("word.yes") : "") },
    { name: t("meter.acknowledged"), className: "figure", cell: (one) => number(one.acknowledged) },
    { name: "p80", className: "figure", cell: (one) => seconds(one.p80_s) },
    { name: "p98.5", className: "figure", cell: (one) => seconds(one.p98_5_s) }], busy) : h("p.soft", t("list.none")));
}

const seconds = (value) => (value === null ? "–" : `${number(value, value < 10 ? 1 : 0)} s`);

function tile(name, value, more, bad = false) {
  return h(bad ? "div.tile.bad" : "div.tile", h("span", name), h("b", value), h("small", more));
}
