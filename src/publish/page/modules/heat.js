// Latencies over time as a heat map: a column for each point in time, a row for each quarter of a doubling, drawn from the
// device's own buckets.

import { dataTable } from "./charts.js";
import { el, setText } from "./dom.js";
import { clock, count, nanoseconds } from "./format.js";
import { colour } from "./theme.js";

const HEIGHT = 220;
const [LEFT, RIGHT, TOP, BOTTOM] = [66, 8, 6, 22];
const ROWS_PER_DOUBLING = 4;
// Viridis: as bright as it is many, also for those who see few colours.
const VIRIDIS = [[68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99], [170, 220, 50], [253, 231, 37]];

export function heatMap() {
  const title = "Latency heat map";
  const canvas = el("canvas", { class: "heat" });
  const box = el("div", { class: "plot", role: "img", "aria-label": "How many messages took how long, over time; the numbers are in the table below" }, canvas);
  const under = el("p", { class: "legend" }, scale(), el("span", { class: "entry", text: "few to many messages, by their logarithm" }));
  const where = el("span", { class: "when" });
  under.append(where);
  const behind = dataTable(title, ["Time", "Messages", "Fastest", "Most often", "Slowest"]);
  const node = el("section", { class: "panel chart" }, el("h3", { text: title }), under, box, behind.node);
  let map = null;
  const redraw = () => draw(canvas, box.clientWidth, map);
  const resize = new ResizeObserver(redraw);
  resize.observe(box);
  canvas.addEventListener("mousemove", (event) => setText(where, map ? pointed(canvas, map, event) : ""));
  canvas.addEventListener("mouseleave", () => setText(where, ""));
  return {
    node,
    update(time, columns) {
      map = rowsAndColumns(time, columns);
      redraw();
      behind.update(() => map.columns.map((column, at) => row(time[at], columns[at])).reverse());
    },
    redraw,
    destroy: () => resize.disconnect(),
  };
}

// The key of the colours: a bar, painted on a canvas as no element may carry a style.
function scale() {
  const canvas = el("canvas", { class: "key", width: "90", height: "10", "aria-hidden": "true" });
  const context = canvas.getContext("2d");
  for (let x = 0; x < 90; x += 1) {
    context.fillStyle = viridis(x / 89);
    context.fillRect(x, 0, 1, 10);
  }
  return canvas;
}

function viridis(share) {
  const at = Math.min(Math.max(share, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(at), VIRIDIS.length - 2);
  const mix = (channel) => Math.round(VIRIDIS[low][channel] + (VIRIDIS[low + 1][channel] - VIRIDIS[low][channel]) * (at - low));
  return `rgb(${mix(0)} ${mix(1)} ${mix(2)})`;
}

const rowOf = (ns) => Math.ceil(Math.log2(Math.max(ns, 1)) * ROWS_PER_DOUBLING - 1e-9);
const upperOf = (row) => 2 ** (row / ROWS_PER_DOUBLING);

function rowsAndColumns(time, columns) {
  let [low, high, most] = [Infinity, -Infinity, 0];
  const counted = columns.map((buckets) => {
    const rows = new Map();
    for (const [upper, n] of buckets) {
      const row = rowOf(upper);
      const sum = (rows.get(row) ?? 0) + n;
      rows.set(row, sum);
      [low, high, most] = [Math.min(low, row), Math.max(high, row), Math.max(most, sum)];
    }
    return rows;
  });
  // A map of one row would be a bar.
  if (low > high) [low, high] = [rowOf(1000), rowOf(1e6)];
  const least = 3 * ROWS_PER_DOUBLING;
  const more = Math.max(0, least - (high - low + 1));
  return { time, columns: counted, low: low - 1 - Math.floor(more / 2), high: high + 1 + Math.ceil(more / 2), most };
}

function draw(canvas, width, map) {
  if (width < LEFT + 40) return;
  const dots = devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(width * dots), Math.round(HEIGHT * dots)];
  const context = canvas.getContext("2d");
  context.setTransform(dots, 0, 0, dots, 0, 0);
  context.clearRect(0, 0, width, HEIGHT);
  if (!map) return;
  const area = { width: width - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM };
  context.fillStyle = colour("sunken");
  context.fillRect(LEFT, TOP, area.width, area.height);
  cells(context, area, map);
  axes(context, area, map);
}

function cells(context, area, { columns, low, high, most }) {
  const rows = high - low + 1;
  const x = (at) => Math.round(LEFT + (at * area.width) / columns.length);
  const y = (row) => Math.round(TOP + ((high - row) * area.height) / rows);
  columns.forEach((column, at) => {
    for (const [row, n] of column) {
      context.fillStyle = viridis(most > 1 ? Math.log(n) / Math.log(most) : 1);
      context.fillRect(x(at), y(row), Math.max(1, x(at + 1) - x(at)), Math.max(1, y(row - 1) - y(row)));
    }
  });
}

function axes(context, area, { time, low, high }) {
  [context.fillStyle, context.font, context.textBaseline, context.textAlign] = [colour("muted"), "11px system-ui, sans-serif", "middle", "right"];
  const rows = high - low + 1;
  const decades = (high - low) / ROWS_PER_DOUBLING / Math.log2(10);
  const steps = decades > 2 ? [1] : [1, 2, 5];
  for (let power = 0; power < 14; power += 1) {
    for (const step of steps) {
      const at = (Math.log2(step * 10 ** power) * ROWS_PER_DOUBLING - (low - 1)) / rows;
      if (at >= 0.03 && at <= 0.97) context.fillText(nanoseconds(step * 10 ** power).replace(".00", "").replace(".0", ""), LEFT - 8, TOP + (1 - at) * area.height);
    }
  }
  [context.textBaseline, context.textAlign] = ["alphabetic", "center"];
  const labels = Math.max(1, Math.min(time.length, Math.floor(area.width / 90)));
  for (let n = 0; n < labels; n += 1) {
    const at = Math.floor(((n + 0.5) * time.length) / labels);
    if (time[at] !== undefined) context.fillText(clock(time[at]).split(" ").at(-1), LEFT + ((at + 0.5) * area.width) / time.length, HEIGHT - 6);
  }
}

function pointed(canvas, { time, columns, low, high }, event) {
  const area = { width: canvas.clientWidth - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM };
  const at = Math.floor(((event.offsetX - LEFT) * columns.length) / area.width);
  const row = high - Math.floor(((event.offsetY - TOP) * (high - low + 1)) / area.height);
  if (!columns[at] || row < low || row > high) return "";
  const n = columns[at].get(row) ?? 0;
  return `${clock(time[at])}, ${nanoseconds(upperOf(row - 1))} to ${nanoseconds(upperOf(row))}: ${count(n)} messages`;
}

function row(time, buckets) {
  const sum = buckets.reduce((all, [, n]) => all + n, 0);
  if (!buckets.length) return [clock(time), "0", "–", "–", "–"];
  const often = buckets.reduce((most, bucket) => (bucket[1] > most[1] ? bucket : most));
  const upto = ([upper]) => `≤ ${nanoseconds(upper)}`;
  return [clock(time), count(sum), upto(buckets[0]), upto(often), upto(buckets.at(-1))];
}
