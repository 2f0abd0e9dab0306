// A list of any length: only the rows that are seen are elements. Rows have one height, measured once.

import { h } from "./dom.js";

const SPARE = 8;

export class VirtualList {
  // make() -> {element, fill(item, index)}; rows are reused, never made anew while scrolling.
  constructor(label, make) {
    Object.assign(this, { make, items: [], rows: [], chosen: null, keyOf: (item) => item.key });
    this.space = h("div.space", { role: "presentation" });
    this.element = h("div.list", { role: "listbox", tabindex: "0", "aria-label": label }, this.space);
    this.element.addEventListener("scroll", () => this.draw(), { passive: true });
    this.sizes = new ResizeObserver(() => {
      this.height = 0;
      this.draw();
    });
    this.sizes.observe(this.element);
  }

  show(items) {
    this.items = items;
    this.places = null;
    this.draw();
  }

  // Place of the chosen item, -1 if it is not in the list.
  get index() {
    if (this.chosen === null) return -1;
    this.places ??= new Map(this.items.map((item, place) => [this.keyOf(item), place]));
    return this.places.get(this.chosen) ?? -1;
  }

  get item() {
    return this.items[this.index] ?? null;
  }

  choose(index) {
    if (!this.items.length) return;
    const place = Math.max(0, Math.min(this.items.length - 1, index));
    this.chosen = this.keyOf(this.items[place]);
    const top = place * this.#height();
    const { scrollTop, clientHeight } = this.element;
    if (top < scrollTop) this.element.scrollTop = top;
    else if (top + this.height > scrollTop + clientHeight) this.element.scrollTop = top + this.height - clientHeight;
    this.draw();
  }

  draw() {
    const height = this.#height();
    if (!height) return;
    const first = Math.max(0, Math.floor(this.element.scrollTop / height) - SPARE);
    const seen = Math.ceil(this.element.clientHeight / height) + 2 * SPARE;
    const count = Math.max(0, Math.min(seen, this.items.length - first));
    this.space.style.height = `${this.items.length * height}px`;
    while (this.rows.length < count) this.#add();
    let active = null;
    for (const [place, row] of this.rows.entries()) {
      // A row keeps its item's place in the list modulo the number of rows: scrolling fills few of them anew.
      const index = first + ((place - first) % this.rows.length + this.rows.length) % this.rows.length;
      const used = index < first + count;
      row.element.hidden = !used;
      if (!used) continue;
      row.element.style.transform = `translateY(${index * height}px)`;
      const item = this.items[index];
      const chosen = this.keyOf(item) === this.chosen;
      row.key = this.keyOf(item);
      row.fill(item, index);
      row.element.setAttribute("aria-selected", String(chosen));
      row.element.setAttribute("aria-posinset", String(index + 1));
      row.element.setAttribute("aria-setsize", String(this.items.length));
      if (chosen) active = row.element.id;
    }
    if (active) this.element.setAttribute("aria-activedescendant", active);
    else this.element.removeAttribute("aria-activedescendant");
  }

  #add() {
    const row = this.make();
    row.element.id = `row-${this.rows.length}`;
    row.element.setAttribute("role", "option");
    row.element.addEventListener("pointerdown", () => {
      this.chosen = row.key;
      this.draw();
    });
    this.rows.push(row);
    this.space.append(row.element);
  }

  #height() {
    if (!this.height) {
      if (!this.rows.length) this.#add();
      const { element } = this.rows[0];
      const { hidden } = element;
      element.hidden = false;
      this.height = element.offsetHeight;
      element.hidden = hidden;
    }
    return this.height;
  }
}
