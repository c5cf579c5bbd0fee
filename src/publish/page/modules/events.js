// What happened, as lines: the newest first, filtered by what is asked.

import { el, setText } from "./dom.js";
import { clock, count, labels } from "./format.js";
import { state } from "./state.js";
import { table } from "./tables.js";
import { severityBadge } from "./words.js";

const columns = [
  { key: "time", label: "Time", value: (e) => e.time, text: (e) => clock(e.time) },
  { key: "severity", label: "Severity", value: (e) => e.severity, fill: (cell, e) => severityBadge(cell, e.severity) },
  { key: "kind", label: "Kind", priority: 1, value: (e) => e.kind },
  { key: "subject", label: "Of", value: (e) => e.subject },
  { key: "text", label: "What happened", value: (e) => e.text },
  { key: "labels", label: "Labels", priority: 2, text: (e) => labels(e.labels) },
];
const SEVERITIES = ["info", "warning", "critical"];
const filter = { text: "", severity: "info", kind: "" };

export function view() {
  const list = table({ caption: "Events", columns, keyOf: (entry) => entry, none: "Nothing of that kind has happened." });
  const totals = el("p", { class: "totals" });
  const field = (id, label, input) => [el("label", { for: id, text: label }), input];
  const text = el("input", { type: "search", id: "event-filter", placeholder: "part of a line", autocomplete: "off", spellcheck: "false", on: { input: () => { filter.text = text.value; update(); } } });
  text.value = filter.text;
  const select = (id, name, options) => {
    const made = el("select", { id, on: { change: () => { filter[name] = made.value; update(); } } }, options.map(([value, shown]) => el("option", { value, text: shown, selected: filter[name] === value })));
    return made;
  };
  const severity = select("event-severity", "severity", [["info", "everything"], ["warning", "warning and worse"], ["critical", "critical"]]);
  const kind = select("event-kind", "kind", [["", "all"], ...["kernel", "event", "operation", "network", "alert"].map((name) => [name, name])]);
  const node = el("section", {}, el("h2", { text: "Events" }),
    el("div", { class: "controls" }, field("event-filter", "Filter", text), field("event-severity", "Show", severity), field("event-kind", "Kind", kind), totals), list.node);

  function update() {
    const part = filter.text.toLowerCase();
    const least = SEVERITIES.indexOf(filter.severity);
    const fits = (entry) => SEVERITIES.indexOf(entry.severity) >= least && (!filter.kind || entry.kind === filter.kind)
      && (!part || `${entry.subject} ${entry.text} ${labels(entry.labels)}`.toLowerCase().includes(part));
    const rows = state.entries.filter(fits).reverse();
    list.update(rows);
    const missed = state.missed ? `; ${count(state.missed)} were gone before they could be read` : "";
    setText(totals, `${count(rows.length)} of ${count(state.entries.length)} events${missed}`);
  }
  return { node, update, title: "Events" };
}
