// The page to log in, and to set a password of one's own with one that is good once.

import { $, say } from "./dom.js";
import { call, Refused } from "./http.js";
import { bindLook } from "./look.js";
import { load, t } from "./words.js";

const LINK = /^#login\/([^/]+)\/([^/]+)$/; // the part of an address that no browser sends

await load();
bindLook();
const linked = LINK.exec(location.hash);
if (linked) {
  // Gone from the address bar and the history at once: the next person at this desk must not find it.
  history.replaceState(null, "", location.pathname);
  try {
    [$("name").value, $("password").value] = linked.slice(1).map(decodeURIComponent);
    askOwn();
  } catch {
    say($("wrong"), t("login.used"));
  }
}

function askOwn() {
  $("own").hidden = false;
  for (const name of ["name", "password"]) $(name).readOnly = true;
  for (const name of ["new", "again"]) $(name).disabled = false;
  say($("enter"), t("login.set"));
  $("new").focus();
}

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { name, password, new: own, again } = Object.fromEntries(new FormData(event.target));
  if (own !== again) {
    say($("wrong"), t("login.differ"));
    return;
  }
  $("enter").disabled = true;
  say($("wrong"), "");
  const path = own === undefined ? "/console/session" : "/console/password";
  const body = JSON.stringify({ name: name.trim(), password, new_password: own });
  try {
    await call(path, { method: "POST", headers: { "Content-Type": "application/json" }, body });
    location.reload();
  } catch (error) {
    $("enter").disabled = false;
    if (error.code === "password_needed") askOwn();
    else refused(error, own === undefined);
  }
});

$("enter").disabled = false; // not before: a form that is sent without this script goes nowhere

function refused(error, typed) {
  say($("wrong"), sentence(error, typed));
  const field = $(typed ? "password" : "new");
  if (error instanceof Refused) field.value = "";
  field.focus();
}

function sentence(error, typed) {
  if (!(error instanceof Refused)) return t("login.unreachable");
  if (error.status === 429) return t("login.locked", { seconds: error.retryAfter ?? "60" });
  if (error.code === "login_expired") return t("login.expired");
  if (error.code === "wrong_login") return t(typed ? "login.wrong" : "login.used");
  if (error.status === 422) return t(typed ? "login.wrong" : "login.unfit");
  return error.message;
}
