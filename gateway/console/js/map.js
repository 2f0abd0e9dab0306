// One vehicle on a map of the world that is part of the page: its track, where it was last, and how sure that is.

import { isDark } from "./look.js";

let library = null;
let land = null;

async function load() {
  library ??= import("../vendor/maplibre-gl.mjs");
  land ??= (async () => {
    await import("../vendor/topojson-client.min.js");
    const world = await (await fetch("/console/vendor/countries-50m.json")).json();
    return self.topojson.feature(world, world.objects.countries);
  })();
  if (!document.querySelector('link[href$="maplibre-gl.css"]')) {
    const style = document.createElement("link");
    Object.assign(style, { rel: "stylesheet", href: "/console/vendor/maplibre-gl.css" });
    document.head.append(style);
  }
  return [await library, await land];
}

const colours = () => (isDark()
  ? { sea: "#10161c", land: "#222b34", border: "#46535f", mark: "#ff8a7e", track: "#80b4f4" }
  : { sea: "#dfe7ee", land: "#f7f5f0", border: "#a3adb8", mark: "#b8241b", track: "#1d5aa6" });

// What is shown: {position: {latitude, longitude, accuracy_m}, track: [{latitude, longitude}]}.
function shapes({ position, track }) {
  const features = [];
  const line = track.map((one) => [one.longitude, one.latitude]);
  if (line.length > 1) features.push(feature("LineString", line, "track"));
  for (const one of line.slice(0, -1)) features.push(feature("Point", one, "past"));
  if (position) {
    const here = [position.longitude, position.latitude];
    if (position.accuracy_m) features.push(feature("Polygon", [circle(position, position.accuracy_m)], "accuracy"));
    features.push(feature("Point", here, "here"));
  }
  return { type: "FeatureCollection", features };
}

const feature = (type, coordinates, kind) => ({ type: "Feature", geometry: { type, coordinates }, properties: { kind } });

function circle({ latitude, longitude }, radius_m) {
  const north = radius_m / 111_320;
  const east = north / Math.max(0.01, Math.cos(latitude * Math.PI / 180));
  return Array.from({ length: 65 }, (_, n) => {
    const angle = n * Math.PI / 32;
    return [longitude + east * Math.cos(angle), latitude + north * Math.sin(angle)];
  });
}

function style(world, shown) {
  const c = colours();
  const only = (kind) => ["==", ["get", "kind"], kind];
  return {
    version: 8,
    sources: { world: { type: "geojson", data: world }, shown: { type: "geojson", data: shapes(shown) } },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": c.sea } },
      { id: "land", type: "fill", source: "world", paint: { "fill-color": c.land } },
      { id: "border", type: "line", source: "world", paint: { "line-color": c.border, "line-width": 1 } },
      { id: "accuracy", type: "fill", source: "shown", filter: only("accuracy"), paint: { "fill-color": c.mark, "fill-opacity": 0.18, "fill-outline-color": c.mark } },
      { id: "track", type: "line", source: "shown", filter: only("track"), paint: { "line-color": c.track, "line-width": 3 } },
      { id: "past", type: "circle", source: "shown", filter: only("past"), paint: { "circle-radius": 3, "circle-color": c.track } },
      { id: "here", type: "circle", source: "shown", filter: only("here"), paint: { "circle-radius": 7, "circle-color": c.mark, "circle-stroke-width": 2, "circle-stroke-color": c.land } },
    ],
  };
}

// Draws into an element. Gives {show(shown), remove()}; without WebGL nothing is drawn, the numbers stand beside it.
export async function draw(element, first) {
  const [{ Map, NavigationControl, ScaleControl }, world] = await load();
  let shown = first;
  const map = new Map({ container: element, style: style(world, shown), attributionControl: false, maxZoom: 17,
    center: first.position ? [first.position.longitude, first.position.latitude] : [5, 51], zoom: first.position ? 5.2 : 3 });
  map.addControl(new NavigationControl({ showCompass: false }));
  map.addControl(new ScaleControl({ unit: "metric" }));
  const look = () => map.setStyle(style(world, shown));
  document.addEventListener("look", look);
  return {
    map,
    show(next) {
      shown = next;
      map.getSource("shown")?.setData(shapes(next));
    },
    remove() {
      document.removeEventListener("look", look);
      map.remove();
    },
  };
}
