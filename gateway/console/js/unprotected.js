// Which cars are not protected tonight, and why: worst first.

import { h } from "./dom.js";
import { listing } from "./listing.js";
import { t, when, word } from "./words.js";

const WHAT = { no_service: "unavailable", special_mode: "mode", driver_card_deactivated: "mode" }; // reasons whose detail is one of a set

export function show(context) {
  const list = listing(t("unprotected.title"), () => "/unprotected", [
    { name: t("column.severity"), cell: (one) => h("span.badge", { className: `badge ${one.severity}` }, word("severity", one.severity)) },
    { name: t("vehicle.vin"), cell: (one) => h("a.mono", { href: `#vehicle/${one.vin}` }, one.vin) },
    { name: t("unprotected.reasons"), cell: (one) => h("ul", one.reasons.map((why) => h("li", word("unprotected_for", why.code), " ", h("span.soft", more(why))))) },
    { name: t("vehicle.service"), cell: (one) => word("service", one.service) },
    { name: t("vehicle.model"), cell: (one) => [one.model, one.country].filter(Boolean).join(", ") },
  ], t("unprotected.none"));
  context.root.append(h("div.page", h("h1", t("unprotected.title")), list.element));
}

// Which mode or obstacle it is, and from when until when. How a silence is explained stands on the vehicle's own page.
function more({ code, detail, from_at: from, until_at: until }) {
  const what = WHAT[code] && detail ? `(${word(WHAT[code], detail)})` : "";
  return [what, from ? `${t("unprotected.since").toLowerCase()} ${when(from)}` : "", until ? `${t("unprotected.until").toLowerCase()} ${when(until)}` : ""].filter(Boolean).join(" ");
}
