// A page that is one table, read a page at a time.

import { h, say, table } from "./dom.js";
import { read } from "./http.js";
import { t } from "./words.js";

const AT_ONCE = 200;

// path(): what to read, without after and limit. columns: see dom.table. Gives {element, reload()}.
export function listing(caption, path, columns, none) {
  const body = h("div.rows");
  const wrong = h("p.wrong", { role: "alert" });
  const more = h("button", { type: "button", hidden: true, onclick: () => next() }, t("list.more"));
  let rows = [];
  let after = null;
  let asked = 0;

  async function next(fresh = false) {
    const mine = (asked += 1);
    const query = `${path().includes("?") ? "&" : "?"}limit=${AT_ONCE}${fresh || after === null ? "" : `&after=${encodeURIComponent(after)}`}`;
    try {
      const page = await read(path() + query);
      if (mine !== asked) return;
      rows = fresh ? page.items : [...rows, ...page.items];
      after = page.next_after;
      say(wrong, "");
    } catch (error) {
      say(wrong, error.message);
      return;
    }
    more.hidden = after === null;
    body.replaceChildren(rows.length ? table(caption, columns, rows) : h("p.empty", none));
  }

  next(true);
  return { element: h("div.listing", wrong, body, more), reload: () => next(true) };
}
