// What to say and to ask, by cause: data of the page, in its language.

const language = document.documentElement.lang;
let scripts = null;

export async function loadScripts() {
  scripts ??= await (await fetch(`/console/scripts/${language}.json`)).json();
}

// The script of the gravest cause; a hold-up goes before everything.
export function scriptOf(causes, handling) {
  const name = handling === "hold_up" || causes.includes("hold_up") ? "hold_up" : causes.find((one) => scripts.kinds[one]) ?? causes[0];
  const kind = scripts.kinds[name] ?? "theft";
  return { ...scripts.scripts[kind], questions: [...(scripts.scripts[kind].questions ?? []), ...(scripts.ask[name] ?? [])] };
}
