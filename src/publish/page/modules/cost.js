// What telemetry costs, what it lost, and what this page lost.

import { reader } from "./api.js";
import { el, facts, panel, setText } from "./dom.js";
import { age, bytes, clock, count, whole } from "./format.js";
import { state } from "./state.js";
import { table } from "./tables.js";

const PAUSE_MS = 2000;

const destinations = [
  { key: "destination", label: "Destination", value: (p) => p.destination },
  { key: "published", label: "Sent", numeric: true, value: (p) => p.published_items, text: (p) => count(p.published_items) },
  { key: "queued", label: "Waiting", numeric: true, value: (p) => p.queued_items, text: (p) => count(p.queued_items) },
  { key: "dropped", label: "Lost", numeric: true, value: lostBy, text: (p) => count(lostBy(p)) },
  { key: "failures", label: "Failures", numeric: true, priority: 1, value: (p) => p.failures, text: (p) => count(p.failures) },
  { key: "retries", label: "Retries", numeric: true, priority: 2, value: (p) => p.retries, text: (p) => count(p.retries) },
  { key: "bytes", label: "Bytes", numeric: true, priority: 1, value: (p) => p.sent_bytes, text: (p) => bytes(p.sent_bytes) },
  { key: "success", label: "Last success", priority: 2, value: (p) => p.last_success, text: (p) => clock(p.last_success) },
  { key: "error", label: "Last error", priority: 2, value: (p) => p.last_error },
];

function lostBy({ dropped_items: lost }) {
  return Object.values(lost ?? {}).reduce((sum, n) => sum + n, 0);
}

const duration = (one) => (one?.count ? `p50 ${age(one.p50)}, p99 ${age(one.p99)}, longest ${age(one.max)}` : null);

export function view() {
  const [cost, lost, hooks, page] = ["Reading", "Lost, by what", "Hooks", "This page"].map(facts);
  const sent = table({ caption: "Destinations", columns: destinations, keyOf: (p) => p.destination, sort: ["destination", true], none: "Nothing is published." });
  const all = el("p", { class: "totals" });
  const node = el("section", {}, el("h2", { text: "Telemetry itself" }), all,
    el("div", { class: "panels" }, panel("Reading", cost.node), panel("Lost, by what", lost.node), panel("This page", page.node), panel("Hooks", hooks.node)),
    panel("Destinations", sent.node));
  const read = reader(() => "snapshot.json", PAUSE_MS, ({ self_metrics: self, device_clock: clock, publishers, copied_bytes: copied }) => {
    cost.update([
      ["Readings", whole(self.telemetry_collection_runs_total), self.telemetry_collection_runs_total],
      ["Readings that failed", whole(self.telemetry_collection_failures_total), self.telemetry_collection_failures_total],
      ["A reading takes", duration(self.telemetry_collection_duration_seconds)],
      ["Copying takes", duration(self.telemetry_copy_duration_seconds)],
      ["Copied each time", bytes(copied), copied],
      ["Kept snapshots", `${whole(self.history_snapshots)} in ${bytes(self.history_bytes)}`, self.history_snapshots],
      ["Metrics", `${whole(self.telemetry_metrics_count)}, ${whole(self.telemetry_metric_series)} series`],
      ["Device's clock known to", clock.uncertainty === null ? null : age(clock.uncertainty)],
      ["Device's clock drifts by", clock.drift_ppb === null ? null : `${whole(clock.drift_ppb)} ppb`],
    ]);
    const entries = Object.entries(self.dropped);
    lost.update(entries.map(([name, n]) => [name.replaceAll("_", " "), whole(n), n]));
    const sum = entries.reduce((sum, [, n]) => sum + n, 0);
    setText(all, sum ? `${count(sum)} things were dropped, see below.` : "Nothing was dropped.");
    hooks.update([
      ["Calls", whole(self.hook_calls_total)],
      ["Panics", whole(self.hook_panics_total)],
      ["Slow calls", whole(self.hook_slow_total)],
      ["Switched off", whole(self.hooks_disabled)],
    ]);
    sent.update(publishers);
  });

  function update(fresh) {
    page.update([
      ["Frames taken", whole(state.frames), state.frames],
      ["Frames lost", whole(state.lost), state.lost],
      ["Events that were gone", whole(state.missed), state.missed],
      ["Newest snapshot", state.frame ? `number ${whole(state.frame.sequence)} of ${clock(state.frame.time)}` : null],
      ["Points kept", whole(state.time.length)],
      ["Events kept", whole(state.entries.length)],
    ]);
    if (!state.paused) read(fresh);
  }
  return { node, update, title: "Telemetry itself" };
}
