// The page: sign in, load what is not closed, then follow the feed.

import { call, Feed, Refused } from "./feed.js";
import { AlarmList } from "./list.js";
import { causeWords } from "./words.js";

const $ = (id) => document.getElementById(id);
const SOC = new URLSearchParams(location.search).get("soc") ?? "default";

let token = null;
let feed = null;
const list = new AlarmList($("alarms"), $("row"), {
  acknowledge: (alarm) => act(alarm, "acknowledge", {}),
  close: (alarm, disposition, note) => act(alarm, "close", note ? { disposition, note } : { disposition }),
});

async function act(alarm, what, body) {
  const headers = { "Content-Type": "application/json" };
  const path = `/api/v1/alarms/${encodeURIComponent(alarm.alarm_id)}/${what}`;
  try {
    const answer = await call(token, path, { method: "POST", headers, body: JSON.stringify(body) });
    return await answer.json();
  } catch (error) {
    if (error instanceof Refused) throw error;
    throw new Error(`Not known whether the alarm could be ${what}d: the gateway did not answer. Try again.`);
  } finally {
    queueMicrotask(count);
  }
}

// -- the feed ----------------------------------------------------------------------------------------------

function start(secret) {
  token = secret;
  sessionStorage.setItem("token", token);
  $("sign-in").hidden = true;
  $("board").hidden = $("sign-out").hidden = false;
  fault("");
  link("wait", "Loading …");
  feed = new Feed(token, SOC, { link, message, fault, refused });
  let loaded = false;
  feed.run(async () => {
    // The stream stands before the list is read: what happens meanwhile waits in it.
    if (!loaded) await load();
    loaded = true;
  });
}

async function load() {
  list.clear();
  for (const state of ["open", "acknowledged"]) {
    for (let after = 0; after !== null; ) {
      const query = new URLSearchParams({ state, soc: SOC, after, limit: 500 });
      const page = await (await call(token, `/api/v1/alarms?${query}`)).json();
      for (const alarm of page.items) list.put(alarm);
      after = page.next_after;
    }
  }
  count();
}

function message(event) {
  const isNew = list.put(event.data);
  const { severity, state, cause, vin } = event.data;
  if (isNew && severity === "critical" && state === "open") {
    $("spoken").textContent = `Critical: ${causeWords(cause)}, ${vin ?? "gateway"}`;
  }
  count();
}

function link(state, text) {
  $("link").dataset.state = state;
  $("link-text").textContent = text;
}

function fault(text) {
  $("fault").textContent = text;
  $("fault").hidden = !text;
}

function refused(error) {
  if (error.status === 410) {
    link("lost", "Stopped");
    fault(`${error.message} Reload the page to begin again.`);
    return;
  }
  signOut();
  fault(error.message);
}

// -- what is shown -----------------------------------------------------------------------------------------

function count() {
  const counts = list.counts();
  for (const name of ["critical", "open", "acknowledged"]) $(`total-${name}`).textContent = counts[name];
  document.title = counts.open ? `(${counts.open}) Alarms` : "Alarms";
  $("empty").hidden = counts.shown > 0;
  $("empty").textContent = list.show === "critical" ? "No critical alarm." : "No alarm. The page follows the feed.";
}

for (const button of document.querySelectorAll("[data-show]")) {
  button.addEventListener("click", () => {
    for (const one of document.querySelectorAll("[data-show]")) one.setAttribute("aria-pressed", String(one === button));
    list.filter(button.dataset.show);
    count();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" || document.activeElement !== document.body) return;
  event.preventDefault();
  document.querySelector(".alarm:not([hidden]) .head")?.focus();
});

setInterval(() => list.tick(Date.now()), 1000);

// -- signing in --------------------------------------------------------------------------------------------

function signOut() {
  feed?.stop();
  sessionStorage.removeItem("token");
  list.clear();
  link("off", "Not connected");
  $("sign-in").hidden = false;
  $("board").hidden = $("sign-out").hidden = true;
  $("token").value = "";
  $("token").focus();
  fault("");
}

$("sign-out").addEventListener("click", signOut);
$("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  start($("token").value.trim());
});

const given = new URLSearchParams(location.hash.slice(1)).get("token");
// The token must not stay in the address bar, the history or a screenshot.
if (given) history.replaceState(null, "", location.pathname + location.search);
const secret = given ?? sessionStorage.getItem("token");
if (secret) start(secret);
else signOut();
