// One vehicle on a map: its track, where it was last, and how sure that is.

import { circle, collection, feature, makeMap } from "./basemap.js";

// What is shown: {position: {latitude, longitude, accuracy_m}, track: [{latitude, longitude}]}.
function shapes({ position, track }) {
  const features = [];
  const line = track.map((one) => [one.longitude, one.latitude]);
  const add = (type, coordinates, kind) => features.push(feature(type, coordinates, { kind }));
  if (line.length > 1) add("LineString", line, "track");
  for (const one of line.slice(0, -1)) add("Point", one, "past");
  if (position) {
    if (position.accuracy_m) add("Polygon", [circle(position, position.accuracy_m)], "accuracy");
    add("Point", [position.longitude, position.latitude], "here");
  }
  return collection(features);
}

const overlay = (shown) => (c) => {
  const layer = (kind, type, paint) => ({ id: kind, type, source: "shown", filter: ["==", ["get", "kind"], kind], paint });
  return {
    sources: { shown: { type: "geojson", data: shapes(shown()) } },
    layers: [
      layer("accuracy", "fill", { "fill-color": c.mark, "fill-opacity": 0.18, "fill-outline-color": c.mark }),
      layer("track", "line", { "line-color": c.track, "line-width": 3 }),
      layer("past", "circle", { "circle-radius": 3, "circle-color": c.track }),
      layer("here", "circle", { "circle-radius": 7, "circle-color": c.mark, "circle-stroke-width": 2, "circle-stroke-color": c.land }),
    ],
  };
};

// Draws into an element. Gives {map, show(shown), remove()}; without WebGL nothing is drawn, the numbers stand beside it.
export async function draw(element, first) {
  let shown = first;
  const { position } = first;
  const map = await makeMap(element, overlay(() => shown),
    position ? { center: [position.longitude, position.latitude], zoom: 5.2 } : { center: [5, 51], zoom: 3 });
  return {
    map,
    show(next) {
      shown = next;
      map.getSource("shown")?.setData(shapes(next));
    },
    remove: () => map.remove(),
  };
}
