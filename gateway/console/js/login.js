// The page to log in.

import { $, say } from "./dom.js";
import { call, Refused } from "./http.js";
import { bindLook } from "./look.js";
import { load, t } from "./words.js";

await load();
bindLook();

$("login").addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = event.target.querySelector("button");
  button.disabled = true;
  say($("wrong"), "");
  try {
    const { name, password } = Object.fromEntries(new FormData(event.target));
    const body = JSON.stringify({ name: name.trim(), password });
    await call("/console/session", { method: "POST", headers: { "Content-Type": "application/json" }, body });
    location.reload();
  } catch (error) {
    say($("wrong"), sentence(error));
    button.disabled = false;
    $("password").value = "";
    $("password").focus();
  }
});

function sentence(error) {
  if (!(error instanceof Refused)) return t("login.unreachable");
  if (error.status === 429) return t("login.locked", { seconds: error.retryAfter ?? "60" });
  if (error.code === "wrong_login" || error.status === 422) return t("login.wrong");
  return error.message;
}
