// One kernel: what it did over time, how long its messages took, and everything that is counted of it.

import { reader } from "./api.js";
import { chart } from "./charts.js";
import { el, facts, setText } from "./dom.js";
import { age, bytes, clock, count, nanoseconds, percent, rate, whole } from "./format.js";
import { heatMap } from "./heat.js";
import { to } from "./route.js";
import { seriesOf, state } from "./state.js";
import { stateBadge } from "./words.js";

const HEAT_POINTS = 120;
const HEAT_PAUSE_MS = 2000;
const SNAPSHOT_PAUSE_MS = 2000;
const RANGES = [["60", "the last minute"], ["600", "the last 10 minutes"], ["", "everything"]];

let range = "600";

export function view(id) {
  const charts = [
    [chart({ title: "Throughput", format: (v) => rate(v), lines: [{ label: "messages/s", colour: "sky" }, { label: "errors/s", colour: "vermillion", dash: true }] }), ["messages_per_second", "errors_per_second"]],
    [chart({ title: "Latency", format: nanoseconds, log: true, lines: [{ label: "p50", colour: "green" }, { label: "p99", colour: "orange", dash: true }] }), ["p50_ns", "p99_ns"]],
    [chart({ title: "Queue", format: count, lines: [{ label: "messages waiting", colour: "purple" }] }), ["queue_depth"]],
    [chart({ title: "Busy", format: percent, lines: [{ label: "of the blocks' time", colour: "blue" }] }), ["busy_ratio"]],
    [chart({ title: "Bytes in", format: (v) => (v === null || v === undefined ? "–" : `${bytes(v)}/s`), lines: [{ label: "bytes/s", colour: "sky" }] }), ["bytes_in_per_second"]],
  ];
  const heat = heatMap();
  const badge = el("span", { class: "badge" });
  const stuck = el("p", { class: "stuck" });
  const blocks = el("a", { href: to("blocks", id), text: "Block map" });
  const choose = el("select", { id: "range", on: { change: () => { range = choose.value; update(); } } }, RANGES.map(([value, text]) => el("option", { value, text, selected: value === range })));
  const [now, life] = [facts("Rates and latencies"), facts("Since it was launched")];
  const problem = el("p", { class: "nothing", hidden: true });
  const node = el("section", {},
    el("div", { class: "title" }, el("h2", { text: id }), badge, blocks),
    stuck, problem,
    el("div", { class: "controls" }, el("label", { for: "range", text: "Charts show" }), choose, el("span", { class: "hint", text: "Drag over a chart to zoom, double-click to leave." })),
    el("div", { class: "charts" }, charts.slice(0, 2).map(([{ node }]) => node)),
    heat.node,
    el("div", { class: "charts narrow" }, charts.slice(2).map(([{ node }]) => node)),
    el("section", { class: "panel" }, el("h3", { text: "Now" }), now.node),
    el("section", { class: "panel" }, el("h3", { text: "In all" }), life.node));

  const readHeat = reader(() => `history.json?kernel=${encodeURIComponent(id)}&points=${HEAT_POINTS}`, HEAT_PAUSE_MS, ({ time, heat: map }) => heat.update(time, map?.columns ?? []));
  const readWhole = reader(() => "snapshot.json", SNAPSHOT_PAUSE_MS, ({ kernels }) => {
    const kernel = kernels.find(({ kernel_id: known }) => known === id);
    if (kernel) tell(kernel, now, life);
  });

  function update(fresh) {
    const kernel = state.kernels.get(id);
    problem.hidden = Boolean(kernel) || !state.frame;
    setText(problem, "There is no kernel of that name now.");
    if (kernel) stateBadge(badge, kernel.state);
    stuck.hidden = !kernel?.stuck;
    setText(stuck, kernel?.stuck?.sentence ?? "");
    blocks.hidden = kernel?.blocks === 0;
    const first = range && state.time.length ? state.time.findIndex((time) => time >= state.time.at(-1) - Number(range)) : 0;
    const series = seriesOf(id);
    const time = state.time.slice(first);
    charts.forEach(([{ update: show }, names]) => show(time, names.map((name) => series[name].slice(first))));
    heat.redraw();
    if (!state.paused) [readHeat, readWhole].forEach((read) => read(fresh));
  }
  return { node, update, title: id, leave: () => [...charts.map(([one]) => one), heat].forEach((one) => one.destroy()) };
}

function tell(kernel, now, life) {
  const { latency, waiting } = kernel;
  now.update([
    ...kernel.rates.map((one) => [`Messages/s over ${one.window} s`, rate(one.messages_per_second), one.messages_per_second]),
    ...kernel.rates.slice(0, 1).flatMap((one) => [["Bytes in/s", bytes(one.bytes_in_per_second)], ["Bytes out/s", bytes(one.bytes_out_per_second)]]),
    ["p50", latency && nanoseconds(latency.p50_ns), latency?.p50_ns],
    ["p95", latency && nanoseconds(latency.p95_ns), latency?.p95_ns],
    ["p99", latency && nanoseconds(latency.p99_ns), latency?.p99_ns],
    ["Longest", latency && nanoseconds(latency.max_ns), latency?.max_ns],
    ["Waited in the queue, p50", waiting && nanoseconds(waiting.p50_ns)],
    ["Waited in the queue, p99", waiting && nanoseconds(waiting.p99_ns)],
    ["Queue", count(kernel.queue_depth), kernel.queue_depth],
    ["Busy", percent(kernel.busy_ratio)],
    ["Last sign of life", kernel.last_sign_of_life && clock(kernel.last_sign_of_life)],
  ]);
  life.update([
    ["Received", whole(kernel.messages_received), kernel.messages_received],
    ["Processed", whole(kernel.messages_processed), kernel.messages_processed],
    ["Failed", whole(kernel.errors), kernel.errors],
    ["Failed of all", percent(kernel.error_rate)],
    ["Sent", whole(kernel.messages_sent), kernel.messages_sent],
    ["Bytes in", bytes(kernel.bytes_in), kernel.bytes_in],
    ["Bytes out", bytes(kernel.bytes_out), kernel.bytes_out],
    ["Deepest queue", count(kernel.queue_high_water), kernel.queue_high_water],
    ["Queue was full", whole(kernel.queue_full), kernel.queue_full],
    ["Retries", whole(kernel.retries), kernel.retries],
    ["Dropped", whole(kernel.dropped), kernel.dropped],
    ["Last error", kernel.last_error ?? (kernel.last_error_code === null ? null : `code ${kernel.last_error_code}`)],
    ["Device", state.kernels.get(kernel.kernel_id)?.device],
    ["Blocks that have begun", kernel.blocks ? `${whole(kernel.blocks_started)} of ${whole(kernel.blocks)}` : null],
    ["Launched", kernel.start_time && clock(kernel.start_time)],
    ["Running for", age(kernel.uptime)],
    ["Trace records lost", kernel.trace && whole(kernel.trace.lost)],
  ]);
}
