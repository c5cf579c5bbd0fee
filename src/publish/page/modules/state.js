// What the page knows. Nothing here shows anything: views read it, and are told when it changed.

// Points of the charts, and lines of the log, that a page keeps.
const MOST_POINTS = 1200;
const MOST_ENTRIES = 5000;
export const SERIES = [
  "messages_per_second",
  "errors_per_second",
  "bytes_in_per_second",
  "p50_ns",
  "p99_ns",
  "queue_depth",
  "busy_ratio",
];

export const state = {
  // connecting, live, stale or refused; since when, in seconds since 1970; why.
  connection: { status: "connecting", since: Date.now() / 1000, why: "" },
  // The newest frame, as it came.
  frame: null,
  frames: 0,
  bytesOfHistory: 0,
  kernels: new Map(),
  // Times of points, and for each kernel as many values of each series; null where there are none.
  time: [],
  series: new Map(),
  entries: [],
  missed: 0,
  lost: 0,
  alerts: [],
  rules: null,
  paused: false,
};

const listeners = new Set();

export function onChange(listener) {
  listeners.add(listener);
}

export function changed() {
  listeners.forEach((listener) => listener());
}

export function setConnection(status, why = "") {
  const { connection } = state;
  const since = status === "stale" && state.frame ? state.frame.time : Date.now() / 1000;
  state.connection = connection.status === status ? { ...connection, why } : { status, since, why };
  changed();
}

function emptySeries(length) {
  return Object.fromEntries(SERIES.map((name) => [name, new Array(length).fill(null)]));
}

export function seriesOf(id) {
  return state.series.get(id) ?? emptySeries(state.time.length);
}

// Takes the answer of /history.json: what was collected before the page was opened, or while it was not connected. Points that
// are older than it are kept; where there is a gap, the line has one as well.
export function takeHistory({ time, kernels }) {
  if (!time.length) return;
  const old = state.time.filter((t) => t < time[0]).length;
  const gap = old > 0 ? 1 : 0;
  const before = state.time.slice(0, old);
  const times = gap ? [...before, (before[old - 1] + time[0]) / 2, ...time] : [...time];
  const series = new Map();
  for (const id of new Set([...state.series.keys(), ...Object.keys(kernels)])) {
    const [had, has] = [state.series.get(id), kernels[id]];
    series.set(id, Object.fromEntries(SERIES.map((name) => {
      const kept = had ? had[name].slice(0, old) : new Array(old).fill(null);
      const added = has?.[name] ?? new Array(time.length).fill(null);
      return [name, [...kept, ...new Array(gap).fill(null), ...added]];
    })));
  }
  [state.time, state.series] = [times, series];
  changed();
}

export function takeEntries(entries) {
  // What came live while they were read is in both.
  const known = new Set(entries.map(identity));
  state.entries = [...entries, ...state.entries.filter((entry) => !known.has(identity(entry)))].slice(-MOST_ENTRIES);
  changed();
}

const identity = (entry) => `${entry.time} ${entry.kind} ${entry.subject} ${entry.text}`;

export function takeFrame(frame) {
  if (state.frame && frame.sequence < state.frame.sequence) state.kernels.clear();
  state.frame = frame;
  state.frames += 1;
  state.lost = frame.lost ?? 0;
  state.missed += frame.missed ?? 0;
  state.alerts = frame.alerts ?? [];
  state.kernels = new Map(frame.kernels.map((kernel) => [kernel.id, kernel]));
  if (frame.entries?.length) state.entries = [...state.entries, ...frame.entries].slice(-MOST_ENTRIES);
  addPoint(frame);
  setConnection("live");
}

function addPoint({ time, kernels }) {
  if (state.time.length && time <= state.time.at(-1)) return;
  for (const { id } of kernels) {
    if (!state.series.has(id)) state.series.set(id, emptySeries(state.time.length));
  }
  state.time.push(time);
  for (const [id, series] of state.series) {
    const kernel = state.kernels.get(id);
    SERIES.forEach((name) => series[name].push(kernel?.[name] ?? null));
  }
  // A quarter at a time: moving everything for each point would cost more than it saves.
  if (state.time.length > MOST_POINTS * 1.25) {
    const dropped = state.time.length - MOST_POINTS;
    state.time.splice(0, dropped);
    state.series.forEach((series) => SERIES.forEach((name) => series[name].splice(0, dropped)));
  }
}
