// The shell: session, feed, pages, keyboard. Pages are modules with show(context) -> leave().

import { Alarms, isOverdue, LIVE, OPEN_CASES } from "./alarms.js";
import { useSite } from "./basemap.js";
import { $, h, say } from "./dom.js";
import { Feed } from "./feed.js";
import { unread } from "./handover.js";
import { call, pages, Refused, whenLoggedOut } from "./http.js";
import { bind, leavePage, listen, showHelp } from "./keys.js";
import { bindLook } from "./look.js";
import { PAGES } from "./pages.js";
import * as sound from "./sound.js";
import { age, asks, causeWords, clock as clockOf, load, t } from "./words.js";

const IDLE_MS = 15 * 60_000;
const WARN_MS = 13 * 60_000;
const TELL_MS = 60_000; // somebody is there: told to the gateway at most so often
const SOUND_AGAIN_MS = 10_000;
const HANDOVERS_MS = 30_000;

const alarms = new Alarms();
const unseen = new Map(); // new critical items that nobody has looked at yet
// The gateway's clock: the desk's own may be wrong, and seconds count.
const clock = { ahead_ms: 0, now: () => Date.now() + clock.ahead_ms };
const context = { alarms, me: null, soc: "default", now: clock.now, go, fault };
let leave = () => {};
let turn = 0; // of the page that was asked for last
let feed = null;
let ended = false;

// -- pages ---------------------------------------------------------------------------------------------------

function go(hash) {
  location.hash = hash;
}

async function route() {
  if (ended) return;
  const mine = (turn += 1);
  const [name, ...rest] = location.hash.slice(1).split("/").filter(Boolean);
  const page = PAGES.find((one) => one.name === name && allowed(one)) ?? PAGES.find(allowed);
  leave();
  leavePage();
  fault("");
  for (const link of $("nav").querySelectorAll("a")) {
    if (link.dataset.page === (page.under ?? page.name)) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.body.dataset.page = page.name;
  $("page").replaceChildren();
  leave = () => {};
  try {
    const { show } = await page.load();
    if (mine !== turn || ended) return; // another page was asked for while this one's script was on its way
    leave = show({ ...context, root: $("page"), rest: rest.map(decodeURIComponent) }) ?? leave;
  } catch (error) {
    if (mine === turn) fault(error.message);
  }
  title();
}

const allowed = (page) => page.needs.every((one) => context.me.may.includes(one));

function nav() {
  for (const page of PAGES.filter((one) => allowed(one) && !one.under)) {
    $("nav").append(h("li", h("a", { href: `#${page.name}`, "data-page": page.name }, t(`nav.${page.name}`), h("span"))));
    if (page.key) bind(`g ${page.key}`, `nav.${page.name}`, () => go(page.name), "always");
  }
}

// -- the feed ------------------------------------------------------------------------------------------------

function follow() {
  let loaded = false;
  const changed = context.me.may.includes("GET /api/v1/cases") ? (found) => alarms.putCase(found) : null;
  const waiting = (found) => alarms.putWaiting(found);
  feed = new Feed(context.soc, { link, message, changed, waiting, fault: (text) => fault(text, true), refused });
  feed.run(async () => {
    // The stream stands before the list is read: what happens meanwhile waits in it.
    if (loaded) return;
    const soc = encodeURIComponent(context.soc);
    for (const state of [...LIVE, "suppressed"]) {
      await pages(`/alarms?state=${state}&soc=${soc}`, (items) => items.forEach((one) => alarms.put(one)));
    }
    for (const state of changed ? OPEN_CASES : []) {
      await pages(`/cases?state=${state}&soc=${soc}`, (items) => items.forEach((one) => alarms.putCase(one)));
    }
    loaded = true;
    alarms.tell(); // "live" is said of what is shown
  });
}

function message({ data }) {
  const item = alarms.put(data);
  if (item === null || data.severity !== "critical" || data.state !== "open") return;
  unseen.set(item.key, Date.now());
  say($("spoken"), t("shell.spoken", { cause: causeWords(data.cause), vin: data.vin ?? t("word.gateway") }));
  sound.alarm();
  newest();
}

function link(state, text) {
  $("link").dataset.state = state;
  say($("link-text"), text);
}

let stays = false;
function fault(text, keep = false) {
  if (!text && stays) return;
  stays = keep && Boolean(text);
  say($("fault"), text);
  $("fault").hidden = !text;
}

function refused(error) {
  if (error.status === 401) return;
  link("lost", t("link.stopped"));
  fault(error.status === 410 ? t("link.purged", { detail: error.message }) : error.message, true);
}

// -- what stands above every page ------------------------------------------------------------------------------

function total(name, count, text) {
  return h(`span.${name}`, { "data-count": String(count) }, h("b", String(count)), " ", text);
}

let shownTotals = "";
function totals() {
  const now = clock.now();
  const counts = { critical: 0, open: 0, mine: 0, overdue: 0 };
  let oldest = null;
  for (const item of alarms.items.values()) {
    if (item.done || item.suppressed) continue;
    if (item.who === context.me.person) counts.mine += 1;
    if (!item.open) continue;
    counts.open += 1;
    if (item.severity === "critical") counts.critical += 1;
    if (isOverdue(item, now)) counts.overdue += 1;
    if (item.severity !== "minor") oldest = Math.min(oldest ?? item.since, item.since);
  }
  const text = JSON.stringify([counts, oldest && age(oldest, now)]);
  if (text === shownTotals) return;
  shownTotals = text;
  $("totals").replaceChildren(
    total("critical", counts.critical, t("totals.critical")), total("open", counts.open, t("totals.open")),
    total("mine", counts.mine, t("totals.mine")),
    oldest === null ? "" : h("span", t("totals.oldest"), " ", h("b", age(oldest, now))),
    counts.overdue ? total("overdue", counts.overdue, t("totals.overdue")) : "");
  const badge = $("nav").querySelector('[data-page="queue"] span');
  if (badge) Object.assign(badge, { textContent: counts.critical || "", className: counts.critical ? "count" : "" });
  context.counts = counts;
  title();
}

function title() {
  const name = t(`nav.${document.body.dataset.page ?? "queue"}`);
  document.title = `${context.counts?.critical ? `(${context.counts.critical}) ` : ""}${name} · Vehicle Gateway`;
}

// A new critical alarm is told on whatever page the operator is, until it is looked at or taken.
function newest() {
  for (const key of [...unseen.keys()]) {
    const item = alarms.items.get(key);
    if (!item?.open || document.body.dataset.page === "queue") unseen.delete(key);
  }
  const [key] = unseen.keys();
  const item = alarms.items.get(key);
  $("newest").hidden = !item;
  if (!item) return;
  const more = unseen.size > 1 ? ` ${t("shell.more", { n: unseen.size - 1 })}` : "";
  say($("newest"), `${t("shell.newest", { cause: causeWords(item.lead.cause), vin: item.vin ?? t("word.gateway") })}${more}`);
}

// What another person asks a second one for is told on every page until it is done or too old.
let gone = 0;
const askedOfMe = () => alarms.waiting.filter((one) => one.asked_by !== context.me.person && Date.parse(one.until) > clock.now());

function asked() {
  const waiting = askedOfMe();
  $("asked").hidden = !waiting.length;
  if (!waiting.length) return;
  const [one] = waiting;
  const more = waiting.length > 1 ? ` ${t("shell.more", { n: waiting.length - 1 })}` : "";
  say($("asked-text"), `${t("asked.notice", { asks: asks(one), vin: one.vin, until: clockOf(one.until) })}${more}`);
}

// To one after the other.
function goToAsked() {
  const waiting = askedOfMe();
  if (!waiting.length) return;
  const one = waiting[gone++ % waiting.length];
  go(one.case_id && alarms.items.has(one.case_id) ? `alarm/${one.case_id}` : `vehicle/${one.vin}`);
}

function soundAgain() {
  const waiting = [...alarms.items.values()].some((item) => item.open && item.severity === "critical" && isOverdue(item, clock.now()));
  if (waiting) sound.alarm();
}

function showMute() {
  const muted = sound.isMuted();
  $("mute").setAttribute("aria-pressed", String(muted));
  say($("mute"), t(muted ? "sound.off" : sound.isAllowed() ? "sound.on" : "sound.blocked"));
}

// What the shift before has left stands above every page until it is acknowledged.
async function handovers() {
  if (ended || !context.me.may.includes("POST /api/v1/handovers")) return;
  try {
    const waiting = await unread(context.soc);
    $("handover").hidden = waiting.length === 0;
    if (waiting.length) say($("handover"), t("shell.handover", { n: waiting.length, who: [...new Set(waiting.map((one) => one.author))].join(", ") }));
  } catch {
    // The link says already that the gateway is not there.
  }
}

// -- whether somebody is there ---------------------------------------------------------------------------------

let doneAt = Date.now();
let toldAt = Date.now();
let warned = false;

function present() {
  doneAt = Date.now();
  sound.allow(showMute);
  if (warned) $("idle").hidden = true;
  if (doneAt - toldAt < TELL_MS && !warned) return;
  toldAt = doneAt;
  warned = false;
  who().catch(() => {});
}

async function who() {
  const asked = Date.now();
  const me = await (await call("/console/session")).json();
  clock.ahead_ms = Date.parse(me.now) - (asked + Date.now()) / 2;
  return me;
}

function watchIdle() {
  const left = IDLE_MS - (Date.now() - doneAt);
  if (Date.now() - doneAt < WARN_MS || ended) return;
  if (!warned) sound.chime();
  warned = true;
  $("idle").hidden = false;
  say($("idle"), t("shell.idle", { seconds: Math.max(0, Math.ceil(left / 1000)) }));
}

function loggedOut() {
  if (ended) return;
  ended = true;
  feed?.stop();
  leave();
  sound.chime();
  document.title = t("shell.logged_out");
  document.body.dataset.page = "ended";
  const enter = h("button.main", { type: "button", onclick: () => location.reload() }, t("login.enter"));
  $("page").replaceChildren(h("div.ended", h("h1", t("shell.logged_out")), h("p", t("shell.logged_out_more")), enter));
  $("totals").replaceChildren();
  $("newest").hidden = $("asked").hidden = $("idle").hidden = $("handover").hidden = true;
  link("lost", t("shell.logged_out"));
  enter.focus();
}

// -- start -----------------------------------------------------------------------------------------------------

whenLoggedOut(loggedOut);
await load();
bindLook();
try {
  context.me = await who();
} catch (error) {
  if (!(error instanceof Refused)) fault(t("link.unreachable"), true);
  throw error;
}
useSite(context.me.site_map);
context.soc = new URLSearchParams(location.search).get("soc") ?? context.soc;
nav();
bind("?", "keys.help", showHelp, "always");
if (context.me.may.includes("GET /api/v1/cases")) bind("s", "keys.asked", goToAsked, "always");
bind("m", "keys.mute", () => $("mute").click(), "always");
$("help").addEventListener("click", showHelp);
$("mute").addEventListener("click", () => {
  sound.mute(!sound.isMuted());
  showMute();
});
$("asked").addEventListener("click", goToAsked);
$("newest").addEventListener("click", () => {
  const [key] = unseen.keys();
  unseen.delete(key);
  newest();
  go(`alarm/${key}`);
});
$("log-out").addEventListener("click", async () => {
  await call("/console/session", { method: "DELETE" }).catch(() => {});
  location.reload();
});
for (const what of ["keydown", "pointerdown", "wheel", "pointermove"]) addEventListener(what, present, { passive: true });
listen();
showMute();
addEventListener("hashchange", route);
alarms.addEventListener("change", () => {
  totals();
  asked();
  newest();
});
setInterval(() => {
  totals();
  asked();
  watchIdle();
}, 1000);
setInterval(soundAgain, SOUND_AGAIN_MS);
setInterval(handovers, HANDOVERS_MS);
document.addEventListener("handover", handovers);
$("handover").addEventListener("click", () => go("handover"));
handovers();
if (context.me.may.includes("GET /api/v1/feed")) follow();
else link("off", t("link.none"));
totals();
await route();
