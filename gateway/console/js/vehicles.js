// Vehicles by VIN: a look-up, and what is known of each in a line.

import { online } from "./alarm.js";
import { h } from "./dom.js";
import { bind } from "./keys.js";
import { listing } from "./listing.js";
import { ago, t, word } from "./words.js";

export function show(context) {
  const find = h("input", { type: "search", maxlength: 17, "aria-label": t("vehicle.find"), placeholder: t("vehicle.find"), spellcheck: "false" });
  const form = h("form.bar", find, h("button.main", { type: "submit" }, t("keys.open")));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (find.value.trim()) context.go(`vehicle/${find.value.trim().toUpperCase()}`);
  });
  const list = listing(t("nav.vehicles"), () => "/vehicles", [
    { name: t("vehicle.vin"), cell: (one) => h("a.mono", { href: `#vehicle/${one.vin}` }, one.vin) },
    { name: t("vehicle.connection"), cell: online },
    { name: t("vehicle.armed"), cell: (one) => (one.armed === null ? "" : t(one.armed ? "word.yes" : "word.no")) },
    { name: t("vehicle.heard"), cell: (one) => (one.heard_at ? ago(one.heard_at, context.now()) : t("word.not_known")) },
    { name: t("vehicle.service"), cell: (one) => word("service", one.service) },
    { name: t("vehicle.model"), cell: (one) => [one.model, one.country].filter(Boolean).join(", ") },
  ], t("list.none"));
  context.root.append(h("div.page", h("h1", t("nav.vehicles")), form, list.element));
  bind("/", "keys.find", () => find.focus());
}
