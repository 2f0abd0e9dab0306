// Language and theme: kept in cookies, so that the server already sends the page as it was chosen.

const YEAR_S = 31_536_000;

export function bindLook() {
  for (const group of document.querySelectorAll("[data-choose]")) {
    const what = group.dataset.choose;
    const chosen = () => (what === "language" ? document.documentElement.lang : document.documentElement.dataset.theme);
    const mark = () => {
      for (const one of group.children) one.setAttribute("aria-pressed", String(one.value === chosen()));
    };
    group.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      document.cookie = `${what}=${button.value}; Path=/; SameSite=Strict; Max-Age=${YEAR_S}`;
      if (what === "language") location.reload();
      else document.documentElement.dataset.theme = button.value;
      mark();
      document.dispatchEvent(new CustomEvent("look"));
    });
    mark();
  }
}

export function isDark() {
  const { theme } = document.documentElement.dataset;
  return theme === "dark" || (theme === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
}
