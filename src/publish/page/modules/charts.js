// Charts over time, by uPlot, each with its numbers in a table behind it.

import { el, setText } from "./dom.js";
import { clock } from "./format.js";
import { colour } from "./theme.js";

const HEIGHT = 168;
const MOST_ROWS = 240;

// Makes a chart of `lines`: {label, colour, dash?}; `format` writes a value, `log` chooses a logarithmic axis.
export function chart({ title, lines, format, log = false }) {
  const box = el("div", { class: "plot", role: "img", "aria-label": `${title} over time; the numbers are in the table below` });
  const values = lines.map(() => el("span", { class: "value" }));
  const legend = el("p", { class: "legend" }, lines.map((line, at) => el("span", { class: "entry" }, swatch(line), `${line.label} `, values[at])));
  const when = el("span", { class: "when" });
  legend.append(when);
  const behind = dataTable(title, ["Time", ...lines.map(({ label }) => label)]);
  const node = el("section", { class: "panel chart" }, el("h3", { text: title }), legend, box, behind.node);
  let data = [[], ...lines.map(() => [])];
  let plot = null;

  const say = (at) => {
    const times = data[0];
    const index = at ?? times.length - 1;
    lines.forEach((_, line) => setText(values[line], format(data[line + 1][index])));
    setText(when, at === null || at === undefined ? "" : clock(times[at]));
  };
  const resize = new ResizeObserver(() => {
    const width = Math.floor(box.clientWidth);
    if (width > 0 && plot) plot.setSize({ width, height: HEIGHT });
    else if (width > 0) plot = new window.uPlot(options(lines, format, log, width, say), data, box);
  });
  resize.observe(box);

  return {
    node,
    update(times, columns) {
      data = [times, ...columns];
      plot?.setData(data);
      say(plot?.cursor.idx);
      behind.update(() => rowsOf(times, columns, format));
    },
    destroy() {
      resize.disconnect();
      plot?.destroy();
    },
  };
}

function swatch({ colour: name, dash }) {
  return el("span", { class: `swatch ${name}${dash ? " dashed" : ""}`, "aria-hidden": "true" });
}

function options(lines, format, log, width, say) {
  const axis = { stroke: () => colour("muted"), grid: { stroke: () => colour("grid"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  const line = ({ label, colour: name, dash }) => ({
    label,
    stroke: () => colour(name),
    width: 1.5,
    dash: dash ? [4, 3] : undefined,
    points: { show: (self, at) => self.data[at].filter((value) => value !== null).length < 2 },
    spanGaps: false,
  });
  const labels = (self, values) => values.map((value) => (value === null ? null : format(value)));
  return {
    width,
    height: HEIGHT,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { sync: { key: "ringscope", setSeries: false }, drag: { x: true, y: false }, points: { size: 6 } },
    scales: { y: log ? { distr: 3, range: logRange } : { range: (self, low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, size: 28, values: (self, times) => times.map((time) => clock(time).split(" ").at(-1)), space: 76 },
      { ...axis, size: 66, values: labels, space: 32, ...(log ? { splits: logSplits, filter: (self, values) => values } : {}) },
    ],
    series: [{}, ...lines.map(line)],
    hooks: { setCursor: [(self) => say(self.cursor.idx)] },
  };
}

// Whole decades would leave most of the chart empty.
function logRange(self, low, high) {
  if (!(low > 0)) return [1, 10];
  return [low / 1.5, Math.max(high, low * 1.2) * 1.5];
}

function logSplits(self, axis, low, high) {
  const splits = [];
  const steps = high / low > 300 ? [1] : [1, 2, 5];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
    splits.push(...steps.map((step) => step * 10 ** power).filter((value) => value >= low && value <= high));
  }
  return splits;
}

function rowsOf(times, columns, format) {
  const first = Math.max(0, times.length - MOST_ROWS);
  return times.slice(first).map((time, at) => [clock(time), ...columns.map((column) => format(column[first + at]))]).reverse();
}

// The table behind a chart. `rows` is called only while it is open.
export function dataTable(title, heads) {
  const body = el("tbody");
  const caption = `${title}, newest first`;
  const table = el("table", {}, el("caption", { class: "unseen", text: caption }),
    el("thead", {}, el("tr", {}, heads.map((text, at) => el("th", { scope: "col", class: at ? "number" : null, text })))), body);
  const scroller = el("div", { class: "scroller low", role: "region", tabindex: "0", "aria-label": caption }, table);
  let latest = () => [];
  const fill = () => {
    body.replaceChildren(...latest().map((row) => el("tr", {}, row.map((text, at) =>
      (at ? el("td", { class: "number", text }) : el("th", { scope: "row", text }))))));
  };
  const node = el("details", { class: "behind", on: { toggle: () => node.open && fill() } }, el("summary", { text: "Numbers" }, el("span", { class: "unseen", text: ` of ${title}` })), scroller);
  return {
    node,
    update(rows) {
      latest = rows;
      // Under somebody who reads it, it stays as it is.
      if (node.open && !scroller.contains(document.activeElement)) fill();
    },
  };
}
