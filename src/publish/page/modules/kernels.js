// All kernels: a table that sorts, with a small line of the last points beside each rate.

import { el, setAttribute, setText } from "./dom.js";
import { count, nanoseconds, percent, rate } from "./format.js";
import { to } from "./route.js";
import { spark } from "./spark.js";
import { seriesOf, state } from "./state.js";
import { table } from "./tables.js";
import { stateBadge } from "./words.js";

// Worst first, then by name.
const ORDER = ["failed", "stalled", "terminating", "active", "launched", "deactivated", "terminated"];

const columns = [
  { key: "id", label: "Kernel", value: (k) => k.id, fill: (cell, k) => link(cell, k.id) },
  { key: "device", label: "Device", value: (k) => k.device, only: (rows) => rows.some((k) => k.device) },
  { key: "state", label: "State", value: (k) => ORDER.indexOf(k.state), fill: (cell, k) => stateBadge(cell, k.state) },
  { key: "rate", label: "Messages", unit: "/s", numeric: true, value: (k) => k.messages_per_second, text: (k) => rate(k.messages_per_second) },
  { key: "rates", label: "Trend", of: "Messages", priority: 2, fill: (cell, k) => spark(cell, seriesOf(k.id).messages_per_second, "sky") },
  { key: "errors_rate", label: "Errors", unit: "/s", numeric: true, priority: 2, value: (k) => k.errors_per_second, text: (k) => rate(k.errors_per_second) },
  { key: "p50", label: "p50", numeric: true, priority: 1, value: (k) => k.p50_ns, text: (k) => nanoseconds(k.p50_ns) },
  { key: "p99", label: "p99", numeric: true, value: (k) => k.p99_ns, text: (k) => nanoseconds(k.p99_ns) },
  { key: "p99s", label: "Trend", of: "p99", priority: 3, fill: (cell, k) => spark(cell, seriesOf(k.id).p99_ns, "orange") },
  { key: "queue", label: "Queue", numeric: true, value: (k) => k.queue_depth, text: (k) => count(k.queue_depth) },
  { key: "queues", label: "Trend", of: "Queue", priority: 3, fill: (cell, k) => spark(cell, seriesOf(k.id).queue_depth, "purple") },
  { key: "busy", label: "Busy", numeric: true, priority: 2, value: (k) => k.busy_ratio, text: (k) => percent(k.busy_ratio) },
  { key: "processed", label: "Processed", numeric: true, priority: 1, value: (k) => k.messages_processed, text: (k) => count(k.messages_processed) },
  { key: "errors", label: "Failed", numeric: true, priority: 1, value: (k) => k.errors, text: (k) => count(k.errors) },
  { key: "blocks", label: "Blocks", numeric: true, priority: 3, value: (k) => k.blocks, text: (k) => count(k.blocks) },
];

function link(cell, id) {
  if (!cell.firstChild) cell.append(el("a", {}));
  setText(cell.firstChild, id);
  setAttribute(cell.firstChild, "href", to("kernel", id));
}

let wanted = "";

export function view() {
  const list = table({ caption: "Kernels", columns, keyOf: (k) => k.id, sort: ["id", true], none: "No kernel of that name." });
  const filter = el("input", { type: "search", id: "kernel-filter", placeholder: "part of a name", autocomplete: "off", spellcheck: "false", on: { input: () => { wanted = filter.value; update(); } } });
  filter.value = wanted;
  const totals = el("p", { class: "totals" });
  const controls = el("div", { class: "controls" }, el("label", { for: "kernel-filter", text: "Filter" }), filter, totals);
  const node = el("section", {}, el("h2", { text: "Kernels" }), controls, list.node);

  function update() {
    if (!state.frame) return;
    const part = wanted.toLowerCase();
    const all = [...state.kernels.values()];
    const rows = all.filter(({ id }) => id.toLowerCase().includes(part));
    list.update(rows);
    const sum = (name) => rows.reduce((sum, kernel) => sum + (kernel[name] ?? 0), 0);
    const of = rows.length === all.length ? "" : ` of ${count(all.length)}`;
    setText(totals, `${count(rows.length)}${of} kernels, ${rate(sum("messages_per_second"))} messages/s, ${count(sum("messages_processed"))} processed, ${count(sum("errors"))} failed`);
  }
  return { node, update, title: "Kernels" };
}
