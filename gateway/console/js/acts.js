// What an operator can do with an item of the queue.

import { ask, field, h, options } from "./dom.js";
import { read, send, Unreachable } from "./http.js";
import { causeWords, t, word } from "./words.js";

export const DISPOSITIONS = ["theft_confirmed", "attempt", "recovered", "user_error_card", "user_error_mode", "workshop",
  "transport", "battery", "radio_fault", "test", "duplicate", "unknown"];

const CLAIM = "POST /api/v1/cases/{case_id}/claim";

// Takes an item in hand: claims its case, if it has one, and acknowledges every open alarm of it, worst first. The
// acknowledgement is in the feed, so everybody sees at once who has it.
export async function acknowledge(context, item) {
  if (item.caseId && context.me.may.includes(CLAIM)) {
    await certain(() => send("POST", `/cases/${encodeURIComponent(item.caseId)}/claim`));
  }
  const open = [...item.alarms.values()].filter((one) => one.state === "open");
  for (const alarm of open) {
    const path = `/alarms/${encodeURIComponent(alarm.alarm_id)}`;
    const { body } = await certain(() => send("POST", `${path}/acknowledge`)).catch(async (error) => {
      // Of a case that is ours, somebody else has just acknowledged the alarm: that is as good.
      if (!item.caseId || error.code !== "illegal_transition") throw error;
      return { body: await certain(() => read(path)) };
    });
    context.alarms.put(body);
  }
}

// Asks what it was, then closes every alarm of an item that is not closed yet.
export async function closeAlarms(context, item, wrong) {
  const live = [...item.alarms.values()].filter((one) => one.state === "open" || one.state === "acknowledged");
  const answer = await ask(t("close.title", { cause: causeWords(item.lead.cause), vin: item.vin ?? t("word.gateway") }), [
    field("disposition", t("close.what"), h("select", { required: true }, options([["", t("close.choose")],
      ...DISPOSITIONS.map((one) => [one, word("disposition", one)])], ""))),
    field("note", t("close.note"), h("textarea", { rows: 3, maxlength: 2000 })),
  ], { confirm: t("act.close"), cancel: t("word.cancel") });
  if (answer === null) return;
  try {
    for (const alarm of live) {
      const body = { disposition: answer.disposition, ...(answer.note ? { note: answer.note } : {}) };
      const done = await certain(() => send("POST", `/alarms/${encodeURIComponent(alarm.alarm_id)}/close`, body));
      context.alarms.put(done.body);
    }
  } catch (error) {
    wrong(error.message);
  }
}

// A lost connection leaves open whether it was done: say so instead of "failed".
export async function certain(work) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof Unreachable) throw new Error(t("act.not_known"));
    throw error;
  }
}
