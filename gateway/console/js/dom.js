// Makes elements. Text is always text: nothing that a vehicle or a person wrote is ever read as markup.

// h("p.soft", {title}, "text", child, [children]); null and false are left out.
export function h(what, attributes, ...children) {
  const [name, ...classes] = what.split(".");
  const element = document.createElement(name || "div");
  if (classes.length) element.className = classes.join(" ");
  if (isPlain(attributes)) set(element, attributes);
  else children.unshift(attributes);
  element.append(...children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false).map(inert));
  return element;
}

// Marks that turn the direction of the letters after them would make a vehicle's text look like another: they are shown.
const TURNS = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

function inert(one) {
  return typeof one === "string" ? one.replaceAll(TURNS, (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`) : one;
}

function isPlain(value) {
  return value !== null && typeof value === "object" && !(value instanceof Node) && !Array.isArray(value);
}

export function set(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value === "boolean") element[name] = value;
    else if (name === "value" || name === "className") element[name] = value;
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value);
  }
  return element;
}

export const $ = (id) => document.getElementById(id);

// Shows a text only if it is another one: a live region must not speak again and again.
export function say(element, text) {
  const shown = inert(text);
  if (element.textContent !== shown) element.textContent = shown;
}

// A table with a caption for those who can't see it: columns [{name, cell(row)}].
export function table(caption, columns, rows) {
  return h("table", h("caption.unseen", caption),
    h("thead", h("tr", columns.map((one) => h("th", { scope: "col", className: one.className ?? "" }, one.name)))),
    h("tbody", rows.map((row) => h("tr", columns.map((one) => h("td", { className: one.className ?? "" }, one.cell(row)))))));
}

export function field(name, label, input) {
  input.id = `field-${name}`;
  input.name = name;
  return [h("label", { for: input.id }, label), input];
}

export function options(pairs, chosen) {
  return pairs.map(([value, text]) => h("option", { value, selected: value === chosen }, text));
}

// Asks in a dialog; resolves to the form's values, or null if it was cancelled.
export function ask(title, fields, { confirm, cancel, danger = false }) {
  const dialog = $("dialog");
  return new Promise((done) => {
    const form = h("form", { method: "dialog" }, fields, h("div.actions",
      h("button", { type: "button", onclick: () => dialog.close() }, cancel),
      h(danger ? "button.danger" : "button.main", { type: "submit" }, confirm)));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      dialog.close();
      done(Object.fromEntries(new FormData(form)));
    });
    // A browser tells of a close a frame later: by then the next question may stand there, and it is not cancelled.
    const closed = () => {
      if (dialog.open && form.isConnected) return;
      dialog.removeEventListener("close", closed);
      done(null);
    };
    dialog.addEventListener("close", closed);
    dialog.replaceChildren(h("h2", { id: "dialog-title" }, title), form);
    dialog.setAttribute("aria-labelledby", "dialog-title");
    dialog.showModal();
    form.querySelector("input, select, textarea")?.focus();
  });
}
