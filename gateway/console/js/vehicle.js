// One vehicle: what is known, how old that is, and where it is if somebody may know.

import { online } from "./alarm.js";
import { ask, field, h, table } from "./dom.js";
import { pages, read, send } from "./http.js";
import { bind } from "./keys.js";
import { draw } from "./map.js";
import { accuracy, ago, causeWords, evidenceWords, moment, number, place, t, when, word } from "./words.js";

const AT = "Vehicle.CurrentLocation.";
const AGAIN_MS = 30_000; // each look stands in the audit trail
const AGE_MS = 5000;
const CLOSED_SHOWN = 10;

export function show(context) {
  const [vin] = context.rest;
  const root = h("div.page.vehicle");
  const canvas = h("div.map", { role: "region", "aria-label": t("map.label"), hidden: true });
  const state = { reason: null, map: null, left: false, drawn: false, found: null, closed: [], testing: false, tested: null, wrong: "" };
  const mayTest = context.me.may.includes("POST /api/v1/vehicles/{vin}/test-alarm");
  context.root.append(root);

  async function look(background = true) {
    try {
      const reason = state.reason ? `?reason=${encodeURIComponent(state.reason)}` : "";
      const found = await read(`/vehicles/${encodeURIComponent(vin)}${reason}`, { background });
      if (!state.left) fill(found);
    } catch (error) {
      if (!state.left && !state.drawn) root.replaceChildren(h("p.wrong", { role: "alert" }, error.message));
    }
  }

  function fill(found) {
    state.found = found;
    // What a hand is in, or what is being copied, stays as it is.
    if (state.drawn && (root.contains(document.activeElement) || !getSelection().isCollapsed)) return;
    state.drawn = true;
    root.replaceChildren(
      h("p.line", h("a.back", { href: "#vehicles" }, `← ${t("nav.vehicles")}`)),
      h("div.bar", h("h1.mono", found.vin), mayTest ? h("button", { type: "button", "aria-keyshortcuts": "t", disabled: state.testing, onclick: test },
        t("vehicle.test"), " ", h("kbd", "t")) : null),
      state.tested ? tested(state.tested) : h("p.wrong", { role: "alert" }, state.wrong),
      h("div.cards", facts(found), where(found), alarms(found), modes(found), cards(found), services(found)), signals(found));
    map(found);
  }

  // The way from the vehicle's statements to the SOC's confirmation, for whoever has just fitted the unit.
  async function test() {
    Object.assign(state, { testing: true, wrong: "", tested: null });
    redraw();
    try {
      state.tested = (await send("POST", `/vehicles/${encodeURIComponent(vin)}/test-alarm`)).body;
    } catch (error) {
      state.wrong = error.message;
    }
    state.testing = false;
    redraw();
  }

  function redraw() {
    if (state.left || !state.found) return;
    state.drawn = false;
    fill(state.found);
  }

  function tested(found) {
    const good = found.sinks.length > 0 && found.sinks.every((one) => one.outcome === "delivered");
    return h("section.card.tested", { role: "status" },
      h("h2", t(good ? "vehicle.test_good" : "vehicle.test_bad"), " ", h("span.soft", when(found.at))),
      h("p", found.heard_at ? t("vehicle.test_heard", { ago: ago(found.heard_at, context.now()) }) : t("vehicle.test_silent")),
      h("p", found.sensors.length ? t("vehicle.test_sensors", { names: found.sensors.map((one) => `${causeWords(one.cause)} (${when(one.at)})`).join(", ") }) : t("vehicle.test_no_sensor")),
      found.sinks.length ? table(t("vehicle.test"), [
        { name: t("deliveries.sink"), cell: (one) => `${one.sink} (${word("sink", one.role)})` },
        { name: t("deliveries.state"), cell: (one) => h("span.badge", { className: `badge ${one.outcome === "delivered" ? "good" : "critical"}` }, word("tested", one.outcome)) },
        { name: t("vehicle.test_took"), cell: (one) => `${one.took_ms} ms` },
        { name: t("deliveries.error"), cell: (one) => one.reason ?? "" }], found.sinks) : h("p.wrong", t("vehicle.test_no_sink")));
  }

  // The newest that are closed, read once: the page is about what is open.
  async function past() {
    try {
      await pages(`/alarms?state=closed&vin=${encodeURIComponent(vin)}`, (items) => {
        state.closed = [...state.closed, ...items].slice(-CLOSED_SHOWN);
      });
      redraw();
    } catch {
      // A role that may not read them sees those that are open.
    }
  }

  function facts(found) {
    const pairs = [
      [t("vehicle.connection"), connection(found)],
      [t("vehicle.heard"), found.heard_at ? `${ago(found.heard_at, context.now())}, ${moment(found.heard_at)}` : t("word.not_known")],
      [t("vehicle.arming"), found.arming ? word("arming", found.arming) : t("word.not_known")],
      [t("vehicle.stolen"), yes(found.stolen)],
      [t("vehicle.private"), yes(found.private_mode)],
      [t("vehicle.remote"), yes(found.remote_access_enabled)],
      [t("vehicle.bundle"), bundle(found.data_bundle.whole ?? found.data_bundle)],
      [t("vehicle.service"), word("service", found.service) + (found.registered ? "" : `, ${t("queue.unregistered")}`)],
      [t("vehicle.model"), [found.model, found.country].filter(Boolean).join(", ")],
    ].filter(([, text]) => text);
    return h("section.card", h("h2", t("vehicle.state")), h("dl", pairs.map(([name, text]) => [h("dt", name), h("dd", text)])));
  }

  const yes = (known) => t(known === null ? "word.not_known" : known ? "word.yes" : "word.no");

  function connection(found) {
    const way = found.online && found.connection
      ? [found.connection.bearer, found.connection.source && word("source", found.connection.source), found.connection.roaming && t("vehicle.roaming")] : [];
    const why = found.why_offline_evidence && evidenceWords({ text: found.why_offline_evidence, said: found.why_offline_said });
    return [[online(found), ...way].filter(Boolean).join(", "), why].filter(Boolean).join(". ");
  }

  function bundle(one) {
    const used = one.total_mb ? t("vehicle.used", { used: number(one.used_mb), total: number(one.total_mb) }) : null;
    return [word("bundle", one.state), used, one.valid_until && `${t("unprotected.until").toLowerCase()} ${when(one.valid_until)}`].filter(Boolean).join(", ");
  }

  function cards(found) {
    const row = (one) => [t(one.present ? "vehicle.present" : "vehicle.absent"), ago(one.since, context.now()), one.battery === "low" && t("vehicle.card_low"),
      !one.counts && t("vehicle.card_other"), one.flaps > 0 && t("vehicle.card_flaps", { n: one.flaps })].filter(Boolean).join(", ");
    const known = found.driver_card?.cards ?? [];
    return h("section.card", h("h2", t("vehicle.card")), known.length
      ? h("ul", known.map((one) => h("li", h("b.mono", one.card_id), ` ${row(one)}`)))
      : h("p.soft", t(found.driver_card ? "vehicle.absent" : "vehicle.no_alarms")));
  }

  function services(found) {
    return h("section.card", h("h2", t("vehicle.services")), table(t("vehicle.services"), [
      { name: t("vehicle.service"), cell: ([name]) => word("services", name) },
      { name: t("vehicle.state"), cell: ([, one]) => (one.active ? t("vehicle.active") : word("unavailable", one.cause)) },
      { name: t("unprotected.until"), cell: ([, one]) => (one.until ? when(one.until) : "") },
    ], Object.entries(found.services)));
  }

  function position(found) {
    const value = (name) => found.signals[AT + name];
    const [latitude, longitude] = [value("Latitude"), value("Longitude")];
    if (!latitude || !longitude) return null;
    return { latitude: latitude.value, longitude: longitude.value, accuracy_m: value("HorizontalAccuracy")?.value ?? null, at: latitude.at };
  }

  function where(found) {
    const here = position(found);
    const sealed = found.position_shown === "no";
    return h("section.card", h("h2", t("column.place")),
      sealed ? [h("p.soft", t("vehicle.sealed")), found.private_mode ? null : h("button", { type: "button", onclick: unseal }, t("vehicle.break"))]
        : [h("p.small.soft", t("vehicle.shown_for", { why: word("shown", found.position_shown) })), canvas,
          here ? h("p", h("b.mono", place(here)), " ", accuracy(here), " ", h("span.soft", t("queue.seen", { at: when(here.at) }))) : h("p", t("word.no_position"))]);
  }

  async function unseal() {
    const answer = await ask(t("vehicle.break"), [h("p", t("vehicle.break_why")),
      field("reason", t("vehicle.reason"), h("input", { minlength: 3, maxlength: 500, required: true }))],
    { confirm: t("vehicle.break"), cancel: t("word.cancel"), danger: true });
    if (!answer) return;
    // Sealed again as soon as this page is left; asked for once, not with each look.
    clearInterval(timer);
    state.reason = answer.reason;
    state.drawn = false;
    await look(false);
    state.reason = null;
  }

  async function map(found) {
    const here = found.position_shown === "no" ? null : position(found);
    canvas.hidden = !here;
    if (!here) return;
    const shown = { position: here, track: [] };
    if (state.map) state.map.show(shown);
    else if (!state.drawing) {
      state.drawing = true;
      const drawn = await draw(canvas, shown).catch(() => null);
      if (drawn && state.left) drawn.remove();
      else state.map = drawn;
      canvas.hidden = !drawn;
    }
  }

  function alarms(found) {
    const row = (one, to, how, at) => h("li", h("a", { href: `#alarm/${to}` }, causeWords(one.cause)), " ", h("span.soft", `${how}, ${ago(at, context.now())}`));
    return h("section.card", h("h2", t("vehicle.alarms")), found.alarms.length
      ? h("ul", found.alarms.map((one) => row(one, one.severity !== "minor" && found.case_id ? found.case_id : one.alarm_id, word("state", one.state), one.raised_at)))
      : h("p.soft", t("vehicle.no_alarms")),
    state.closed.length ? [h("h2", t("vehicle.closed")), h("ul", state.closed.toReversed().map((one) =>
      row(one, one.case_id ?? one.alarm_id, one.disposition ? word("disposition", one.disposition) : word("state", one.state), one.raised_at)))] : null);
  }

  function modes(found) {
    return h("section.card", h("h2", t("vehicle.modes")), found.modes.length
      ? h("ul", found.modes.map((one) => h("li", t("fact.mode", { mode: word("mode", one.mode), until: one.ends_at ? when(one.ends_at) : "?", who: one.set_by })))) : h("p.soft", t("vehicle.no_alarms")));
  }

  function signals(found) {
    const names = Object.keys(found.signals).sort();
    const short = (name) => name.replace(/^Vehicle\./, "");
    return h("section.card", h("h2", t("vehicle.signals")), names.length ? table(t("vehicle.signals"), [
      { name: t("vehicle.signal"), className: "mono", cell: short },
      { name: t("vehicle.value"), cell: (name) => String(found.signals[name].value) },
      { name: t("vehicle.age"), cell: (name) => ago(found.signals[name].at, context.now()) },
    ], names) : h("p.soft", t("vehicle.no_signals")));
  }

  bind("Escape", "keys.back", () => history.back());
  if (mayTest) bind("t", "vehicle.test", () => state.testing || test());
  look(false);
  past();
  const timer = setInterval(() => {
    if (!document.getElementById("dialog").open) look();
  }, AGAIN_MS);
  const ages = setInterval(() => state.found && fill(state.found), AGE_MS);
  return () => {
    state.left = true;
    clearInterval(timer);
    clearInterval(ages);
    state.map?.remove();
  };
}
