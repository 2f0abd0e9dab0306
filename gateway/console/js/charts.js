// The desk meter's curves. Each is a figure with a sentence for those who can't see it; the table beside has the numbers.

import uPlot from "../vendor/uPlot.esm.js";
import { h } from "./dom.js";
import { isDark } from "./look.js";
import { clock, number, t, when } from "./words.js";

// On a wall everything is larger: so are the axes.
const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
const height = () => 13 * rem();
const WHOLE = [0, 1, 2, 3, 4, 5].flatMap((power) => [1, 2, 5].map((one) => one * 10 ** power)); // steps of an axis
const DAY_S = 86_400;

const colours = () => (isDark()
  ? { ink: "#9ca8b4", line: "#2b333c", all: "#80b4f4", critical: "#ff8a7e", flood: "rgb(243 183 94 / 28%)" }
  : { ink: "#4f5b68", line: "#d6dbe1", all: "#1d5aa6", critical: "#b0180f", flood: "rgb(243 183 94 / 40%)" });

export class Charts {
  constructor() {
    this.plots = [];
    this.made = [];
    if (!document.querySelector('link[href$="uPlot.min.css"]')) {
      document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/console/vendor/uPlot.min.css" }));
    }
    this.sizes = new ResizeObserver((seen) => {
      for (const { target, contentRect } of seen) target.plot?.setSize({ width: Math.max(100, contentRect.width), height: height() });
    });
    this.again = () => {
      const { made } = this;
      this.begin();
      for (const [box, make] of made) this.#draw(box, make);
    };
    document.addEventListener("look", this.again);
  }

  // What was drawn before goes.
  begin() {
    this.sizes.disconnect();
    for (const plot of this.plots) plot.destroy();
    Object.assign(this, { plots: [], made: [] });
  }

  leave() {
    this.begin();
    document.removeEventListener("look", this.again);
  }

  // Alarms in each ten minutes, critical ones among them; floods lie behind as bands.
  loads(periods) {
    const floods = periods.filter((one) => one.flood).length;
    const most = Math.max(...periods.map((one) => one.raised));
    return this.#figure(t("meter.loads_said", { most: number(most), floods: number(floods) }), [["all", t("meter.alarms")], ["critical", t("severity.critical")], ["flood", t("meter.flood")]], (c) => ({
      data: [times(periods), periods.map((one) => one.raised || null), periods.map((one) => one.critical || null)],
      series: [{}, bars(c.all, false), bars(c.critical, true)],
      most: Math.max(10, most),
      hooks: { drawClear: [(plot) => bands(plot, periods, c.flood)] },
    }));
  }

  // How long those waited that were acknowledged in each ten minutes.
  waits(periods) {
    const slowest = Math.max(0, ...periods.map((one) => one.p98_5_s ?? 0));
    return this.#figure(t("meter.waits_said", { slowest: number(slowest) }), [["all", "p80"], ["critical", "p98.5"]], (c) => ({
      data: [times(periods), periods.map((one) => one.p80_s), periods.map((one) => one.p98_5_s)],
      series: [{}, curve(c.all, []), curve(c.critical, [5, 4])],
      most: Math.max(30, slowest),
      hooks: {},
    }));
  }

  #figure(said, names, make) {
    const box = h("div.plot", { role: "img", "aria-label": said });
    this.#draw(box, make);
    return h("figure.chart", box, h("figcaption.soft.small", names.map(([kind, text]) => h(`span.key.${kind}`, text))));
  }

  #draw(box, make) {
    const c = colours();
    const { data, series, most, hooks } = make(c);
    const axis = { stroke: c.ink, grid: { stroke: c.line, width: 1 }, ticks: { stroke: c.line, width: 1 }, font: `${0.85 * rem()}px system-ui, sans-serif`, size: 3.2 * rem() };
    const long = data[0].at(-1) - data[0][0] > DAY_S;
    box.replaceChildren();
    const plot = new uPlot({
      width: Math.max(100, box.clientWidth || 600), height: height(), legend: { show: false }, cursor: { show: false }, series, hooks,
      // The last ten minutes have their width as well.
      scales: { x: { time: true, range: (_, from, to) => [from, to + 600] }, y: { range: [0, most * 1.08] } },
      axes: [{ ...axis, size: 2.4 * rem(), space: (long ? 7 : 4) * rem(), values: (_, marks) => marks.map((one) => (long ? when(one * 1000).replace(/:\d\d$/, "") : clock(one * 1000).slice(0, 5))) },
        { ...axis, incrs: WHOLE, values: (_, marks) => marks.map((one) => number(one)) }],
    }, data, box);
    box.plot = plot;
    this.plots.push(plot);
    this.made.push([box, make]);
    this.sizes.observe(box);
  }
}

const times = (periods) => periods.map((one) => Date.parse(one.at) / 1000);
const bars = (colour, filled) => ({ stroke: colour, width: 1, fill: filled ? colour : `${colour}55`, points: { show: false }, paths: uPlot.paths.bars({ size: [0.9, 60], align: 1 }) });
const curve = (colour, dash) => ({ stroke: colour, width: 2, dash, spanGaps: true, points: { show: true, size: 5, fill: colour } });

function bands(plot, periods, colour) {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.fillStyle = colour;
  for (const one of periods.filter((period) => period.flood)) {
    const from = Date.parse(one.at) / 1000;
    const [left, right] = [plot.valToPos(from, "x", true), plot.valToPos(from + 600, "x", true)];
    ctx.fillRect(left, bbox.top, Math.max(2, right - left), bbox.height);
  }
  ctx.restore();
}
