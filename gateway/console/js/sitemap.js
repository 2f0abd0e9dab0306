// The site's own map: a .pmtiles file of vector tiles, read from the gateway a piece at a time. Of the two usual sets of
// layers (Protomaps, OpenMapTiles) what an operator needs is drawn; of any other set, its lines.

import { call } from "./http.js";

export const SITE = "site";
const MAIN = ["highway", "major_road", "motorway", "trunk", "primary", "secondary"];

let opened = null;

// Gives {names, attribution}: the layers it has, and whose data it is. A failure is tried again by the next map.
export function openSite(addProtocol) {
  opened ??= open(addProtocol).catch((error) => {
    opened = null;
    throw error;
  });
  return opened;
}

async function open(addProtocol) {
  const { PMTiles, Protocol, EtagMismatch } = await library();
  const archive = new PMTiles({
    getKey: () => SITE,
    async getBytes(offset, length, signal, etag) {
      const headers = { Range: `bytes=${offset}-${offset + length - 1}` };
      const answer = await call("/api/v1/site-map", { headers, signal, background: true });
      const found = answer.headers.get("ETag");
      if (etag && found !== etag) throw new EtagMismatch(found);
      return { data: await answer.arrayBuffer(), etag: found };
    },
  });
  await archive.getHeader();
  const about = await archive.getMetadata();
  const protocol = new Protocol();
  protocol.add(archive);
  addProtocol("pmtiles", protocol.tile);
  return { names: (about.vector_layers ?? []).map((one) => one.id), attribution: plain(about.attribution ?? "") };
}

// It comes as a script that leaves one global behind.
function library() {
  return new Promise((done, failed) => {
    if (self.pmtiles) done(self.pmtiles);
    const script = document.createElement("script");
    Object.assign(script, { src: "/console/vendor/pmtiles.js", onload: () => done(self.pmtiles), onerror: () => failed(new Error("pmtiles.js")) });
    document.head.append(script);
  });
}

// Attributions are written as markup; here they are text.
const plain = (markup) => new DOMParser().parseFromString(markup, "text/html").body.textContent;

const KNOWN = {
  earth: (id, c) => fill(id, c.land),
  water: (id, c) => fill(id, c.sea),
  waterway: (id, c) => line(id, c.sea, 1),
  building: (id, c) => fill(id, c.building, 13),
  buildings: (id, c) => fill(id, c.building, 13),
  transportation: roads,
  roads,
  boundary: borders,
  boundaries: borders,
  place: places,
  places,
};

export function siteLayers(names, c) {
  const known = Object.keys(KNOWN).filter((name) => names.includes(name));
  if (known.length) return known.map((name) => KNOWN[name](name, c));
  return names.map((name) => line(name, c.main, 1));
}

const layer = (id, type, more) => ({ id: `${SITE}-${id}`, type, source: SITE, "source-layer": id, ...more });
const only = (kind) => ["==", ["geometry-type"], kind];
const fill = (id, colour, minzoom = 0) => layer(id, "fill", { minzoom, filter: only("Polygon"), paint: { "fill-color": colour } });
const line = (id, colour, width) => layer(id, "line", { paint: { "line-color": colour, "line-width": width } });

function roads(id, c) {
  const main = ["in", ["coalesce", ["get", "kind"], ["get", "class"], ""], ["literal", MAIN]];
  return layer(id, "line", { filter: only("LineString"), layout: { "line-cap": "round", "line-join": "round" }, paint: {
    "line-color": ["case", main, c.main, c.road],
    "line-width": ["interpolate", ["exponential", 1.6], ["zoom"], 5, ["case", main, 0.8, 0.3], 17, ["case", main, 14, 7]] } });
}

function borders(id, c) {
  return layer(id, "line", { filter: only("LineString"), paint: { "line-color": c.border, "line-width": 1, "line-dasharray": [3, 2] } });
}

function places(id, c) {
  const name = ["coalesce", ["get", `name:${document.documentElement.lang}`], ["get", "name"], ""];
  return layer(id, "symbol", { filter: only("Point"), layout: { "text-field": name, "text-font": ["sans-serif"], "text-size": 13, "text-padding": 8 },
    paint: { "text-color": c.ink, "text-halo-color": c.land, "text-halo-width": 1.5 } });
}
