// A case's evidence as a file. Fetched from here, so that a refusal is told on the page and not saved as a file.

import { ask, field, h } from "./dom.js";
import { call } from "./http.js";
import { t } from "./words.js";

const KEEP_MS = 60_000; // the browser reads what it saves some time after the click

// `format`: "html", a page to print, or "json". The track of a closed case is only given for a reason.
export async function saveEvidence({ case_id: id, state }, format) {
  const query = new URLSearchParams({ format });
  if (state === "closed") {
    const answer = await ask(t("evidence.title"), [field("reason", t("evidence.reason"), h("input", { minlength: 3, maxlength: 500 }))],
      { confirm: t("evidence.save"), cancel: t("word.cancel") });
    if (answer === null) return;
    if (answer.reason) query.set("reason", answer.reason);
  }
  const file = await (await call(`/api/v1/cases/${encodeURIComponent(id)}/export?${query}`)).blob();
  const url = URL.createObjectURL(file);
  h("a", { href: url, download: `case-${id}.${format}` }).click();
  setTimeout(() => URL.revokeObjectURL(url), KEEP_MS);
}
