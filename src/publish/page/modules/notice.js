// What needs attention, above every view: kernels that hang, alerts that fire. Read aloud once, when it begins.

import { el, setAttribute, setChildren, setText } from "./dom.js";
import { identity } from "./alerts.js";
import { to } from "./route.js";
import { state } from "./state.js";

const MOST_SHOWN = 4;

export function makeNotice(list, aloud) {
  const made = new Map();
  let known = new Set();
  // The map of the blocks tells of hangs itself, of all of them.
  return (tellsOfHangs) => {
    const all = [...hangs(), ...fires()];
    const wanted = tellsOfHangs ? all.filter(({ kind }) => kind !== "hang") : all;
    const shown = wanted.slice(0, MOST_SHOWN);
    if (wanted.length > shown.length) shown.push({ key: "more", href: to("alerts"), name: "", text: `and ${wanted.length - shown.length} more` });
    setChildren(list, shown.map(({ key, kind, href, name, text }) => {
      if (!made.has(key)) made.set(key, el("li", { class: kind }, el("a", {}), el("span")));
      const item = made.get(key);
      setText(item.firstChild, name);
      setAttribute(item.firstChild, "href", href);
      item.firstChild.hidden = !name;
      setText(item.lastChild, text);
      return item;
    }));
    list.hidden = !wanted.length;
    const fresh = all.filter(({ key }) => !known.has(key)).map(({ aloud: words }) => words);
    if (fresh.length) setText(aloud, fresh.join(". "));
    else if (!all.length && known.size) setText(aloud, "No kernel hangs, and no alert is firing any more.");
    known = new Set(all.map(({ key }) => key));
    for (const key of made.keys()) if (key !== "more" && !known.has(key)) made.delete(key);
  };
}

function hangs() {
  return [...state.kernels.values()].filter(({ stuck }) => stuck).map(({ id, stuck }) => ({
    key: `hang ${id}`,
    kind: "hang",
    href: to("blocks", id),
    name: id,
    text: stuck.sentence.startsWith(id) ? stuck.sentence.slice(id.length) : `: ${stuck.sentence}`,
    aloud: `${id} hangs`,
  }));
}

function fires() {
  return state.alerts.filter((alert) => alert.state === "firing" && !alert.silenced).map((alert) => ({
    key: `alert ${identity(alert)}`,
    kind: alert.severity === "critical" ? "critical" : "warning",
    href: to("alerts"),
    name: alert.rule,
    text: `: ${alert.summary}`,
    aloud: `Alert: ${alert.summary || alert.rule}`,
  }));
}
