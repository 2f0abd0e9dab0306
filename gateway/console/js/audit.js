// The audit trail, oldest first.

import { h } from "./dom.js";
import { listing } from "./listing.js";
import { moment, t } from "./words.js";

export function show(context) {
  const list = listing(t("nav.audit"), () => "/audit", [
    { name: "#", cell: (one) => String(one.n) },
    { name: t("audit.at"), cell: (one) => moment(one.at) },
    { name: t("audit.actor"), cell: (one) => one.actor },
    { name: t("audit.action"), cell: (one) => one.action },
    { name: t("audit.subject"), className: "mono", cell: (one) => one.subject },
    { name: t("audit.details"), className: "details", cell: (one) => Object.entries(one.details).map(([name, value]) => `${name}: ${value}`).join(", ") },
  ], t("list.none"));
  context.root.append(h("div.page", h("h1", t("nav.audit")), list.element));
}
