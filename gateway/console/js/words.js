// Words, times and numbers in the page's language.

const language = document.documentElement.lang;
const OWN = "en"; // the language of the gateway's own sentences
const SETS = { cause: "cause", zone: "zone", mode: "mode", unit: "unit", disposition: "disposition", state: "doing" }; // values that have words
let words = {};
let sentences = {};
let problems = {};

export async function load() {
  const get = async (path) => (await fetch(`/console/${path}/${language}.json`)).json();
  const others = (path) => (language === OWN ? {} : get(path));
  [words, sentences, problems] = await Promise.all([get("words"), others("evidence"), others("problems")]);
}

// Why, in the reader's language; a sentence that has no template here, or was stored before there were any, as it stands.
export function evidenceWords({ text, said = [] }) {
  if (!said.length || !said.every((one) => Object.hasOwn(sentences, one.code))) return text;
  return said.map(({ code, values }) => sentences[code].replaceAll(/\{(\w+)\}/g, (whole, name) => {
    if (!Object.hasOwn(values, name)) return whole;
    return name in SETS ? word(SETS[name], values[name]) : values[name];
  })).join(" ");
}

// What was refused, in the reader's language; what has no words here as the gateway says it.
export function problemWords({ code, detail, by }) {
  const text = Object.hasOwn(problems, code) ? problems[code] : detail;
  return text?.replaceAll("{by}", by);
}

export function t(key, values = {}) {
  const text = Object.hasOwn(words, key) ? words[key] : key;
  return text.replaceAll(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// The word for one of a set of names, or the name itself in plain letters: the gateway may know more than the page.
export function word(set, name) {
  const key = `${set}.${name}`;
  return Object.hasOwn(words, key) ? words[key] : String(name).replaceAll("_", " ");
}

export const causeWords = (cause) => word("cause", cause);

// Who asks a second person for what.
export const asks = ({ asked_by: who, what }) => t("asked.row", { who, what: word("approval", what) });

// 0:42, 12:07, 3 h 05, 2 d 4 h: short enough for a column, exact where seconds count.
export function age(since, now) {
  const seconds = Math.max(0, Math.floor((now - since) / 1000));
  const two = (number) => String(number).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}:${two(seconds % 60)}`;
  if (seconds < 86_400) return t("age.hours", { h: Math.floor(seconds / 3600), m: two(Math.floor(seconds / 60) % 60) });
  return t("age.days", { d: Math.floor(seconds / 86_400), h: Math.floor(seconds / 3600) % 24 });
}

export function ago(at, now = Date.now()) {
  const seconds = Math.max(0, Math.floor((now - new Date(at)) / 1000));
  if (seconds < 60) return t("age.ago_s", { n: seconds });
  if (seconds < 3600) return t("age.ago_m", { n: Math.floor(seconds / 60) });
  if (seconds < 86_400) return t("age.ago_h", { n: Math.floor(seconds / 3600) });
  return t("age.ago_d", { n: Math.floor(seconds / 86_400) });
}

const CLOCK = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(language, { day: "numeric", month: "short" });
const FULL = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium", hour12: false });

export const clock = (at) => CLOCK.format(new Date(at));

// The clock today, else with its day, and with its year if that is another.
export function when(at) {
  const then = new Date(at);
  if (then.getFullYear() !== new Date().getFullYear()) return FULL.format(then);
  return then.toDateString() === new Date().toDateString() ? clock(then) : `${DAY.format(then)} ${clock(then)}`;
}

export const moment = (at) => (at ? FULL.format(new Date(at)) : t("word.not_known"));

export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);

export function place(position) {
  if (!position) return t("word.no_position");
  return `${position.latitude.toFixed(5)}, ${position.longitude.toFixed(5)}`;
}

export function accuracy(position) {
  return position?.accuracy_m == null ? "" : `± ${Math.round(position.accuracy_m)} m`;
}
