// The ground of every map: the site's own if it has one, else the world that is part of the page. Nothing is asked for
// elsewhere: letters are drawn here, and tiles come from the gateway.

import { h, say } from "./dom.js";
import { isDark } from "./look.js";
import { openSite, siteLayers, SITE } from "./sitemap.js";
import { t } from "./words.js";

export const FONT = ["sans-serif"];

let library = null;
let land = null;
let hasSite = false;

// Told once, by the shell: whether the gateway has a map of the site's own.
export function useSite(has) {
  hasSite = has;
}

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
  try {
    return await Promise.all([library, land]);
  } catch (error) {
    library = land = undefined; // the next map tries again
    throw error;
  }
}

export const colours = () => (isDark()
  ? { sea: "#10161c", land: "#222b34", border: "#46535f", road: "#3d4955", main: "#5c6976", building: "#2b353f", ink: "#c9d2db",
    mark: "#ff8a7e", track: "#80b4f4", critical: "#ff8a7e", major: "#f3b75e", minor: "#9ca8b4", paper: "#161b21" }
  : { sea: "#dfe7ee", land: "#f7f5f0", border: "#a3adb8", road: "#d3d0c8", main: "#c0b9a9", building: "#e6e2d9", ink: "#3a444f",
    mark: "#b8241b", track: "#1d5aa6", critical: "#b8241b", major: "#8a4b00", minor: "#4f5b68", paper: "#ffffff" });

function ground(world, site, c) {
  // Where a site's own map ends, the coarse world goes on as long as it is not too coarse.
  // A maximum is always stated: a change of style leaves one that is no longer there in force.
  const far = { maxzoom: site ? 7 : 24 };
  return {
    sources: { world: { type: "geojson", data: world }, ...(site ? { [SITE]: { type: "vector", url: `pmtiles://${SITE}` } } : {}) },
    layers: [
      { id: "sea", type: "background", paint: { "background-color": c.sea } },
      { id: "land", type: "fill", source: "world", ...far, paint: { "fill-color": c.land } },
      { id: "border", type: "line", source: "world", ...far, paint: { "line-color": c.border, "line-width": 1 } },
      ...(site ? [{ id: "near", type: "background", minzoom: 7, paint: { "background-color": c.land } }, ...siteLayers(site.names, c)] : []),
    ],
  };
}

// Makes a map in an element. overlay(colours) -> {sources, layers}: what lies on the ground; it is asked again whenever the
// ground changes. Without WebGL this fails: the numbers stand beside each map.
export async function makeMap(element, overlay, options) {
  const [{ Map, NavigationControl, ScaleControl, addProtocol }, world] = await load();
  const note = h("p.map-note", { role: "status", hidden: true });
  let site = null;
  const tell = (text) => {
    say(note, text);
    note.hidden = !text;
  };
  const style = () => {
    const c = colours();
    const [below, above] = [ground(world, site, c), overlay(c)];
    return { version: 8, sources: { ...below.sources, ...above.sources }, layers: [...below.layers, ...above.layers] };
  };
  if (hasSite) {
    try {
      site = await openSite(addProtocol);
      tell(site.attribution);
    } catch (error) {
      tell(t("map.fallback", { why: error.message }));
    }
  }
  const map = new Map({ container: element, style: style(), attributionControl: false, dragRotate: false, pitchWithRotate: false, maxZoom: 17, ...options,
    locale: { "NavigationControl.ZoomIn": t("map.zoom_in"), "NavigationControl.ZoomOut": t("map.zoom_out"), "Map.Title": element.getAttribute("aria-label") ?? "" } });
  map.touchZoomRotate.disableRotation();
  map.addControl(new NavigationControl({ showCompass: false }));
  map.addControl(new ScaleControl({ unit: "metric" }));
  element.append(note);
  element.map = map; // for whoever looks at the page from outside
  const again = () => map.setStyle(style());
  // A style loads in its own time; what was put on the map meanwhile found no source.
  map.on("style.load", () => {
    for (const [name, { data }] of Object.entries(overlay(colours()).sources)) map.getSource(name)?.setData(data);
  });
  const system = matchMedia("(prefers-color-scheme: dark)");
  map.on("error", ({ sourceId }) => {
    if (sourceId !== SITE || site === null) return;
    site = null;
    tell(t("map.fallback", { why: t("map.piece") }));
    again();
  });
  document.addEventListener("look", again);
  system.addEventListener("change", again);
  map.on("remove", () => {
    document.removeEventListener("look", again);
    system.removeEventListener("change", again);
  });
  return map;
}

export const feature = (type, coordinates, properties) => ({ type: "Feature", geometry: { type, coordinates }, properties });
export const collection = (features) => ({ type: "FeatureCollection", features });

// A circle on the ground as a ring of points.
export function circle({ latitude, longitude }, radius_m) {
  const north = radius_m / 111_320;
  const east = north / Math.max(0.01, Math.cos(latitude * Math.PI / 180));
  return Array.from({ length: 65 }, (_, n) => {
    const angle = n * Math.PI / 32;
    return [longitude + east * Math.cos(angle), latitude + north * Math.sin(angle)];
  });
}
