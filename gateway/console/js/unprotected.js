// Which cars are not protected tonight, and why: worst first.

import { h } from "./dom.js";
import { listing } from "./listing.js";
import { t, when, word } from "./words.js";

export function show(context) {
  const list = listing(t("unprotected.title"), () => "/unprotected", [
    { name: t("column.severity"), cell: (one) => h("span.badge", { className: `badge ${one.severity}` }, word("severity", one.severity)) },
    { name: t("vehicle.vin"), cell: (one) => h("a.mono", { href: `#vehicle/${one.vin}` }, one.vin) },
    { name: t("unprotected.reasons"), cell: (one) => h("ul", one.reasons.map((why) => h("li", why.text, why.detail ? h("span.soft", ` (${why.detail})`) : null,
      why.until_at ? h("span.soft", ` ${t("unprotected.until").toLowerCase()} ${when(why.until_at)}`) : null))) },
    { name: t("vehicle.service"), cell: (one) => word("service", one.service) },
    { name: t("vehicle.model"), cell: (one) => [one.model, one.country].filter(Boolean).join(", ") },
  ], t("unprotected.none"));
  context.root.append(h("div.page", h("h1", t("unprotected.title")), list.element));
}
