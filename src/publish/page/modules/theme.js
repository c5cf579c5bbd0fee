// Dark and light: as the system says, until somebody chooses.

import { changed } from "./state.js";

const KEPT = "ringscope-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const probe = document.createElement("span");
let colours = new Map();

export function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : dark.matches;
}

export function start(button) {
  const kept = localStorage.getItem(KEPT);
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
  probe.hidden = true;
  document.body.append(probe);
  const show = () => {
    colours = new Map();
    button.setAttribute("aria-pressed", isDark());
    changed();
  };
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    localStorage.setItem(KEPT, document.documentElement.dataset.theme);
    show();
  });
  dark.addEventListener("change", show);
  show();
}

// A colour of the style sheet, as a canvas takes it.
export function colour(name) {
  if (!colours.has(name)) {
    probe.style.color = `var(--${name})`;
    colours.set(name, getComputedStyle(probe).color);
  }
  return colours.get(name);
}
