// The keyboard: one list of what each key does, shown with "?".

import { $, h } from "./dom.js";
import { t } from "./words.js";

const keys = new Map(); // key -> {what, act, scope}
let first = null; // the first of two keys, as in "g q"
let forget = 0;

// scope "page" goes when the page changes.
export function bind(key, what, act, scope = "page") {
  keys.set(key, { what, act, scope });
}

export function leavePage() {
  for (const [key, { scope }] of keys) if (scope === "page") keys.delete(key);
}

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || $("dialog").open) return;
    const { target } = event;
    const typing = target.matches("input, select, textarea");
    if (typing && event.key !== "Escape") return;
    if (typing) target.blur();
    // Buttons and links keep their own keys.
    if (target.matches("button, a, summary") && [" ", "Enter"].includes(event.key)) return;
    const whole = first === null ? event.key : `${first} ${event.key}`;
    first = null;
    if ([...keys.keys()].some((key) => key.startsWith(`${whole} `))) {
      first = whole;
      clearTimeout(forget);
      forget = setTimeout(() => { first = null; }, 1500);
      event.preventDefault();
      return;
    }
    const found = keys.get(whole);
    if (!found) return;
    event.preventDefault();
    found.act(event);
  });
}

const NAMES = { ArrowDown: "↓", ArrowUp: "↑", Enter: "Enter", Escape: "Esc", " ": "␣" };

export function showHelp() {
  const dialog = $("dialog");
  const rows = [...keys].map(([key, { what }]) => [
    h("span", key.split(" ").map((one) => [h("kbd", NAMES[one] ?? one), " "])), h("span", t(what))]);
  dialog.replaceChildren(h("h2", { id: "dialog-title" }, t("keys.title")), h("div.keys", rows),
    h("div.actions", h("button.main", { type: "button", onclick: () => dialog.close() }, t("word.close"))));
  dialog.setAttribute("aria-labelledby", "dialog-title");
  dialog.showModal();
}
