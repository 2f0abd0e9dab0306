// The desk meter: how alarms load those who answer them, in the words of ISA-18.2.

import { h, options, say, table } from "./dom.js";
import { read } from "./http.js";
import { causeWords, clock, number, t } from "./words.js";

const AGAIN_MS = 60_000;
const SVG = "http://www.w3.org/2000/svg";

export function show(context) {
  let hours = 8;
  let left = false;
  const body = h("div.page");
  const wrong = h("p.wrong", { role: "alert" });
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
      h("section.card", h("h2", t("meter.periods")), bars(found.periods)),
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
  };
}

const seconds = (value) => (value === null ? "–" : `${number(value, value < 10 ? 1 : 0)} s`);

function tile(name, value, more, bad = false) {
  return h(bad ? "div.tile.bad" : "div.tile", h("span", name), h("b", value), h("small", more));
}

// A bar for each ten minutes; critical ones stand at its foot.
function bars(periods) {
  const most = Math.max(10, ...periods.map((one) => one.raised));
  const drawing = document.createElementNS(SVG, "svg");
  const width = periods.length;
  for (const [name, value] of [["viewBox", `0 0 ${width} 100`], ["preserveAspectRatio", "none"], ["role", "img"], ["class", "bars"],
    ["aria-label", t("meter.periods")]]) drawing.setAttribute(name, value);
  const add = (kind, x, from, to) => {
    const bar = document.createElementNS(SVG, "rect");
    for (const [name, value] of [["class", kind], ["x", x + 0.1], ["width", 0.8], ["y", 100 - to], ["height", to - from]]) bar.setAttribute(name, value);
    drawing.append(bar);
  };
  for (const [x, one] of periods.entries()) {
    const all = 100 * one.raised / most;
    const critical = 100 * one.critical / most;
    add("critical", x, 0, critical);
    add("rest", x, critical, all);
  }
  return h("figure.chart", h("span.most", String(most)), drawing,
    h("figcaption.soft.small", h("span", clock(periods[0].at)), h("span", t("meter.legend")), h("span", clock(periods.at(-1).at))));
}
