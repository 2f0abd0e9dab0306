// What could not be read, as text and nothing but text.

import { h } from "./dom.js";
import { listing } from "./listing.js";
import { moment, t } from "./words.js";

export function show(context) {
  const list = listing(t("nav.quarantine"), () => "/quarantine", [
    { name: t("quarantine.topic"), className: "mono", cell: (one) => one.topic },
    { name: t("quarantine.reason"), cell: (one) => one.reason },
    { name: t("quarantine.count"), cell: (one) => String(one.count) },
    { name: t("quarantine.last"), cell: (one) => (one.last_at ? moment(one.last_at) : "") },
    { name: t("quarantine.payload"), cell: (one) => h("pre", { tabindex: "0" }, one.payload) },
  ], t("quarantine.none"));
  context.root.append(h("div.page", h("h1", t("nav.quarantine")), list.element));
}
