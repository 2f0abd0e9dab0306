// The drawing of the fleet map. Severity is told by shape and colour; a hollow shape is an old position.

import { circle, collection, colours, feature, FONT, makeMap } from "./basemap.js";
import { isDark } from "./look.js";

export const OLD_MS = 10 * 60_000;
const RANK = { critical: 2, major: 1, minor: 0 };
const CLUSTERED_TO = 13;
const CLOSE = 11;
const SIZE = 22;
const METRES_PER_PIXEL = 78_271.517; // at the equator and zoom 0

// on: {open(key), now()}. Gives {map, show(items, modes), choose(item, go), fit(), remove()}.
export async function drawFleet(element, on) {
  const shown = { items: [], modes: [], chosen: null };
  const data = () => ({ fleet: vehicles(shown.items, on.now()), chosen: mark(shown.chosen), modes: places(shown.modes) });
  const map = await makeMap(element, (c) => overlay(c, data()), { center: [10, 50], zoom: 2.6 });
  map.setMissingStyleImageResolver((id) => {
    const [severity, filling] = id.split("/");
    if (severity in RANK && !map.hasImage(id)) map.addImage(id, shape(severity, filling === "old"), { pixelRatio: 2 });
  });
  const put = (name) => map.getSource(name)?.setData(data()[name]);
  click(map, on);
  return {
    map,
    show(items, modes) {
      Object.assign(shown, { items, modes });
      put("fleet");
      put("modes");
    },
    choose(item, go = false) {
      shown.chosen = item;
      put("chosen");
      if (go && item?.seen) map.easeTo({ center: at(item.seen), duration: calm() ? 0 : 300 });
    },
    fit() {
      const all = shown.items.filter((item) => item.seen).map((item) => at(item.seen));
      if (!all.length) return;
      const [x, y] = [all.map(([one]) => one).sort(rising), all.map(([, one]) => one).sort(rising)];
      map.fitBounds([[x[0], y[0]], [x.at(-1), y.at(-1)]], { padding: 60, maxZoom: CLOSE, duration: 0 });
    },
    remove: () => map.remove(),
  };
}

const at = (position) => [position.longitude, position.latitude];
const rising = (one, other) => one - other;
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function vehicles(items, now) {
  return collection(items.filter((item) => item.seen).map((item) => feature("Point", at(item.seen), {
    key: item.key, severity: item.severity, rank: RANK[item.severity], old: now - Date.parse(item.seen.at) > OLD_MS,
    // How many pixels the accuracy takes at zoom 0.
    wide: (item.seen.accuracy_m ?? 0) / (METRES_PER_PIXEL * Math.max(0.01, Math.cos(item.seen.latitude * Math.PI / 180))),
  })));
}

const mark = (item) => collection(item?.seen ? [feature("Point", at(item.seen), {})] : []);
const places = (modes) => collection(modes.map((one) => feature("Polygon", [circle(one.place, one.place.radius_m)], { mode: one.mode })));

function overlay(c, data) {
  const theme = isDark() ? "dark" : "light";
  const single = ["!", ["has", "point_count"]];
  const worst = ["match", ["get", "rank"], 2, "critical", 1, "major", "minor"];
  const tint = ["match", ["get", "rank"], 2, c.critical, 1, c.major, c.minor];
  const all = { "icon-allow-overlap": true, "icon-ignore-placement": true };
  return {
    sources: {
      fleet: { type: "geojson", data: data.fleet, cluster: true, clusterRadius: 46, clusterMaxZoom: CLUSTERED_TO, clusterProperties: { rank: ["max", ["get", "rank"]] } },
      chosen: { type: "geojson", data: data.chosen },
      modes: { type: "geojson", data: data.modes },
    },
    layers: [
      { id: "place", type: "line", source: "modes", paint: { "line-color": c.track, "line-width": 2, "line-dasharray": [2, 2] } },
      { id: "unsure", type: "circle", source: "fleet", filter: single, paint: { "circle-color": tint, "circle-opacity": 0.16, "circle-stroke-color": tint, "circle-stroke-width": 1,
        "circle-stroke-opacity": 0.6, "circle-radius": ["interpolate", ["exponential", 2], ["zoom"], 0, ["get", "wide"], 22, ["*", ["get", "wide"], 2 ** 22]] } },
      { id: "ring", type: "circle", source: "chosen", paint: { "circle-radius": 17, "circle-color": "transparent", "circle-stroke-color": c.track, "circle-stroke-width": 3 } },
      { id: "cluster", type: "circle", source: "fleet", filter: ["has", "point_count"], paint: { "circle-color": c.paper, "circle-stroke-color": tint, "circle-stroke-width": 3,
        "circle-radius": ["step", ["get", "point_count"], 20, 100, 24, 1000, 29] } },
      { id: "cluster-shape", type: "symbol", source: "fleet", filter: ["has", "point_count"], layout: { ...all, "icon-image": ["concat", worst, "/new/", theme], "icon-size": 0.6,
        "icon-offset": [0, -14], "text-field": ["get", "point_count_abbreviated"], "text-font": FONT, "text-size": 13, "text-offset": [0, 0.35], "text-allow-overlap": true,
        "text-ignore-placement": true }, paint: { "text-color": c.ink } },
      // What is clicked on: a symbol is found only once it has been placed anew.
      { id: "hit", type: "circle", source: "fleet", filter: single, paint: { "circle-radius": 15, "circle-opacity": 0 } },
      { id: "one", type: "symbol", source: "fleet", filter: single, layout: { ...all, "symbol-sort-key": ["get", "rank"],
        "icon-image": ["concat", worst, ["case", ["get", "old"], "/old/", "/new/"], theme] } },
    ],
  };
}

// A shape for each severity, as in the queue: a diamond, a triangle, a ring.
function shape(severity, hollow) {
  const c = colours();
  const canvas = new OffscreenCanvas(2 * SIZE, 2 * SIZE);
  const pen = canvas.getContext("2d");
  const path = new Path2D({ critical: "M22 3L41 22L22 41L3 22Z", major: "M22 4L41 38L3 38Z" }[severity] ?? "M22 6A16 16 0 1 1 21.9 6Z");
  Object.assign(pen, { fillStyle: hollow || severity === "minor" ? c.paper : c[severity], strokeStyle: hollow || severity === "minor" ? c[severity] : c.paper, lineWidth: 4, lineJoin: "round" });
  pen.fill(path);
  pen.stroke(path);
  return pen.getImageData(0, 0, 2 * SIZE, 2 * SIZE);
}

function click(map, on) {
  map.on("click", "hit", ({ features: [one] }) => on.open(one.properties.key));
  map.on("click", "cluster", async ({ features: [one] }) => {
    const zoom = await map.getSource("fleet").getClusterExpansionZoom(one.properties.cluster_id);
    map.easeTo({ center: one.geometry.coordinates, zoom, duration: calm() ? 0 : 300 });
  });
  for (const layer of ["hit", "cluster"]) {
    map.on("mouseenter", layer, () => { map.getCanvas().style.cursor = "pointer"; });
    map.on("mouseleave", layer, () => { map.getCanvas().style.cursor = ""; });
  }
}
