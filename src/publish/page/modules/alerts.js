// Alerts: what is pending, firing and was just resolved, and the rules that found it.

import { el, setChildren } from "./dom.js";
import { clock, labels } from "./format.js";
import { state } from "./state.js";
import { table } from "./tables.js";
import { alertBadge, severityBadge } from "./words.js";

const ORDER = ["firing", "pending", "resolved"];
const number = (value) => (typeof value === "number" ? String(Number(value.toPrecision(4))) : "–");

const columns = [
  { key: "rule", label: "Rule", value: (a) => a.rule },
  { key: "state", label: "State", value: (a) => ORDER.indexOf(a.state), fill: (cell, a) => alertBadge(cell, a.state) },
  { key: "severity", label: "Severity", value: (a) => a.severity, fill: (cell, a) => severityBadge(cell, a.severity) },
  { key: "summary", label: "What is wrong", value: (a) => a.summary },
  { key: "labels", label: "Of", priority: 1, value: (a) => labels(a.labels) },
  { key: "value", label: "Value", numeric: true, priority: 2, value: (a) => a.value, text: (a) => number(a.value) },
  { key: "threshold", label: "Limit", numeric: true, priority: 2, value: (a) => a.threshold, text: (a) => number(a.threshold) },
  { key: "since", label: "Since", priority: 1, value: (a) => a.active_since, text: (a) => clock(a.active_since) },
  { key: "silenced", label: "Silenced", priority: 3, value: (a) => String(a.silenced), text: (a) => (a.silenced ? "yes" : "no") },
];

export const identity = (alert) => `${alert.rule} ${labels(alert.labels)}`;

export function view() {
  const list = table({ caption: "Alerts", columns, keyOf: identity, sort: ["state", true], none: "No alert is pending or firing." });
  const rules = el("ul", { class: "rules" });
  const node = el("section", {}, el("h2", { text: "Alerts" }), list.node, el("section", { class: "panel" }, el("h3", { text: "Rules" }), rules));
  const made = new Map();

  function update() {
    list.update(state.alerts);
    const texts = (state.rules ?? []).map((rule) => (typeof rule === "string" ? rule : JSON.stringify(rule)));
    const shown = texts.length ? texts : ["No rules: start it with --rules FILE."];
    setChildren(rules, shown.map((text) => {
      if (!made.has(text)) made.set(text, el("li", { text }));
      return made.get(text);
    }));
  }
  return { node, update, title: "Alerts" };
}
